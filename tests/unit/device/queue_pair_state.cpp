// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/queue_pair_state.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

constexpr std::uint32_t kState = EFA_MODIFY_QP_CMD_QP_STATE_MASK;
constexpr std::uint32_t kCurrent = EFA_MODIFY_QP_CMD_CUR_QP_STATE_MASK;
constexpr std::uint32_t kQkey = EFA_MODIFY_QP_CMD_QKEY_MASK;
constexpr std::uint32_t kPsn = EFA_MODIFY_QP_CMD_SQ_PSN_MASK;
constexpr std::uint32_t kDrained = EFA_MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY_MASK;
constexpr std::uint32_t kRnr = EFA_MODIFY_QP_CMD_RNR_RETRY_MASK;
constexpr std::uint32_t kAttributes[] = {kQkey, kPsn, kDrained, kRnr};

constexpr unsigned kStates = 7;
constexpr char kNo = '-';

/// Rows: from; columns: to; RESET INIT RTR RTS SQD SQE ERR. One letter per allowed change, looked
/// up in attributes() below. This is the table of device-admin A9.6, typed a second time.
constexpr const char* kTable[kStates] = {
    "0K-----",  // RESET
    "0kk---0",  // INIT
    "0--P--0",  // RTR
    "0--kD-0",  // RTS
    "0--kk-0",  // SQD
    "0--k--0",  // SQE
    "0-----0",  // ERR
};

struct Attributes {
  std::uint32_t required;
  std::uint32_t optional;
};

Attributes attributes(char letter) {
  switch (letter) {
    case 'K':
      return {kQkey, 0};
    case 'k':
      return {0, kQkey};
    case 'P':
      return {kPsn, kQkey | kRnr};
    case 'D':
      return {0, kDrained};
    default:
      return {0, 0};
  }
}

struct Bench : Rig {
  explicit Bench(efa_qp_type type = EFA_QP_TYPE_SRD, std::string_view generation = "efa2")
      : Rig(generation) {
    const std::uint16_t owner = uar();
    const auto cq = create_cq(cq_command(owner)).body.cq_idx;
    handle = create_qp(qp_command(pd(), owner, cq, type, 32)).body.qp_handle;
    device.connect(&hooks);
  }
  QueuePair& qp() { return *device.find_qp(handle); }

  efa_modify_qp_cmd command(std::uint32_t mask, std::uint32_t to = 0) const {
    efa_modify_qp_cmd cmd{};
    cmd.qp_handle = handle;
    cmd.modify_mask = mask;
    cmd.qp_state = to;
    cmd.qkey = 0x1234;
    cmd.sq_psn = 0x5678;
    cmd.rnr_retry = 3;
    return cmd;
  }
  efa_aq_completion_status modify(std::uint32_t mask, std::uint32_t to = 0) {
    return modify_qp(command(mask, to));
  }

  std::uint32_t handle = 0;
  RecordedHooks hooks;
};

TEST(QpStateMachine, FollowsTheTableForEveryPairOfStatesAndEverySetOfAttributes) {
  for (const efa_qp_type type : {EFA_QP_TYPE_UD, EFA_QP_TYPE_SRD}) {
    Bench bench(type);
    for (unsigned from = 0; from < kStates; ++from) {
      for (unsigned to = 0; to < kStates; ++to) {
        for (unsigned set = 0; set < 16; ++set) {
          std::uint32_t mask = 0;
          for (unsigned i = 0; i < 4; ++i)
            if ((set >> i & 1) != 0) mask |= kAttributes[i];
          const char letter = kTable[from][to];
          auto [required, optional] = attributes(letter);
          if (type == EFA_QP_TYPE_UD) optional &= ~kRnr;
          const bool allowed = letter != kNo && (mask & required) == required &&
                               (mask & ~(required | optional)) == 0;
          bench.qp().state = static_cast<efa_qp_state>(from);
          EXPECT_EQ(bench.modify(mask | kState, to), allowed ? kSuccess : kIllegal)
              << from << " to " << to << " with " << mask << ", type " << type;
          EXPECT_EQ(bench.qp().state, allowed ? to : from);
        }
      }
    }
  }
}

TEST(QpStateMachine, WithoutAStateTreatsAttributesAsAChangeToTheSameState) {
  Bench bench;
  for (unsigned state = 0; state < kStates; ++state) {
    for (const std::uint32_t mask : kAttributes) {
      const char letter = kTable[state][state];
      const auto [required, optional] = attributes(letter);
      const bool allowed = letter != kNo && required == 0 && (mask & optional) == mask;
      bench.qp().state = static_cast<efa_qp_state>(state);
      EXPECT_EQ(bench.modify(mask), allowed ? kSuccess : kIllegal) << state << " with " << mask;
    }
  }
}

TEST(QpStateMachine, KnowsNoOtherStates) {
  Bench bench;
  for (const std::uint32_t value : {7u, 8u, 0x100u, 0xffffffffu}) {
    EXPECT_EQ(bench.modify(kState, value), kIllegal);
    efa_modify_qp_cmd cmd = bench.command(kState | kCurrent, EFA_QP_STATE_RESET);
    cmd.cur_qp_state = value;
    EXPECT_EQ(bench.modify_qp(cmd), kIllegal);
    EXPECT_FALSE(qp_transition(value, EFA_QP_STATE_RESET).allowed);
  }
}

