// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creation, states and queries of queue pairs (verbs A8.3 - A8.5, A9).
#include <algorithm>
#include <stdexcept>

#include "efa_const.h"
#include "rig.hpp"

namespace efa::verbs_test {
namespace {

class QpTest : public VerbsTest {
 protected:
  Cq cq{ibv_create_cq(context.get(), 256, nullptr, nullptr, 0)};

  Qp create(const QpOptions& options = {}) {
    return Qp(try_create_qp(context.get(), pd.get(), cq.get(), cq.get(), options));
  }
  int error_of(const QpOptions& options) { return create(options) ? 0 : errno; }
  int error_of_type(ibv_qp_type type) {
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {1, 1, 1, 1, 0};
    attr.qp_type = type;
    return Qp(ibv_create_qp(pd.get(), &attr)) ? 0 : errno;
  }
};

TEST_F(QpTest, ComeInBothTransports) {
  const Qp srd = create({.transport = Transport::kSrd});
  const Qp ud = create({.transport = Transport::kUd});
  ASSERT_TRUE(srd && ud);
  EXPECT_NE(srd->qp_num, ud->qp_num);
  EXPECT_EQ(srd->state, IBV_QPS_RESET);
}

TEST_F(QpTest, OfOtherTypesAreNotSupported) {
  for (const ibv_qp_type type : {IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_XRC_SEND, IBV_QPT_RAW_PACKET})
    EXPECT_EQ(error_of_type(type), EOPNOTSUPP) << type;
}

TEST_F(QpTest, CanBeMadeByTheDriverInterface) {
  ibv_qp_init_attr attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {16, 16, 1, 1, 0};
  attr.qp_type = IBV_QPT_DRIVER;
  EXPECT_TRUE(Qp(efadv_create_driver_qp(pd.get(), &attr, EFADV_QP_DRIVER_TYPE_SRD)));
  EXPECT_FALSE(Qp(efadv_create_driver_qp(pd.get(), &attr, 1)));
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(QpTest, ReachTheLimitsOfTheDeviceButNotMore) {
  const efadv_device_attr limits = efa_attributes();
  EXPECT_EQ(error_of({.send_depth = limits.max_sq_wr}), 0);
  EXPECT_EQ(error_of({.send_depth = limits.max_sq_wr + 1}), EINVAL);
  EXPECT_EQ(error_of({.recv_depth = limits.max_rq_wr}), 0);
  EXPECT_EQ(error_of({.recv_depth = limits.max_rq_wr + 1}), EINVAL);
  EXPECT_EQ(error_of({.send_sges = limits.max_sq_sge}), 0);
  EXPECT_EQ(error_of({.send_sges = limits.max_sq_sge + 1u}), EINVAL);
  EXPECT_EQ(error_of({.recv_sges = limits.max_rq_sge}), 0);
  EXPECT_EQ(error_of({.recv_sges = limits.max_rq_sge + 1u}), EINVAL);
  EXPECT_EQ(error_of({.inline_bytes = limits.inline_buf_size}), 0);
  EXPECT_EQ(error_of({.inline_bytes = EFA_INLINE_128 + 1}), EINVAL);
}

TEST_F(QpTest, MayLackOneDirection) {
  EXPECT_EQ(error_of({.send_depth = 0}), 0);
  EXPECT_EQ(error_of({.recv_depth = 0}), 0);
}

TEST_F(QpTest, NeedQueuesForTheirCompletions) {
  ibv_qp_init_attr attr{};
  attr.cap = {1, 1, 1, 1, 0};
  attr.qp_type = IBV_QPT_UD;
  EXPECT_FALSE(Qp(ibv_create_qp(pd.get(), &attr)));
  EXPECT_NE(errno, 0);
}

TEST_F(QpTest, RunOutAtTheLimitAndComeBack) {
  const Cq large(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  for (int round = 0; round < 2; ++round) {
    std::vector<Qp> qps;
    const QpOptions small{.send_depth = 1, .recv_depth = 1, .send_sges = 1};
    while (ibv_qp* more = try_create_qp(context.get(), pd.get(), large.get(), large.get(), small))
      qps.emplace_back(more);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(static_cast<int>(qps.size()), attributes().max_qp);
  }
}

TEST_F(QpTest, AreOrdinaryAfterManyOthers) {
  std::uint32_t previous = ~0u;
  for (int i = 0; i < 300; ++i) {
    const Qp qp = create({.send_depth = 1, .recv_depth = 1});
    ASSERT_TRUE(qp) << i;
    EXPECT_NE(qp->qp_num, previous) << "a number should not come back at once";
    previous = qp->qp_num;
  }
}

TEST_F(QpTest, TellTheirCapabilitiesAndState) {
  const Qp qp = create({.send_depth = 16, .recv_depth = 32});
  ASSERT_TRUE(qp);
  ASSERT_EQ(to_init(qp.get(), 0x1234), 0);
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  constexpr int kMask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY |
                        IBV_QP_SQ_PSN | IBV_QP_CAP | IBV_QP_RNR_RETRY;
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, kMask, &init), 0);
  EXPECT_EQ(attr.qp_state, IBV_QPS_INIT);
  EXPECT_EQ(attr.qkey, 0x1234u);
  EXPECT_EQ(attr.port_num, 1);
  EXPECT_EQ(attr.pkey_index, 0);
  EXPECT_GE(attr.cap.max_send_wr, 16u);
  EXPECT_GE(attr.cap.max_recv_wr, 32u);
  EXPECT_EQ(init.send_cq, cq.get());
}

TEST_F(QpTest, TellTheRnrRetryAndPsnTheyWereGiven) {
  const Qp qp = create();
  ASSERT_TRUE(qp);
  ASSERT_EQ(to_init(qp.get()), 0);
  ASSERT_EQ(to_rtr(qp.get()), 0);
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTS;
  attr.sq_psn = 0x4711;
  attr.rnr_retry = 3;
  ASSERT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_SQ_PSN | IBV_QP_RNR_RETRY), 0);
  attr = {};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_SQ_PSN | IBV_QP_RNR_RETRY, &init), 0);
  EXPECT_EQ(attr.qp_state, IBV_QPS_RTS);
  EXPECT_EQ(attr.sq_psn, 0x4711u);
  EXPECT_EQ(attr.rnr_retry, 3);
}

