// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "device/mock_driver.hpp"

namespace efa::emu::test {
namespace {

TEST(Registers, PresentTheValuesThatADriverChecks) {
  Rig rig;
  const std::uint32_t caps = rig.device.read_register(EFA_REG_CAPS);
  EXPECT_EQ(rig.device.read_register(EFA_REG_VERSION), 0x0001u);
  EXPECT_NE(rig.device.read_register(EFA_REG_CONTROLLER_VERSION), 0u);
  EXPECT_EQ(efa_reg_caps_contiguous_queue_required(caps), 1u);
  EXPECT_EQ(efa_reg_caps_reset_timeout(caps), 10u);
  EXPECT_EQ(efa_reg_caps_dma_addr_width(caps), 48u);
  EXPECT_EQ(efa_reg_caps_admin_cmd_to(caps), 0u);
  EXPECT_EQ(rig.device.read_register(EFA_REG_DEV_STS), efa_reg_dev_sts_set_ready(0, 1));
}

TEST(Registers, ShowTheApiLevelOfTheGenerationOrOfTheOption) {
  EXPECT_EQ(Rig("efa0").device.read_register(EFA_REG_VERSION), 1u);
  EXPECT_EQ(Rig("efa3").device.read_register(EFA_REG_VERSION), 2u);
  EXPECT_EQ(Rig("efa4").device.read_register(EFA_REG_VERSION), 3u);
  EXPECT_EQ(Rig("efa0", {.api_version = 3}).device.read_register(EFA_REG_VERSION), 3u);
}

TEST(Registers, ReturnTheLastWrittenValueOfConfigurationRegisters) {
  Rig rig;
  for (const std::uint32_t offset :
       {EFA_REG_AQ_BASE_LO, EFA_REG_AQ_BASE_HI, EFA_REG_AQ_CAPS, EFA_REG_ACQ_BASE_LO,
        EFA_REG_ACQ_BASE_HI, EFA_REG_ACQ_CAPS, EFA_REG_AENQ_BASE_LO, EFA_REG_AENQ_BASE_HI,
        EFA_REG_AENQ_CAPS, EFA_REG_INTR_MASK, EFA_REG_MMIO_RESP_LO, EFA_REG_MMIO_RESP_HI}) {
    rig.device.write_register(offset, 0x12340000u | offset);
    EXPECT_EQ(rig.device.read_register(offset), 0x12340000u | offset) << offset;
  }
}

TEST(Registers, ReadZeroForDoorbellsHolesAndEverythingBeyond) {
  Rig rig;
  for (const std::uint32_t offset : {0x0cu, 0x1cu, 0x30u, 0x44u, 0x48u, 0x50u, 0x2cu, 0x40u, 0x5cu,
                                     0x68u, 0x6cu, 0x1000u, 0xfffffffcu, 0x01u, 0x5au}) {
    rig.device.write_register(offset, 0xffffffff);
    EXPECT_EQ(rig.device.read_register(offset), 0u) << offset;
  }
}

TEST(Registers, IgnoreWritesToReadOnlyRegisters) {
  Rig rig;
  for (const std::uint32_t offset :
       {EFA_REG_VERSION, EFA_REG_CONTROLLER_VERSION, EFA_REG_CAPS, EFA_REG_DEV_STS}) {
    const std::uint32_t before = rig.device.read_register(offset);
    rig.device.write_register(offset, 0xffffffff);
    EXPECT_EQ(rig.device.read_register(offset), before) << offset;
  }
}

TEST(ReadlessRead, EchoesRequestAndOffsetWithTheValue) {
  Rig rig;
  MockDriver driver(rig);
  driver.set_answer_buffer();
  EXPECT_EQ(driver.read(EFA_REG_VERSION), 1u);
  EXPECT_EQ(driver.read(EFA_REG_CAPS), rig.device.read_register(EFA_REG_CAPS));
  EXPECT_EQ(driver.read(EFA_REG_DEV_STS), rig.device.read_register(EFA_REG_DEV_STS));
}

TEST(ReadlessRead, AnswersUnknownOffsetsWithZero) {
  Rig rig;
  MockDriver driver(rig);
  driver.set_answer_buffer();
  EXPECT_EQ(driver.read(0x44), 0u);
  EXPECT_EQ(driver.read(0xfffc), 0u);
  EXPECT_EQ(driver.read(0x03), 0u);
}

TEST(ReadlessRead, IsDroppedWhileNoAnswerBufferIsSet) {
  Rig rig;
  MockDriver driver(rig);
  EXPECT_EQ(driver.read(EFA_REG_VERSION), std::nullopt);
}

TEST(ReadlessRead, ToUnreachableMemoryIsDropped) {
  Rig rig;
  MockDriver driver(rig);
  driver.set_answer_buffer();
  rig.memory.hide(driver.answer_buffer(), 8);
  EXPECT_EQ(driver.read(EFA_REG_VERSION), std::nullopt);
  rig.memory.hide(0, 0);
  EXPECT_EQ(driver.read(EFA_REG_VERSION), 1u);
}

/// Memory that can only be copied to, as that of another process.
class CopyOnlyMemory final : public DmaSpace {
 public:
  std::byte* map(DmaAddr, std::size_t) noexcept override { return nullptr; }
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override {
    for (const DmaSegment& segment : to) {
      writes.push_back(segment);
      std::memcpy(bytes.data() + segment.addr, in, segment.length);
      in += segment.length;
    }
    return true;
  }
  std::vector<DmaSegment> writes;
  std::array<std::byte, 64> bytes{};
};

TEST(ReadlessRead, WritesTheRequestNumberLastWhenTheBufferIsNotMapped) {
  CopyOnlyMemory memory;
  RecordedInterrupts interrupts;
  ManualClock clock;
  Device device(*find_profile("efa2"), default_identity(), {},
                DeviceEnvironment{memory, interrupts, clock, {}, {}});
  device.write_register(EFA_REG_MMIO_RESP_LO, 16);
  device.write_register(EFA_REG_MMIO_REG_READ, efa_reg_mmio_reg_read_set_req_id(0, 7));
  ASSERT_EQ(memory.writes.size(), 2u);
  EXPECT_EQ(memory.writes.back().addr, 16u);
  EXPECT_EQ(memory.writes.back().length, 2u);
  efa_mmio_read_resp answer;
  std::memcpy(&answer, memory.bytes.data() + 16, sizeof answer);
  EXPECT_EQ(answer.req_id, 7);
  EXPECT_EQ(answer.reg_val, 1u);
}

TEST(Reset, IsReportedWhileTheControlBitIsSet) {
  Rig rig;
  MockDriver driver(rig);
  driver.set_answer_buffer();
  EXPECT_FALSE(driver.in_reset());
  EXPECT_TRUE(driver.reset());
  EXPECT_TRUE(driver.reset(EFA_RESET_REASON_SHUTDOWN));
}

TEST(Reset, KeepsTheDeviceReadyThroughout) {
  Rig rig;
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  EXPECT_EQ(efa_reg_dev_sts_ready(rig.device.read_register(EFA_REG_DEV_STS)), 1u);
}

TEST(Reset, ClearsEverythingTheDriverProgrammed) {
  Rig rig;
  MockDriver driver(rig);
  driver.probe();
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  for (const std::uint32_t offset :
       {EFA_REG_AQ_BASE_LO, EFA_REG_AQ_CAPS, EFA_REG_ACQ_CAPS, EFA_REG_AENQ_CAPS, EFA_REG_INTR_MASK,
        EFA_REG_MMIO_RESP_LO, EFA_REG_MMIO_RESP_HI})
    EXPECT_EQ(rig.device.read_register(offset), 0u) << offset;
  EXPECT_EQ(driver.read(EFA_REG_DEV_STS), std::nullopt) << "the answer buffer is forgotten as well";
}

TEST(Reset, IgnoresRingsProgrammedBeforeItEnds) {
  Rig rig;
  MockDriver driver(rig);
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  driver.start_admin();
  rig.device.write_register(EFA_REG_DEV_CTL, 0);
  EXPECT_FALSE(driver.run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}));
}

