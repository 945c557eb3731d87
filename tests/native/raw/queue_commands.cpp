// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creation of completion queues and queue pairs: every check, every length (verbs A3, A8.2, A8.3).
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "uverbs.hpp"

namespace efa::raw {
namespace {

bool refused(int error) {
  return error == EINVAL || error == EOPNOTSUPP;
}

class QueueTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  CqAnswer cq;
  CqRequest cq_request;
  QpRequest qp_request;

  void SetUp() override {
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    ASSERT_EQ(session.alloc_pd(pd), 0);
    ASSERT_EQ(session.create_cq(cq_request, cq), 0);
  }
  /// errno of CREATE_CQ; the queue is gone again.
  int cq_error(const CqRequest& request, const std::vector<std::uint8_t>& device) {
    CqAnswer answer;
    const int error = session.create_cq(request, device, answer);
    if (error != 0) return error;
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, answer.handle), 0);
    return 0;
  }
  int cq_error(const CqRequest& request) { return cq_error(request, bytes_of(request.device)); }
  int cq_error(const std::vector<std::uint8_t>& device) { return cq_error(cq_request, device); }

  int qp_error(const QpRequest& request, const std::vector<std::uint8_t>& device) {
    QpAnswer answer;
    const int error = session.create_qp(request, device, pd, cq, cq, answer);
    if (error != 0) return error;
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, answer.handle), 0);
    return 0;
  }
  int qp_error(const QpRequest& request) { return qp_error(request, bytes_of(request.device)); }
  int qp_error(const std::vector<std::uint8_t>& device) { return qp_error(qp_request, device); }
};

std::vector<std::uint8_t> cut(std::vector<std::uint8_t> bytes, std::size_t length) {
  bytes.resize(length);
  return bytes;
}

class CqCreationTest : public QueueTest {};

TEST_F(CqCreationTest, TellsWhereTheRingIs) {
  EXPECT_EQ(cq.cqe, 64u);
  EXPECT_EQ(cq.device.q_mmap_size, 4096u);
  EXPECT_EQ(cq.device.comp_mask, 0u) << "no events were asked for, so there is no doorbell";
}

TEST_F(CqCreationTest, TellsTheDoorbellOfAQueueWithEvents) {
  CqAnswer answer;
  efa_uabi_create_cq_set_completion_channel(&cq_request.device, 1);
  ASSERT_EQ(session.create_cq(cq_request, answer), 0);
  EXPECT_TRUE(efa_uabi_create_cq_resp_db_off(&answer.device));
  EXPECT_LT(answer.device.db_off, 4096u);
  EXPECT_EQ(answer.device.db_off % 4, 0u);
}

TEST_F(CqCreationTest, TakesRequestsOfEveryVersion) {
  const auto device = bytes_of(cq_request.device);
  EXPECT_EQ(cq_error(std::vector<std::uint8_t>{}), EINVAL);
  EXPECT_EQ(cq_error(cut(device, 9)), EINVAL);
  EXPECT_EQ(cq_error(cut(device, 10)), 0);
  EXPECT_EQ(cq_error(device), 0);
  EXPECT_EQ(cq_error(cut(device, 24)), 0);
  EXPECT_EQ(cq_error(cut(device, 5000)), 0);
  for (const std::size_t length : {17, 24, 300, 5000}) {
    auto longer = cut(device, length);
    longer.back() = 1;
    EXPECT_TRUE(refused(cq_error(longer))) << length;
  }
}

TEST_F(CqCreationTest, RefusesMasksAndReservedBytes) {
  CqRequest request = cq_request;
  request.device.comp_mask = 1;
  EXPECT_TRUE(refused(cq_error(request)));
  for (std::size_t i = 0; i < std::size(request.device.reserved_58); ++i) {
    request = cq_request;
    request.device.reserved_58[i] = 1;
    EXPECT_EQ(cq_error(request), EINVAL) << i;
  }
}

TEST_F(CqCreationTest, RefusesFlagsThatItDoesNotKnow) {
  CqRequest request = cq_request;
  request.device.flags = 0x80;
  EXPECT_EQ(cq_error(request), EOPNOTSUPP);
}

