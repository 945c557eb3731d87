// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/admin_queue.hpp"

#include <gtest/gtest.h>

#include "device/mock_driver.hpp"

namespace efa::emu::test {
namespace {

constexpr unsigned kAdminVector = EFA_MGMT_MSIX_VECTOR;

struct Started : Rig {
  explicit Started(std::string_view generation = "efa2", const MockDriver::Geometry& geometry = {},
                   const DeviceOptions& options = {})
      : Rig(generation, options), driver(*this, geometry) {
    driver.probe();
  }

  std::optional<Answer<efa_alloc_pd_resp>> alloc_pd() {
    return driver.run<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  }

  MockDriver driver;
};

constexpr MockDriver::Geometry kWide{.entry_size = EFA_AQ_ENTRY_SIZE_V2};

TEST(AdminQueue, CompletesACommandAndSignalsItsVector) {
  Started rig;
  const auto answer = rig.alloc_pd();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->ok());
  EXPECT_EQ(rig.interrupts.vectors, std::vector<unsigned>{kAdminVector});
}

TEST(AdminQueue, ExecutesABatchInOrderAndReturnsTheCommandIds) {
  Started rig;
  for (std::uint16_t id = 100; id < 108; ++id)
    rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}, id);
  rig.driver.ring();
  for (std::uint16_t id = 100; id < 108; ++id) {
    const auto entry = rig.driver.poll();
    ASSERT_TRUE(entry);
    EXPECT_EQ(efa_acq_common_desc_command_id(&entry->acq_common_desc), id);
  }
  EXPECT_FALSE(rig.driver.poll());
}

TEST(AdminQueue, ReturnsTwelveBitsOfTheCommandId) {
  Started rig;
  efa_alloc_pd_cmd cmd{};
  cmd.aq_common_desc.command_id = 0xf000;
  rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, cmd, 0xabc);
  rig.driver.ring();
  EXPECT_EQ(rig.driver.poll()->acq_common_desc.command, 0xabc);
}

TEST(AdminQueue, FlipsBothPhasesAtEveryWrap) {
  Started rig("efa2", {.depth = 4});
  for (int i = 0; i < 70; ++i) ASSERT_TRUE(rig.alloc_pd()) << i;
}

TEST(AdminQueue, WorksAcrossTheWrapOfTheDoorbellCount) {
  Started rig("efa2", {.depth = 4});
  for (int i = 0; i < 65540; ++i) ASSERT_TRUE(rig.alloc_pd()) << i;
}

TEST(AdminQueue, AcceptsAnyPowerOfTwoDepthFromTwo) {
  for (const std::uint32_t depth : {2u, 16u, 1024u, 32768u}) {
    Started rig("efa2", {.depth = depth});
    EXPECT_TRUE(rig.alloc_pd()) << depth;
  }
}

TEST(AdminQueue, StaysDisabledWithAGeometryThatCannotWork) {
  for (const MockDriver::Geometry& geometry :
       {MockDriver::Geometry{.depth = 1}, MockDriver::Geometry{.depth = 24},
        MockDriver::Geometry{.entry_size = 32}, MockDriver::Geometry{.entry_size = 96}}) {
    Started rig("efa2", geometry);
    EXPECT_FALSE(rig.alloc_pd()) << geometry.depth << " x " << geometry.entry_size;
    EXPECT_TRUE(rig.interrupts.vectors.empty());
  }
}

TEST(AdminQueue, StaysDisabledWithoutItsCompletionRing) {
  for (const std::uint32_t bad_caps :
       {efa_reg_acq_caps_set_acq_depth(0, 32),  // entry size 0
        efa_reg_acq_caps_set_acq_msix_vector(
            efa_reg_acq_caps_set_acq_entry_size(efa_reg_acq_caps_set_acq_depth(0, 32), 64), 33)}) {
    Started rig;
    rig.driver.write(EFA_REG_ACQ_CAPS, bad_caps);
    EXPECT_FALSE(rig.alloc_pd());
  }
}

TEST(AdminQueue, StaysDisabledWhenARingIsNotMapped) {
  Started rig;
  rig.driver.write_address(EFA_REG_AQ_BASE_LO, EFA_REG_AQ_BASE_HI, ArrayMemory::kUnmapped);
  rig.driver.write(EFA_REG_AQ_CAPS, rig.driver.aq_caps());
  EXPECT_FALSE(rig.alloc_pd());
  rig.driver.start_admin();
  rig.driver.write_address(EFA_REG_ACQ_BASE_LO, EFA_REG_ACQ_BASE_HI, ArrayMemory::kUnmapped);
  rig.driver.write(EFA_REG_ACQ_CAPS, rig.driver.acq_caps());
  EXPECT_FALSE(rig.alloc_pd());
}

TEST(AdminQueue, StopsWhenTheDoorbellExceedsTheRing) {
  Started rig;
  rig.driver.ring(33);
  EXPECT_FALSE(rig.alloc_pd());
  EXPECT_EQ(rig.device.stats.admin_commands, 0u);
  EXPECT_EQ(rig.device.stats.admin_errors, 1u);
  rig.driver.probe();
  EXPECT_TRUE(rig.alloc_pd()) << "reset starts it again";
}