TEST(Reset, ReasonWithoutTheResetBitMeansNothing) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  rig.device.write_register(EFA_REG_DEV_CTL,
                            efa_reg_dev_ctl_set_reset_reason(0, EFA_RESET_REASON_USER_TRIGGER));
  EXPECT_EQ(rig.dealloc_pd(pd), kSuccess);
}

TEST(Reset, DestroysEveryKindOfObject) {
  Rig rig("efa4");
  RecordedHooks hooks;
  rig.device.connect(&hooks);
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq();
  const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body;
  auto qp_command = rig.qp_command(pd, uar, cq.cq_idx, EFA_QP_TYPE_SRD, 32);
  const auto qp = rig.create_qp(qp_command).body;
  const auto mr = rig.reg_mr(rig.mr_command(pd, rig.memory.allocate(4096), 4096)).body;
  const auto ah = rig.create_ah(default_identity().gid, pd).body;
  ASSERT_NE(rig.device.find_mr(mr.l_key), nullptr);

  rig.device.reset();

  EXPECT_EQ(hooks.calls.back(), "device_reset");
  EXPECT_EQ(rig.device.find_qp(qp.qp_num), nullptr);
  EXPECT_EQ(rig.device.find_cq(cq.cq_idx), nullptr);
  EXPECT_EQ(rig.device.find_mr(mr.l_key), nullptr);
  EXPECT_EQ(rig.device.address_handles().size(), 0u);
  EXPECT_EQ(rig.destroy_ah(ah.ah, pd), kIllegal);
  EXPECT_EQ(rig.destroy_eq(eq), kIllegal);
  EXPECT_EQ(rig.dealloc_pd(pd), kIllegal);
  EXPECT_EQ(rig.dealloc_uar(uar), kIllegal);
}