TEST(QpStateMachine, TakesTheDriversIdeaOfTheCurrentState) {
  Bench bench;
  efa_modify_qp_cmd cmd = bench.command(kState | kCurrent | kPsn, EFA_QP_STATE_RTS);
  cmd.cur_qp_state = EFA_QP_STATE_RTR;
  EXPECT_EQ(bench.modify_qp(cmd), kSuccess);
  EXPECT_EQ(bench.qp().state, EFA_QP_STATE_RTS);
  EXPECT_EQ(bench.hooks.calls, std::vector<std::string>{"qp_modified 0: 0 to 3"})
      << "the data path hears the true former state";
}

TEST(QpStateMachine, TellsTheDataPathOnlyOfRealChanges) {
  Bench bench;
  bench.modify(kState, EFA_QP_STATE_RESET);
  bench.modify(kState | kQkey, EFA_QP_STATE_INIT);
  bench.modify(kState | kQkey, EFA_QP_STATE_INIT);
  bench.modify(kQkey);
  bench.modify(kState, EFA_QP_STATE_RTS);
  bench.modify(kState, EFA_QP_STATE_RTR);
  bench.modify(kState, EFA_QP_STATE_ERR);
  bench.modify(kState, EFA_QP_STATE_ERR);
  EXPECT_EQ(bench.hooks.calls,
            (std::vector<std::string>{"qp_modified 0: 0 to 1", "qp_modified 0: 1 to 2",
                                      "qp_modified 0: 2 to 6"}));
}

TEST(QpStateMachine, ChangesNothingWhenItRefuses) {
  Bench bench;
  bench.bring_up(bench.handle, 1);
  efa_modify_qp_cmd cmd = bench.command(kState | kQkey | kPsn, EFA_QP_STATE_RTS);
  EXPECT_EQ(bench.modify_qp(cmd), kIllegal);
  EXPECT_EQ(bench.qp().qkey, 1u);
  EXPECT_EQ(bench.qp().sq_psn, 0u);
}

TEST(QpStateMachine, StoresAttributes) {
  Bench bench;
  bench.modify(kState | kQkey, EFA_QP_STATE_INIT);
  bench.modify(kState, EFA_QP_STATE_RTR);
  EXPECT_EQ(bench.modify(kState | kPsn | kRnr, EFA_QP_STATE_RTS), kSuccess);
  EXPECT_EQ(bench.qp().qkey, 0x1234u);
  EXPECT_EQ(bench.qp().sq_psn, 0x5678u);
  EXPECT_EQ(bench.qp().rnr_retry, 3);
}

TEST(QpStateMachine, AcceptsRnrRetriesFromZeroToSeven) {
  for (unsigned retries = 0; retries < 256; ++retries) {
    Bench bench;
    bench.qp().state = EFA_QP_STATE_RTR;
    efa_modify_qp_cmd cmd = bench.command(kState | kPsn | kRnr, EFA_QP_STATE_RTS);
    cmd.rnr_retry = static_cast<std::uint8_t>(retries);
    EXPECT_EQ(bench.modify_qp(cmd), retries <= 7 ? kSuccess : kIllegal) << retries;
  }
}

TEST(QpStateMachine, IgnoresUnknownMaskBits) {
  Bench bench;
  EXPECT_EQ(bench.modify(kState | kQkey | 0xffffffc0, EFA_QP_STATE_INIT), kSuccess);
}

TEST(QpStateMachine, RestartsCountsAndAttributesAtReset) {
  Bench bench;
  bench.bring_up(bench.handle);
  QueuePair& qp = bench.qp();
  qp.sq.seen = qp.sq.consumed = 5;
  qp.rq.seen = 9;
  qp.rq.consumed = 8;
  qp.rnr_retry = 1;
  *bench.device.doorbell_word(qp.sq.db_offset) = 5;
  *bench.device.doorbell_word(qp.rq.db_offset) = 9;
  EXPECT_EQ(bench.modify(kState, EFA_QP_STATE_RESET), kSuccess);
  EXPECT_EQ(qp.sq.seen + qp.sq.consumed + qp.rq.seen + qp.rq.consumed, 0);
  EXPECT_EQ(*bench.device.doorbell_word(qp.sq.db_offset), 0u);
  EXPECT_EQ(*bench.device.doorbell_word(qp.rq.db_offset), 0u);
  EXPECT_EQ(qp.qkey, 0u);
  EXPECT_EQ(qp.rnr_retry, 7);
}

TEST(QpStateMachine, EndsDrainingWhenItLeavesSqd) {
  Bench bench;
  bench.bring_up(bench.handle);
  bench.modify(kState, EFA_QP_STATE_SQD);
  bench.qp().draining = true;
  bench.modify(kState, EFA_QP_STATE_SQD);
  EXPECT_TRUE(bench.qp().draining);
  bench.modify(kState, EFA_QP_STATE_RTS);
  EXPECT_FALSE(bench.qp().draining);
}

TEST(QpStateMachine, RefusesUnknownHandles) {
  Bench bench;
  efa_modify_qp_cmd cmd = bench.command(kState, EFA_QP_STATE_RESET);
  cmd.qp_handle = 5;
  EXPECT_EQ(bench.modify_qp(cmd), kIllegal);
}

}  // namespace
}  // namespace efa::emu::test