TEST(AdminQueue, TakesAFullRing) {
  Started rig;
  for (std::uint16_t id = 0; id < 32; ++id)
    rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}, id);
  rig.driver.ring();
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(rig.driver.poll()) << i;
}

TEST(AdminQueue, WaitsForTheNextDoorbellAtAnEntryWithTheWrongPhase) {
  Started rig;
  rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  auto& entry = rig.memory.at<efa_aq_entry_v1>(rig.driver.aq());
  efa_aq_common_desc_set_phase(&entry.aq_common_desc, 0);
  rig.driver.ring();
  EXPECT_FALSE(rig.driver.poll());
  efa_aq_common_desc_set_phase(&entry.aq_common_desc, 1);
  EXPECT_FALSE(rig.driver.poll());
  rig.driver.ring();
  EXPECT_TRUE(rig.driver.poll());
}

TEST(AdminQueue, ToleratesASpuriousDoorbell) {
  Started rig;
  rig.alloc_pd();
  rig.driver.ring();
  EXPECT_FALSE(rig.driver.poll());
}

TEST(AdminQueue, SuppressesOnlyItsOwnInterruptWhenMasked) {
  Started rig;
  rig.driver.enable_events(1u << EFA_AENQ_GROUP_WARNING);
  rig.interrupts.vectors.clear();
  rig.driver.write(EFA_REG_INTR_MASK, efa_reg_intr_mask_set_en(0, 1));
  EXPECT_TRUE(rig.alloc_pd());
  EXPECT_TRUE(rig.interrupts.vectors.empty());
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  EXPECT_EQ(rig.interrupts.vectors.size(), 1u);
  rig.driver.write(EFA_REG_INTR_MASK, 0);
  EXPECT_TRUE(rig.alloc_pd());
  EXPECT_EQ(rig.interrupts.vectors.size(), 2u);
}

TEST(AdminQueue, SignalsTheVectorThatTheDriverChose) {
  Started rig;
  rig.driver.write(EFA_REG_ACQ_CAPS,
                   efa_reg_acq_caps_set_acq_msix_vector(rig.driver.acq_caps(), 5));
  EXPECT_TRUE(rig.alloc_pd());
  EXPECT_EQ(rig.interrupts.count(5), 1u);
}

TEST(AdminQueue, FillsTheCompletionHeadOfApi01) {
  Started rig;
  rig.alloc_pd();
  rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  rig.driver.ring();
  const auto entry = rig.driver.poll();
  EXPECT_EQ(entry->acq_common_desc.sq_head_indx, 2);
  EXPECT_EQ(entry->acq_common_desc.extended_status, 0);
}

TEST(AdminQueue, AddsAChecksumToEveryCompletionFromApi02On) {
  Started rig("efa3");
  for (const efa_aq_opcode opcode : {EFA_AQ_OPCODE_ALLOC_PD, EFA_AQ_OPCODE_SERVICE}) {
    rig.driver.submit(opcode, efa_alloc_pd_cmd{}, 9);
    rig.driver.ring();
    auto entry = *rig.driver.poll();
    efa_acq_common_desc_02 header;
    std::memcpy(&header, &entry, sizeof header);
    const std::uint16_t checksum = header.checksum;
    header.checksum = 0;
    std::memcpy(&entry.acq_common_desc, &header, sizeof header);
    EXPECT_EQ(checksum, crc_of(entry));
    EXPECT_EQ(header.reserved, 0);
  }
}

TEST(AdminQueue, TakesTheEntryFormatFromTheRingAndNotFromItsVersion) {
  Started old_device("efa0", kWide);
  EXPECT_TRUE(old_device.alloc_pd()->ok());
  Started new_device("efa4");
  EXPECT_TRUE(new_device.alloc_pd()->ok());
}

TEST(AdminQueue, ShiftsTheWidePayloadToItsPlace) {
  Started rig("efa4", kWide);
  const auto pd = rig.alloc_pd()->body.pd;
  const auto answer = rig.driver.run<efa_reg_mr_resp>(
      EFA_AQ_OPCODE_REG_MR, rig.mr_command(pd, rig.memory.allocate(8192), 8192));
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ(rig.device.find_mr(answer->body.l_key)->length, 8192u);
}

TEST(AdminQueue, RefusesAWideEntryWithABrokenChecksum) {
  Started rig("efa4", kWide);
  efa_alloc_pd_cmd cmd{};
  cmd.aq_common_desc.opcode = EFA_AQ_OPCODE_ALLOC_PD;
  efa_aq_common_desc_set_phase(&cmd.aq_common_desc, 1);
  efa_aq_common_desc_set_command_id(&cmd.aq_common_desc, 77);
  efa_aq_entry_v2 entry = MockDriver::widened(cmd);
  entry.request_payload[28] ^= 1;
  rig.driver.put(entry);
  rig.driver.ring();
  const auto completion = rig.driver.poll();
  ASSERT_TRUE(completion);
  EXPECT_EQ(completion->acq_common_desc.status, kMalformed);
  EXPECT_EQ(efa_acq_common_desc_command_id(&completion->acq_common_desc), 77u);
  EXPECT_EQ(rig.device.stats.admin_crc_errors, 1u);
  EXPECT_EQ(rig.device.stats.admin_errors, 1u);
}