TEST_F(CqCreationTest, KnowsTwoEntrySizes) {
  for (const std::uint32_t size : {0u, 8u, 15u, 24u, 64u, 0x10010u}) {
    CqRequest request = cq_request;
    request.device.cq_entry_size = size;
    EXPECT_EQ(cq_error(request), EINVAL) << size;
  }
  CqRequest small = cq_request;
  small.device.cq_entry_size = 16;
  EXPECT_EQ(cq_error(small), 0);
  efa_uabi_create_cq_set_sgid(&small.device, 1);
  EXPECT_EQ(cq_error(small), EINVAL) << "no room for the source address";
  small.device.cq_entry_size = 32;
  EXPECT_EQ(cq_error(small), 0);
}

TEST_F(CqCreationTest, WantsTheNumberOfSubQueuesOfTheDevice) {
  CqRequest request = cq_request;
  ++request.device.num_sub_cqs;
  EXPECT_EQ(cq_error(request), EINVAL);
  request.device.num_sub_cqs = 0;
  EXPECT_EQ(cq_error(request), EINVAL);
}

TEST_F(CqCreationTest, HasLimits) {
  CqRequest request = cq_request;
  request.cqe = 0;
  EXPECT_EQ(cq_error(request), EINVAL);
  request.cqe = 32768;
  EXPECT_EQ(cq_error(request), 0);
  request.cqe = 32769;
  EXPECT_EQ(cq_error(request), EINVAL);
  request.cqe = 65536 + 64;
  EXPECT_EQ(cq_error(request), EINVAL);
  request.cqe = 100;
  EXPECT_EQ(cq_error(request), EINVAL) << "a depth is a power of two";
  request = cq_request;
  request.vector = 4711;
  EXPECT_EQ(cq_error(request), EINVAL);
}

TEST_F(CqCreationTest, TruncatesAndFillsItsAnswer) {
  for (const std::size_t length : {0, 8, 39, 40, 41, 200}) {
    std::vector<std::uint8_t> answer(length, 0xee);
    std::uint32_t cqe = 0;
    Attributes attributes;
    attributes.handle(UVERBS_ATTR_CREATE_CQ_HANDLE)
        .in(UVERBS_ATTR_CREATE_CQ_CQE, cq_request.cqe)
        .in(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, std::uint64_t{0})
        .in(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, std::uint32_t{0})
        .out(UVERBS_ATTR_CREATE_CQ_RESP_CQE, cqe)
        .in(UVERBS_ATTR_UHW_IN, cq_request.device)
        .out(UVERBS_ATTR_UHW_OUT, answer);
    ASSERT_EQ(session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE, attributes), 0) << length;
    for (std::size_t i = sizeof(efa_uabi_create_cq_resp); i < length; ++i)
      EXPECT_EQ(answer[i], 0) << i;
  }
}

TEST_F(CqCreationTest, RefusesFlagsOfOtherHardware) {
  cq_request.more.in(UVERBS_ATTR_CREATE_CQ_FLAGS, std::uint32_t{1});
  EXPECT_EQ(cq_error(cq_request), EOPNOTSUPP);
}

TEST_F(CqCreationTest, NeedsACompletionChannelForItsChannel) {
  CqAnswer answer;
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_CREATE_CQ_HANDLE)
      .in(UVERBS_ATTR_CREATE_CQ_CQE, cq_request.cqe)
      .in(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, std::uint64_t{0})
      .in(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, std::uint32_t{0})
      .handle(UVERBS_ATTR_CREATE_CQ_COMP_CHANNEL, STDIN_FILENO)
      .out(UVERBS_ATTR_CREATE_CQ_RESP_CQE, answer.cqe)
      .in(UVERBS_ATTR_UHW_IN, cq_request.device)
      .out(UVERBS_ATTR_UHW_OUT, answer.device);
  const int error = session.call(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE, attributes);
  EXPECT_TRUE(error == EBADF || error == EINVAL) << error;
}

class QpCreationTest : public QueueTest {};

TEST_F(QpCreationTest, TellsWhereEverythingIs) {
  QpAnswer answer;
  ASSERT_EQ(session.create_qp(qp_request, pd, cq, cq, answer), 0);
  EXPECT_EQ(answer.device.comp_mask, 0u);
  EXPECT_LT(answer.device.sq_db_offset, 4096u);
  EXPECT_LT(answer.device.rq_db_offset, 4096u);
  EXPECT_LT(answer.device.llq_desc_offset, 4096u);
  EXPECT_EQ(answer.device.rq_mmap_size, 4096u);
  EXPECT_EQ(answer.cap.max_send_wr, qp_request.cap.max_send_wr) << "echoed, not rounded";
}