TEST(Reset, TellsTheDataPathBeforeObjectsVanish) {
  struct Witness final : DataPathHooks {
    void qp_created(QueuePair& created) override { qp = &created; }
    void qp_modified(QueuePair&, efa_qp_state) override {}
    void qp_destroyed(QueuePair&) override {}
    void cq_created(CompletionQueue&) override {}
    void cq_destroyed(CompletionQueue&) override {}
    void ah_destroyed(std::uint16_t, std::uint16_t) override {}
    void device_reset() override { alive = device->find_qp(qp->number) == qp; }
    Device* device = nullptr;
    QueuePair* qp = nullptr;
    bool alive = false;
  } witness;
  Rig rig;
  witness.device = &rig.device;
  rig.device.connect(&witness);
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  rig.create_qp(rig.qp_command(rig.pd(), uar, cq));
  rig.device.reset();
  EXPECT_TRUE(witness.alive);
}

TEST(Reset, KeepsTheStatistics) {
  Rig rig;
  rig.device.stats.tx_bytes = 77;
  rig.device.reset();
  EXPECT_EQ(rig.device.stats.tx_bytes, 77u);
}

TEST(Reset, OfTheFunctionAlsoClearsTheControlRegister) {
  Rig rig;
  rig.device.write_register(EFA_REG_DEV_CTL, efa_reg_dev_ctl_set_dev_reset(0, 1));
  rig.device.reset();
  EXPECT_EQ(rig.device.read_register(EFA_REG_DEV_CTL), 0u);
  EXPECT_EQ(efa_reg_dev_sts_reset_in_progress(rig.device.read_register(EFA_REG_DEV_STS)), 0u);
}

TEST(Reset, GivesAllLimitsBack) {
  Rig rig;
  for (int round = 0; round < 3; ++round) {
    std::uint32_t uars = 0;
    while (rig.execute<efa_alloc_uar_resp>(EFA_AQ_OPCODE_ALLOC_UAR, efa_alloc_uar_cmd{}).ok())
      ++uars;
    EXPECT_EQ(uars, rig.device.profile().max_uar);
    rig.device.reset();
  }
}

TEST(Reset, KeepsKeysOfFormerRegionsInvalid) {
  Rig rig;
  std::uint32_t keys[2];
  for (std::uint32_t& key : keys) {
    key = rig.reg_mr(rig.mr_command(rig.pd(), rig.memory.allocate(4096), 4096)).body.l_key;
    rig.device.reset();
  }
  EXPECT_NE(keys[0], keys[1]);
}

}  // namespace
}  // namespace efa::emu::test