TEST_F(QpTest, RefuseQueriesOfWhatEfaDoesNotHave) {
  const Qp qp = create();
  ASSERT_TRUE(qp);
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  for (const int mask : {IBV_QP_AV, IBV_QP_CUR_STATE, IBV_QP_PATH_MTU, IBV_QP_DEST_QPN})
    EXPECT_EQ(ibv_query_qp(qp.get(), &attr, mask, &init), EOPNOTSUPP) << mask;
  EXPECT_EQ(ibv_query_qp(qp.get(), &attr, 0, &init), 0);
}

// The table of A9: which attributes each transition needs and takes besides the state.
struct Transition {
  ibv_qp_state from, to;
  int required, optional;
};
constexpr Transition kTable[] = {
    {IBV_QPS_RESET, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY, 0},
    {IBV_QPS_INIT, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_INIT, IBV_QPS_ERR, 0, 0},
    {IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY},
    {IBV_QPS_INIT, IBV_QPS_RTR, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY},
    {IBV_QPS_RTR, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_RTR, IBV_QPS_ERR, 0, 0},
    {IBV_QPS_RTR, IBV_QPS_RTS, IBV_QP_SQ_PSN, IBV_QP_QKEY | IBV_QP_RNR_RETRY},
    {IBV_QPS_RTS, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_RTS, IBV_QPS_ERR, 0, 0},
    {IBV_QPS_RTS, IBV_QPS_RTS, 0, IBV_QP_QKEY},
    {IBV_QPS_RTS, IBV_QPS_SQD, 0, IBV_QP_EN_SQD_ASYNC_NOTIFY},
    {IBV_QPS_SQD, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_SQD, IBV_QPS_ERR, 0, 0},
    {IBV_QPS_SQD, IBV_QPS_RTS, 0, IBV_QP_QKEY},
    {IBV_QPS_SQD, IBV_QPS_SQD, 0, IBV_QP_PKEY_INDEX | IBV_QP_QKEY},
    {IBV_QPS_ERR, IBV_QPS_RESET, 0, 0},
    {IBV_QPS_ERR, IBV_QPS_ERR, 0, 0},
};
constexpr ibv_qp_state kStates[] = {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR,
                                    IBV_QPS_RTS,   IBV_QPS_SQD,  IBV_QPS_ERR};
constexpr int kAttributes[] = {IBV_QP_PKEY_INDEX, IBV_QP_PORT,      IBV_QP_QKEY,
                               IBV_QP_SQ_PSN,     IBV_QP_RNR_RETRY, IBV_QP_EN_SQD_ASYNC_NOTIFY};