TEST(AdminQueue, RefusesAnUnknownPayloadVersion) {
  Started rig("efa4", kWide);
  efa_aq_entry_v2 entry{};
  entry.aq_common_desc.opcode = EFA_AQ_OPCODE_ALLOC_PD;
  efa_aq_common_desc_set_phase(&entry.aq_common_desc, 1);
  entry.payload_ver = 1;
  entry.checksum = crc_of(entry);
  rig.driver.put(entry);
  rig.driver.ring();
  EXPECT_EQ(rig.driver.poll()->acq_common_desc.status, kMalformed);
  EXPECT_EQ(rig.device.stats.admin_crc_errors, 0u);
}

TEST(AdminQueue, IgnoresReservedBytesOfWideEntriesUnlessStrict) {
  for (const bool strict : {false, true}) {
    for (const bool tail : {false, true}) {
      Started rig("efa4", kWide, {.strict = strict});
      efa_aq_entry_v2 entry{};
      entry.aq_common_desc.opcode = EFA_AQ_OPCODE_ALLOC_PD;
      efa_aq_common_desc_set_phase(&entry.aq_common_desc, 1);
      if (tail)
        entry.request_payload[15] = 1;
      else
        entry.reserved[0] = 1;
      entry.checksum = crc_of(entry);
      rig.driver.put(entry);
      rig.driver.ring();
      EXPECT_EQ(rig.driver.poll()->acq_common_desc.status, strict ? kMalformed : kSuccess);
    }
  }
}

TEST(AdminQueue, RestartsARingWhoseCapsAreWrittenAgain) {
  Started rig;
  for (int i = 0; i < 5; ++i) rig.alloc_pd();
  rig.driver.start_admin();
  EXPECT_TRUE(rig.alloc_pd());
}

TEST(AdminQueue, TakesCommandsThatArriveDuringItsInterrupt) {
  Started rig;
  int left = 100;
  bool inside = false;
  rig.interrupts.handler = [&](unsigned) {
    EXPECT_FALSE(inside) << "the stack would grow with every command";
    inside = true;
    EXPECT_TRUE(rig.driver.poll());
    if (left-- != 0) {
      rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
      rig.driver.ring();
    }
    inside = false;
  };
  rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  rig.driver.ring();
  EXPECT_EQ(rig.interrupts.vectors.size(), 101u);
  EXPECT_EQ(rig.device.stats.admin_commands, 101u);
}

TEST(AdminQueue, SurvivesAResetFromInsideItsInterrupt) {
  Started rig;
  rig.interrupts.handler = [&](unsigned) { rig.driver.reset(); };
  for (int i = 0; i < 3; ++i) rig.driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{});
  rig.driver.ring();
  EXPECT_EQ(rig.device.stats.admin_commands, 1u);
  rig.interrupts.handler = nullptr;
  rig.driver.probe();
  EXPECT_TRUE(rig.alloc_pd()->ok());
}

TEST(AdminQueue, SurvivesAHostThatTakesTheRingsAway) {
  Started rig;
  rig.memory.hide(rig.driver.aq(), 4096);
  EXPECT_FALSE(rig.alloc_pd());
  rig.memory.hide(rig.driver.acq(), 4096);
  rig.driver.ring();
  EXPECT_FALSE(rig.driver.poll());
  EXPECT_TRUE(rig.interrupts.vectors.empty());
}

TEST(AdminQueue, AnswersUnknownOpcodesAsSpecified) {
  Started rig("efa4");
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    const bool assigned = (opcode >= 1 && opcode <= 21) || (opcode >= 25 && opcode <= 29);
    const auto status = rig.execute<efa_acq_entry>(opcode, efa_aq_entry_v1{}).status;
    if (assigned)
      EXPECT_NE(status, kBadOpcode) << opcode;
    else
      EXPECT_EQ(status, kBadOpcode) << opcode;
  }
  EXPECT_EQ(rig.execute<efa_service_resp>(EFA_AQ_OPCODE_SERVICE, efa_service_cmd{}).status,
            kUnsupported);
}

TEST(AdminQueue, LeavesTheBodyOfAFailedCommandZero) {
  Rig rig;
  const auto answer = rig.execute<efa_create_qp_resp>(EFA_AQ_OPCODE_CREATE_QP, efa_create_qp_cmd{});
  EXPECT_EQ(answer.status, kIllegal);
  EXPECT_EQ(answer.body.acq_common_desc.status, kIllegal);
  EXPECT_EQ(answer.body.qp_handle, 0u);
  EXPECT_EQ(answer.body.sq_db_offset, 0u);
}

}  // namespace
}  // namespace efa::emu::test
