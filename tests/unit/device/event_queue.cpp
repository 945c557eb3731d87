// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/event_queue.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

constexpr std::uint8_t kVector = 3;

struct Ring {
  explicit Ring(std::uint16_t depth = 4)
      : base(memory.allocate(depth * sizeof(efa_eqe))),
        eq(7, depth, kVector, MappedRange(memory, base, depth * sizeof(efa_eqe)), interrupts) {}

  const efa_eqe& entry(std::size_t i) { return memory.at<efa_eqe>(base + i * sizeof(efa_eqe)); }
  std::size_t signals() const { return interrupts.vectors.size(); }

  ArrayMemory memory{1 << 20};
  RecordedInterrupts interrupts;
  DmaAddr base;
  EventQueue eq;
};

TEST(EventQueue, WritesTheCqNumberAndThePhase) {
  Ring ring;
  ring.eq.push_completion(0x1234);
  EXPECT_EQ(ring.entry(0).comp_event.cqn, 0x1234);
  EXPECT_EQ(efa_eqe_event_type(&ring.entry(0)), EFA_EQE_EVENT_TYPE_COMPLETION);
  EXPECT_EQ(efa_eqe_phase(&ring.entry(0)), 1u);
  EXPECT_EQ(efa_eqe_phase(&ring.entry(1)), 0u);
}

TEST(EventQueue, FlipsThePhaseAtEveryWrap) {
  Ring ring(2);
  for (std::uint16_t i = 0; i < 6; ++i) {
    ring.eq.push_completion(i);
    EXPECT_EQ(ring.entry(i % 2).comp_event.cqn, i);
    EXPECT_EQ(efa_eqe_phase(&ring.entry(i % 2)), i / 2 % 2 == 0 ? 1u : 0u) << i;
  }
}

TEST(EventQueue, StaysSilentUntilArmed) {
  Ring ring;
  ring.eq.push_completion(1);
  EXPECT_EQ(ring.signals(), 0u);
}

TEST(EventQueue, SignalsOncePerArm) {
  Ring ring;
  ring.eq.arm();
  EXPECT_EQ(ring.signals(), 0u);
  ring.eq.push_completion(1);
  ring.eq.push_completion(2);
  EXPECT_EQ(ring.interrupts.vectors, std::vector<unsigned>{kVector});
}

TEST(EventQueue, SignalsAtOnceWhenArmedAfterUnsignalledEntries) {
  Ring ring;
  ring.eq.arm();
  ring.eq.push_completion(1);
  ring.eq.push_completion(2);
  ring.eq.arm();
  EXPECT_EQ(ring.signals(), 2u);
}

TEST(EventQueue, NeverSignalsTwiceForTheSameEntries) {
  Ring ring;
  ring.eq.push_completion(1);
  ring.eq.arm();
  for (int i = 0; i < 5; ++i) ring.eq.arm();
  EXPECT_EQ(ring.signals(), 1u);
  ring.eq.push_completion(2);
  EXPECT_EQ(ring.signals(), 2u);
}

TEST(EventQueue, IsSilentOnceClosed) {
  Ring ring;
  ring.eq.arm();
  ring.eq.close();
  ring.eq.push_completion(1);
  ring.eq.arm();
  EXPECT_EQ(ring.signals(), 0u);
  EXPECT_EQ(ring.entry(0).comp_event.cqn, 0);
}

TEST(EventQueue, SurvivesARingThatWentAway) {
  Ring ring;
  ring.eq.arm();
  ring.memory.hide(ring.base, 4096);
  ring.eq.push_completion(1);
  ring.memory.hide(0, 0);
  EXPECT_EQ(ring.entry(0).comp_event.cqn, 0);
  ring.eq.push_completion(2);
  EXPECT_EQ(ring.entry(1).comp_event.cqn, 2);
}