class QpStateTest : public QpTest {
 protected:
  static int modify(ibv_qp* qp, ibv_qp_state to, int mask) {
    ibv_qp_attr attr{};
    attr.qp_state = to;
    attr.port_num = 1;
    attr.qkey = kQkey;
    attr.rnr_retry = 7;
    return ibv_modify_qp(qp, &attr, IBV_QP_STATE | mask);
  }
  /// A fresh queue pair that went the shortest way to `state`.
  Qp in(ibv_qp_state state, Transport transport = Transport::kSrd) {
    Qp qp = create({.transport = transport, .send_depth = 16, .recv_depth = 16});
    if (!qp) throw std::runtime_error("no queue pair");
    const auto step = [&](ibv_qp_state to, int mask) {
      if (state == IBV_QPS_RESET || qp->state == state) return;
      EXPECT_EQ(modify(qp.get(), to, mask), 0);
    };
    step(IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
    if (state == IBV_QPS_ERR) step(IBV_QPS_ERR, 0);
    step(IBV_QPS_RTR, 0);
    step(IBV_QPS_RTS, IBV_QP_SQ_PSN);
    step(IBV_QPS_SQD, 0);
    EXPECT_EQ(qp->state, state);
    return qp;
  }
  static ibv_qp_state state_of(ibv_qp* qp) {
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    EXPECT_EQ(ibv_query_qp(qp, &attr, IBV_QP_STATE, &init), 0);
    return attr.qp_state;
  }
};

TEST_F(QpStateTest, FollowsTheTableAndNothingElse) {
  for (const ibv_qp_state from : kStates)
    for (const ibv_qp_state to : kStates) {
      SCOPED_TRACE("from " + std::to_string(from) + " to " + std::to_string(to));
      const auto row = std::find_if(std::begin(kTable), std::end(kTable), [&](const Transition& t) {
        return t.from == from && t.to == to;
      });
      const Qp qp = in(from);
      const bool legal = row != std::end(kTable);
      EXPECT_EQ(modify(qp.get(), to, legal ? row->required : 0), legal ? 0 : EINVAL);
      EXPECT_EQ(state_of(qp.get()), legal ? to : from);
    }
}

TEST_F(QpStateTest, NeedsEveryRequiredAttribute) {
  for (const Transition& row : kTable)
    for (const int bit : kAttributes) {
      if ((row.required & bit) == 0) continue;
      SCOPED_TRACE("from " + std::to_string(row.from) + " without " + std::to_string(bit));
      const Qp qp = in(row.from);
      EXPECT_EQ(modify(qp.get(), row.to, row.required & ~bit), EINVAL);
      EXPECT_EQ(state_of(qp.get()), row.from);
    }
}

TEST_F(QpStateTest, TakesOnlyTheAttributesOfItsTransition) {
  for (const Transition& row : kTable)
    for (const int bit : kAttributes) {
      if ((row.required & bit) != 0) continue;
      SCOPED_TRACE("from " + std::to_string(row.from) + " to " + std::to_string(row.to) + " with " +
                   std::to_string(bit));
      const Qp qp = in(row.from);
      const bool takes = (row.optional & bit) != 0;
      EXPECT_EQ(modify(qp.get(), row.to, row.required | bit), takes ? 0 : EINVAL);
      EXPECT_EQ(state_of(qp.get()), takes ? row.to : row.from);
    }
}

TEST_F(QpStateTest, OfDatagramsKnowsNoRnrRetry) {
  const Qp qp = in(IBV_QPS_RTR, Transport::kUd);
  EXPECT_EQ(modify(qp.get(), IBV_QPS_RTS, IBV_QP_SQ_PSN | IBV_QP_RNR_RETRY), EINVAL);
  EXPECT_EQ(modify(qp.get(), IBV_QPS_RTS, IBV_QP_SQ_PSN), 0);
}

TEST_F(QpStateTest, ChangesOnlyForPortOneAndPkeyZero) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_INIT;
  attr.port_num = 2;
  constexpr int kMask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY;
  const Qp qp = in(IBV_QPS_RESET);
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, kMask), EINVAL);
  attr.port_num = 1;
  attr.pkey_index = 1;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, kMask), EOPNOTSUPP);
  attr.pkey_index = 0;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, kMask), 0);
}

TEST_F(QpStateTest, RefusesAttributesThatEfaDoesNotHave) {
  const Qp qp = in(IBV_QPS_INIT);
  for (const int mask : {IBV_QP_PATH_MTU, IBV_QP_DEST_QPN, IBV_QP_TIMEOUT, IBV_QP_RETRY_CNT})
    EXPECT_EQ(modify(qp.get(), IBV_QPS_RTR, mask), EOPNOTSUPP) << mask;
}

TEST_F(QpStateTest, KnowsWhichCurrentStatesCanBeClaimed) {
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_RTS;
  const Qp qp = in(IBV_QPS_RTS);
  attr.cur_qp_state = IBV_QPS_RTS;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), 0);
  attr.cur_qp_state = IBV_QPS_INIT;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), EINVAL);
  attr.cur_qp_state = IBV_QPS_ERR;
  EXPECT_EQ(ibv_modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), EINVAL);
  EXPECT_EQ(state_of(qp.get()), IBV_QPS_RTS);
}

TEST_F(QpStateTest, StartsAfreshAfterReset) {
  Endpoint self(context.get(), pd.get());
  const Destination to = self.from(self);
  for (std::uint64_t round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 10; ++i) {
      const std::uint64_t id = round * 100 + i;
      ASSERT_EQ(self.post_receive(id, {{0, 64}}), 0);
      ASSERT_EQ(self.post_send(id, to, {{4096, 64}}), 0);
      EXPECT_SUCCESS(self.next_sent(), id);
      EXPECT_SUCCESS(self.next_received(), id);
    }
    ASSERT_EQ(self.post_receive(99, {{0, 64}}), 0);  // forgotten by the reset
    ASSERT_EQ(to_state(self.qp(), IBV_QPS_RESET), 0);
    ASSERT_EQ(to_init(self.qp()), 0);
    ASSERT_EQ(to_rtr(self.qp()), 0);
    ASSERT_EQ(to_rts(self.qp()), 0);
  }
}

}  // namespace
}  // namespace efa::verbs_test