TEST_F(QpCreationTest, WithoutReceiveQueueHasNoRing) {
  QpAnswer answer;
  qp_request.cap.max_recv_wr = 0;
  qp_request.device.rq_ring_size = 0;
  ASSERT_EQ(session.create_qp(qp_request, pd, cq, cq, answer), 0);
  EXPECT_EQ(answer.device.rq_mmap_size, 0u);
}

TEST_F(QpCreationTest, TakesRequestsOfEveryVersion) {
  const auto device = bytes_of(qp_request.device);
  EXPECT_EQ(qp_error(std::vector<std::uint8_t>{}), EINVAL);
  EXPECT_EQ(qp_error(cut(device, 15)), EINVAL);
  EXPECT_EQ(qp_error(cut(device, 16)), 0);
  EXPECT_EQ(qp_error(cut(device, 18)), 0);
  EXPECT_EQ(qp_error(device), 0);
  EXPECT_EQ(qp_error(cut(device, 32)), 0);
  EXPECT_EQ(qp_error(cut(device, 5000)), 0);
  for (const std::size_t length : {25, 32, 300, 5000}) {
    auto longer = cut(device, length);
    longer.back() = 1;
    EXPECT_TRUE(refused(qp_error(longer))) << length;
  }
}

TEST_F(QpCreationTest, RefusesMasksAndReservedBytes) {
  QpRequest request = qp_request;
  request.device.comp_mask = 1;
  EXPECT_TRUE(refused(qp_error(request)));
  for (std::size_t i = 0; i < std::size(request.device.reserved_98); ++i) {
    request = qp_request;
    request.device.reserved_98[i] = 1;
    EXPECT_EQ(qp_error(request), EINVAL) << i;
  }
}

TEST_F(QpCreationTest, RefusesFlagsThatTheDeviceLacks) {
  QpRequest request = qp_request;
  request.device.flags = 0x8000;
  EXPECT_EQ(qp_error(request), EOPNOTSUPP);
  request.device.flags = EFA_UABI_CREATE_QP_UNSOLICITED_WRITE_RECV_MASK;
  const bool unsolicited = session.has(EFA_UABI_QUERY_DEVICE_RESP_UNSOLICITED_WRITE_RECV_MASK);
  EXPECT_EQ(qp_error(request), unsolicited ? 0 : EOPNOTSUPP);
  request.device.flags = EFA_UABI_CREATE_QP_SQ_64_BIT_REQ_ID_MASK;
  if (!session.has(EFA_UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID_MASK)) {
    EXPECT_EQ(qp_error(request), EOPNOTSUPP);
    return;
  }
  EXPECT_EQ(qp_error(request), EINVAL) << "the send CQ has no room for such ids";
  efa_uabi_create_cq_set_sq_comp_64_bit_req_id(&cq_request.device, 1);
  ASSERT_EQ(session.create_cq(cq_request, cq), 0);
  EXPECT_EQ(qp_error(request), 0);
}

TEST_F(QpCreationTest, HasLimits) {
  const auto& device = session.device();
  const auto with = [&](auto change) {
    QpRequest request = qp_request;
    change(request);
    return qp_error(request);
  };
  const auto send_depth = [](QpRequest& r, std::uint32_t depth) {
    r.cap.max_send_wr = depth;
    r.device.sq_ring_size = depth * 64;
  };
  EXPECT_EQ(with([&](QpRequest& r) { send_depth(r, device.max_sq_wr); }), 0);
  EXPECT_EQ(with([&](QpRequest& r) { send_depth(r, 2 * device.max_sq_wr); }), EINVAL);
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_send_wr = device.max_sq_wr + 1; }), EINVAL);
  EXPECT_EQ(with([&](QpRequest& r) { r.device.sq_ring_size = session.limits().max_llq_size + 64; }),
            EINVAL);
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_recv_wr = device.max_rq_wr + 1; }), EINVAL);
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_send_sge = device.max_sq_sge + 1u; }), EINVAL);
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_recv_sge = device.max_rq_sge + 1u; }), EINVAL);
  const std::uint32_t inline_limit = session.limits().inline_buf_size_ex;
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_inline_data = inline_limit; }), 0);
  EXPECT_EQ(with([&](QpRequest& r) { r.cap.max_inline_data = inline_limit + 1; }), EINVAL);
}

