// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Sizes of rings and refusals (spec verbs V94 to V104).
#include "qp_plan.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "fake/objects.hpp"

namespace efa {
namespace {

using namespace efa::fake;

class QpPlanTest : public ::testing::Test {
 protected:
  QpPlanTest() { restart_kernel(); }

  struct Case {
    const char* what;
    std::function<void(ibv_qp_init_attr_ex&, QpOptions&, Limits&)> change;
    int error;
  };

  /// Plans a modest queue pair with a change.
  int plan(const Case& test, QpPlan& result) {
    QpOptions options;
    options.srd = true;
    ibv_qp_init_attr_ex attr = station.qp_attr(cq.get(), cq.get(), {});
    Limits& limits = station.context().limits;
    const Limits saved = limits;
    test.change(attr, options, limits);
    const int error = plan_qp(station.context(), attr, options, result);
    limits = saved;
    return error;
  }
  QpPlan planned(std::function<void(ibv_qp_init_attr_ex&, QpOptions&, Limits&)> change) {
    QpPlan result;
    EXPECT_EQ(plan({"", std::move(change), 0}, result), 0) << kernel().log;
    return result;
  }

  Station station;
  Owner<ibv_cq> cq = station.classic_cq(64);
};

TEST_F(QpPlanTest, RefusesWhatIsBeyondTheLimits) {
  const Case cases[] = {
      {"modest", [](auto&, auto&, auto&) {}, 0},
      {"no PD bit", [](auto& a, auto&, auto&) { a.comp_mask &= ~IBV_QP_INIT_ATTR_PD; }, EINVAL},
      {"no PD", [](auto& a, auto&, auto&) { a.pd = nullptr; }, EINVAL},
      {"unknown bit", [](auto& a, auto&, auto&) { a.comp_mask |= IBV_QP_INIT_ATTR_XRCD; },
       EOPNOTSUPP},
      {"no send CQ", [](auto& a, auto&, auto&) { a.send_cq = nullptr; }, EINVAL},
      {"no receive CQ", [](auto& a, auto&, auto&) { a.recv_cq = nullptr; }, EINVAL},
      {"SRQ", [](auto& a, auto&, auto&) { a.srq = reinterpret_cast<ibv_srq*>(&a); }, EINVAL},
      {"atomics",
       [](auto& a, auto&, auto&) { a.send_ops_flags |= IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP; },
       EOPNOTSUPP},
      {"UD reads", [](auto&, auto& o, auto&) { o.srd = false; }, EOPNOTSUPP},
      {"reads without the capability",
       [](auto&, auto&, auto& l) { efa_uabi_query_device_resp_set_rdma_read(&l.device, 0); },
       EOPNOTSUPP},
      {"writes without the capability",
       [](auto&, auto&, auto& l) { efa_uabi_query_device_resp_set_rdma_write(&l.device, 0); },
       EOPNOTSUPP},
      {"inline writes", [](auto&, auto& o, auto&) { o.inline_write = true; }, 0},
      {"inline writes without writes",
       [](auto& a, auto& o, auto& l) {
         a.send_ops_flags = IBV_QP_EX_WITH_SEND;
         o.inline_write = true;
         efa_uabi_query_device_resp_set_rdma_write(&l.device, 0);
       },
       EOPNOTSUPP},
      {"unsolicited", [](auto&, auto& o, auto&) { o.unsolicited_write_recv = true; }, 0},
      {"unsolicited without the capability",
       [](auto&, auto& o, auto& l) {
         o.unsolicited_write_recv = true;
         efa_uabi_query_device_resp_set_unsolicited_write_recv(&l.device, 0);
       },
       EOPNOTSUPP},
      {"2 send segments", [](auto& a, auto&, auto&) { a.cap.max_send_sge = 2; }, 0},
      {"3 send segments", [](auto& a, auto&, auto&) { a.cap.max_send_sge = 3; }, EINVAL},
      {"3 receive segments", [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 3; }, 0},
      {"4 receive segments", [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 4; }, EINVAL},
      {"80 inline bytes", [](auto& a, auto&, auto&) { a.cap.max_inline_data = 80; }, 0},
      {"81 inline bytes", [](auto& a, auto&, auto&) { a.cap.max_inline_data = 81; }, EINVAL},
      {"deepest", [](auto& a, auto&, auto&) { a.cap.max_send_wr = 4096; }, 0},
      {"too deep", [](auto& a, auto&, auto&) { a.cap.max_send_wr = 4097; }, EINVAL},
      {"too deep for its WQEs",
       [](auto& a, auto&, auto& l) {
         a.cap.max_send_wr = 4096;
         l.max_llq_size = 4096 * 64 - 1;
       },
       EINVAL},
      {"half as deep with wide WQEs",
       [](auto& a, auto&, auto& l) {
         a.cap.max_send_wr = 2048;
         a.cap.max_inline_data = 33;
         l.max_llq_size = 4096 * 64;
       },
       0},
      {"deeper than wide WQEs allow",
       [](auto& a, auto&, auto& l) {
         a.cap.max_send_wr = 2049;
         a.cap.max_inline_data = 33;
         l.max_llq_size = 4096 * 64;
       },
       EINVAL},
      {"most receives of one segment",
       [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 1, a.cap.max_recv_wr = 8192; }, 0},
      {"one more", [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 1, a.cap.max_recv_wr = 8193; },
       EINVAL},
      {"most receives of three segments",
       [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 3, a.cap.max_recv_wr = 8192 / 3; }, 0},
      {"one more of three",
       [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 3, a.cap.max_recv_wr = 8192 / 3 + 1; },
       EINVAL},
      {"no receives", [](auto& a, auto&, auto&) { a.cap.max_recv_wr = a.cap.max_recv_sge = 0; }, 0},
      {"receives without segments", [](auto& a, auto&, auto&) { a.cap.max_recv_sge = 0; }, EINVAL},
      {"no sends", [](auto& a, auto&, auto&) { a.cap.max_send_wr = 0; }, 0},
  };
  for (const Case& test : cases) {
    QpPlan result;
    kernel().log.clear();
    EXPECT_EQ(plan(test, result), test.error) << test.what;
    EXPECT_EQ(kernel().log.empty(), test.error == 0) << test.what << ": " << kernel().log;
  }
}

TEST_F(QpPlanTest, RingsAreAsLargeAsNeeded) {
  const auto sends = [&](std::uint32_t wanted, std::uint32_t minimum) {
    return planned([=](auto& a, auto&, auto& l) {
             a.cap.max_send_wr = wanted;
             l.min_sq_wr = minimum;
           })
        .send_requests;
  };
  EXPECT_EQ(sends(0, 0), 1u);  // V103
  EXPECT_EQ(sends(1, 0), 1u);
  EXPECT_EQ(sends(5, 0), 8u);  // V100
  EXPECT_EQ(sends(8, 0), 8u);
  EXPECT_EQ(sends(5, 64), 64u);
  EXPECT_EQ(sends(65, 64), 128u);
  EXPECT_EQ(sends(5, 33), 64u);

  const auto receives = [&](std::uint32_t requests, std::uint32_t segments) {
    const QpPlan result = planned([=](auto& a, auto&, auto&) {
      a.cap.max_recv_wr = requests;
      a.cap.max_recv_sge = segments;
    });
    return std::pair(result.descriptors, result.receive_requests);
  };
  EXPECT_EQ(receives(5, 2), std::pair(16u, 8u));  // V101
  EXPECT_EQ(receives(5, 3), std::pair(16u, 5u));
  EXPECT_EQ(receives(8, 1), std::pair(8u, 8u));
  EXPECT_EQ(receives(0, 2), std::pair(0u, 0u));
  EXPECT_EQ(receives(0, 0), std::pair(0u, 0u));  // V102
}

TEST_F(QpPlanTest, WideWqesOnlyWhereNeeded) {  // V99
  EXPECT_EQ(wqe_size_for(0, false), WqeSize::k64);
  EXPECT_EQ(wqe_size_for(32, false), WqeSize::k64);
  EXPECT_EQ(wqe_size_for(33, false), WqeSize::k128);
  EXPECT_EQ(wqe_size_for(0, true), WqeSize::k128);
}

}  // namespace
}  // namespace efa