TEST(CreateEq, GivesConsecutiveNumbersUpToTheLimit) {
  Rig rig;
  const std::uint32_t limit = rig.device.profile().max_eq;
  for (std::uint32_t i = 0; i < limit; ++i) EXPECT_EQ(rig.eq(static_cast<std::uint8_t>(i + 1)), i);
  EXPECT_EQ(rig.execute<efa_create_eq_resp>(EFA_AQ_OPCODE_CREATE_EQ, rig.eq_command(0)).status,
            kNoResources);
  EXPECT_EQ(rig.destroy_eq(5), kSuccess);
  EXPECT_EQ(rig.eq(6), 5);
}

efa_aq_completion_status create(Rig& rig, const efa_create_eq_cmd& cmd) {
  return rig.execute<efa_create_eq_resp>(EFA_AQ_OPCODE_CREATE_EQ, cmd).status;
}

TEST(CreateEq, ChecksEachParameter) {
  Rig rig;
  for (const std::uint16_t depth : {0, 3, 500, 1024, 32768}) {
    efa_create_eq_cmd cmd = rig.eq_command();
    cmd.depth = depth;
    EXPECT_EQ(create(rig, cmd), kIllegal) << "depth " << depth;
  }
  for (const std::uint8_t words : {0, 3, 8, 31}) {
    efa_create_eq_cmd cmd = rig.eq_command();
    efa_create_eq_cmd_set_entry_size_words(&cmd, words);
    EXPECT_EQ(create(rig, cmd), kIllegal) << "entry words " << unsigned{words};
  }
  efa_create_eq_cmd cmd = rig.eq_command();
  cmd.event_bitmask = 3;
  EXPECT_EQ(create(rig, cmd), kIllegal) << "unknown event";
  EXPECT_EQ(create(rig, rig.eq_command(33)), kIllegal) << "vector beyond the table";
  cmd = rig.eq_command();
  efa_mem_addr_set(&cmd.ba, ArrayMemory::kUnmapped);
  EXPECT_EQ(create(rig, cmd), kIllegal) << "ring not mapped";
  EXPECT_EQ(create(rig, rig.eq_command(32)), kSuccess);
  EXPECT_EQ(create(rig, rig.eq_command(32)), kIllegal) << "vector of another EQ";
}

TEST(CreateEq, AcceptsEveryPowerOfTwoDepth) {
  Rig rig;
  std::uint8_t vector = 1;
  for (std::uint16_t depth = 1; depth <= 512; depth = static_cast<std::uint16_t>(depth * 2))
    EXPECT_EQ(create(rig, rig.eq_command(vector++, depth)), kSuccess) << depth;
}

TEST(DestroyEq, RefusesAnUnknownNumber) {
  Rig rig;
  EXPECT_EQ(rig.destroy_eq(0), kIllegal);
  EXPECT_EQ(rig.destroy_eq(0xffff), kIllegal);
}

TEST(DestroyEq, WorksUnderLivingCqsAndFreesTheVector) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq(4);
  const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body.cq_idx;
  EXPECT_EQ(rig.destroy_eq(eq), kSuccess);
  EXPECT_EQ(create(rig, rig.eq_command(4)), kSuccess);
  efa_rx_cdesc_ex cqe{};
  rig.device.find_cq(cq)->doorbell(efa_cq_doorbell_set_arm(0, 1));
  rig.device.find_cq(cq)->push(0, cqe);
  EXPECT_TRUE(rig.interrupts.vectors.empty());
  EXPECT_EQ(rig.destroy_cq(cq), kSuccess);
}

TEST(EqDoorbell, ArmsOnlyWithTheArmBitAndAKnownNumber) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq(4);
  const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body.cq_idx;
  efa_rx_cdesc_ex cqe{};
  rig.device.write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_eqn(0, eq));
  rig.device.write_register(EFA_REG_EQ_DB,
                            efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, 0xffff), 1));
  rig.device.find_cq(cq)->doorbell(efa_cq_doorbell_set_arm(0, 1));
  rig.device.find_cq(cq)->push(0, cqe);
  EXPECT_TRUE(rig.interrupts.vectors.empty());
  rig.device.write_register(EFA_REG_EQ_DB, efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  EXPECT_EQ(rig.interrupts.vectors, std::vector<unsigned>{4});
}

}  // namespace
}  // namespace efa::emu::test