TEST_F(QpCreationTest, RefusesRingsThatFitNoDepth) {
  const auto with_rings = [&](std::uint32_t sq, std::uint32_t rq) {
    QpRequest request = qp_request;
    request.device.sq_ring_size = sq;
    request.device.rq_ring_size = rq;
    return qp_error(request);
  };
  const std::uint32_t sq = qp_request.device.sq_ring_size, rq = qp_request.device.rq_ring_size;
  EXPECT_EQ(with_rings(sq - 64, rq), EINVAL);
  EXPECT_EQ(with_rings(sq + 1, rq), EINVAL);
  EXPECT_EQ(with_rings(64, rq), EINVAL);
  for (const std::uint32_t size : {1u, 17u, 3 * 16u, 0x80000000u, 0xfffffff0u, 0xffffffffu})
    EXPECT_EQ(with_rings(sq, size), EINVAL) << size;
}

TEST_F(QpCreationTest, KnowsTwoTypes) {
  QpRequest request = qp_request;
  request.type = IB_UVERBS_QPT_UD;
  EXPECT_EQ(qp_error(request), 0);
  for (const std::uint32_t type : {IB_UVERBS_QPT_RC, IB_UVERBS_QPT_UC, IB_UVERBS_QPT_XRC_INI}) {
    request.type = type;
    EXPECT_EQ(qp_error(request), EOPNOTSUPP) << type;
  }
  request = qp_request;
  request.device.driver_qp_type = 1;
  EXPECT_EQ(qp_error(request), EOPNOTSUPP);
  request.type = IB_UVERBS_QPT_UD;
  EXPECT_EQ(qp_error(request), 0) << "only read for driver types";
}

TEST_F(QpCreationTest, OfRawPacketsNeedsAPrivilegeFirst) {
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(100);
    qp_request.type = IB_UVERBS_QPT_RAW_PACKET;
    QpAnswer answer;
    ::_exit(session.create_qp(qp_request, pd, cq, cq, answer));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

TEST_F(QpCreationTest, NeedsQueuesAndADomain) {
  QpAnswer answer;
  const auto unknown = [](int error) { return error == EINVAL || error == ENOENT; };
  CqAnswer nothing;
  nothing.handle = 4711;
  EXPECT_TRUE(unknown(session.create_qp(qp_request, pd, nothing, cq, answer)));
  EXPECT_TRUE(unknown(session.create_qp(qp_request, pd, cq, nothing, answer)));
  EXPECT_TRUE(unknown(session.create_qp(qp_request, {4711, 0}, cq, cq, answer)));
  EXPECT_EQ(session.create_qp(qp_request, {cq.handle, 0}, cq, cq, answer), EINVAL)
      << "a handle of another type";
  nothing.handle = pd.handle;
  EXPECT_EQ(session.create_qp(qp_request, pd, nothing, cq, answer), EINVAL);
}

TEST_F(QpCreationTest, HoldsWhatItUses) {
  QpAnswer answer;
  ASSERT_EQ(session.create_qp(qp_request, pd, cq, cq, answer), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, cq.handle), EBUSY);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_PD, pd.handle), EBUSY);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, answer.handle), EINVAL);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, answer.handle), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, cq.handle), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_PD, pd.handle), 0);
}

TEST_F(QpCreationTest, ModifyTakesNoPrivateInput) {
  QpAnswer answer;
  ASSERT_EQ(session.create_qp(qp_request, pd, cq, cq, answer), 0);
  ib_uverbs_modify_qp request{};
  request.qp_handle = answer.handle;
  request.attr_mask = 1;  // to RESET, where it is
  const std::vector<std::uint8_t> zeros(16), ones(16, 1);
  EXPECT_EQ(session.write_command(IB_USER_VERBS_CMD_MODIFY_QP, request,
                                  Attributes().in(UVERBS_ATTR_UHW_IN, zeros)),
            0);
  EXPECT_TRUE(refused(session.write_command(IB_USER_VERBS_CMD_MODIFY_QP, request,
                                            Attributes().in(UVERBS_ATTR_UHW_IN, ones))));
}

TEST_F(QpCreationTest, ModifyToAPrivilegedQkeyNeedsAPrivilege) {
  QpAnswer answer;
  ASSERT_EQ(session.create_qp(qp_request, pd, cq, cq, answer), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(100);
    ::_exit(session.ready(answer, 0x80000001));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace efa::raw
