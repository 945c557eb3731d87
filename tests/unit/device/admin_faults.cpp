// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/admin_faults.hpp"

#include <gtest/gtest.h>

#include "device/mock_driver.hpp"

namespace efa::emu::test {
namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

struct Spoiled : Rig {
  explicit Spoiled(std::string_view generation = "efa2") : Rig(generation), driver(*this) {
    driver.probe();
  }
  void arm(AdminFault::Kind kind, std::uint8_t status = 0, Nanoseconds delay = 0) {
    device.admin_faults().arm({kind, std::nullopt, status, 0, 1, delay});
  }
  /// One command with this id; the answer that is there afterwards, if any.
  std::optional<efa_acq_entry> alloc_pd(std::uint16_t id) {
    driver.submit(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}, id);
    driver.ring();
    return driver.poll();
  }
  static std::uint32_t id_of(const efa_acq_entry& entry) {
    return efa_acq_common_desc_command_id(&entry.acq_common_desc);
  }
  std::size_t pds() const { return device.population().pds; }

  MockDriver driver;
};

TEST(AdminFaults, OfKindStatusFailTheCommandUnexecuted) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kStatus, EFA_AQ_COMPLETION_STATUS_BAD_OPCODE);
  const auto answer = rig.alloc_pd(5);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->acq_common_desc.status, EFA_AQ_COMPLETION_STATUS_BAD_OPCODE);
  EXPECT_EQ(Spoiled::id_of(*answer), 5u);
  EXPECT_EQ(rig.pds(), 0u);
  EXPECT_EQ(rig.alloc_pd(6)->acq_common_desc.status, EFA_AQ_COMPLETION_STATUS_SUCCESS);
}

TEST(AdminFaults, OfKindTimeoutStopTheQueueUntilReset) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kTimeout);
  EXPECT_FALSE(rig.alloc_pd(1));
  EXPECT_FALSE(rig.alloc_pd(2));
  EXPECT_EQ(rig.pds(), 0u);
  EXPECT_EQ(rig.interrupts.vectors.size(), 0u);
  rig.driver.probe();
  EXPECT_TRUE(rig.alloc_pd(3));
}

TEST(AdminFaults, OfKindLostLeaveLaterCommandsAlone) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kLost);
  EXPECT_FALSE(rig.alloc_pd(1));
  EXPECT_EQ(rig.pds(), 1u);
  const auto answer = rig.alloc_pd(2);
  ASSERT_TRUE(answer);
  EXPECT_EQ(Spoiled::id_of(*answer), 2u);
}

TEST(AdminFaults, OfKindLateAnswerWhenTheirTimeHasCome) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kLate, 0, 30 * kMillisecond);
  EXPECT_FALSE(rig.alloc_pd(1));
  EXPECT_EQ(Spoiled::id_of(*rig.alloc_pd(2)), 2u);
  EXPECT_EQ(rig.device.run_timers(), rig.clock.now() + 30 * kMillisecond);
  EXPECT_FALSE(rig.driver.poll());
  rig.clock.advance(30 * kMillisecond);
  EXPECT_EQ(rig.device.run_timers(), ~Nanoseconds{0});
  const auto answer = rig.driver.poll();
  ASSERT_TRUE(answer);
  EXPECT_EQ(Spoiled::id_of(*answer), 1u);
  EXPECT_EQ(rig.pds(), 2u);
}

TEST(AdminFaults, OfKindLateAreForgottenByReset) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kLate, 0, kMillisecond);
  rig.alloc_pd(1);
  rig.driver.probe();
  rig.clock.advance(kMillisecond);
  rig.device.run_timers();
  EXPECT_FALSE(rig.driver.poll());
}

TEST(AdminFaults, OfKindWrongIdAnswerSomethingElse) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kWrongId);
  const auto answer = rig.alloc_pd(8);
  ASSERT_TRUE(answer);
  EXPECT_NE(Spoiled::id_of(*answer), 8u);
}

TEST(AdminFaults, OfKindStalePhaseAnswerInvisibly) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kStalePhase);
  EXPECT_FALSE(rig.alloc_pd(8));
  EXPECT_EQ(rig.pds(), 1u);
  EXPECT_EQ(rig.interrupts.vectors.size(), 1u);
  EXPECT_FALSE(rig.alloc_pd(9)) << "the driver waits at the first one";
}

TEST(AdminFaults, OfKindGarbageFillTheBody) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kGarbage);
  const auto answer = rig.alloc_pd(4);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->acq_common_desc.status, EFA_AQ_COMPLETION_STATUS_SUCCESS);
  EXPECT_EQ(Spoiled::id_of(*answer), 4u);
  efa_alloc_pd_resp response;
  std::memcpy(&response, &*answer, sizeof response);
  EXPECT_NE(response.reserved, 0);
  EXPECT_EQ(rig.pds(), 0u);
}

TEST(AdminFaults, OfKindBadCrcSpoilTheChecksumAlone) {
  Spoiled rig("efa3");
  const auto good = rig.alloc_pd(1);
  rig.arm(AdminFault::Kind::kBadCrc);
  auto bad = rig.alloc_pd(2);
  ASSERT_TRUE(good && bad);
  efa_acq_common_desc_02 header;
  std::memcpy(&header, &bad->acq_common_desc, sizeof header);
  const std::uint16_t stored = header.checksum;
  header.checksum = 0;
  std::memcpy(&bad->acq_common_desc, &header, sizeof header);
  EXPECT_NE(crc_of(*bad), stored);
  EXPECT_EQ(rig.pds(), 2u);
}

TEST(AdminFaults, AreTakenInTheOrderOfArming) {
  AdminFaults faults;
  faults.arm({AdminFault::Kind::kLost, EFA_AQ_OPCODE_ALLOC_PD, 0, 1, 1, 0});
  faults.arm({AdminFault::Kind::kLate, std::nullopt, 0, 0, 2, 0});
  EXPECT_EQ(faults.take(EFA_AQ_OPCODE_ALLOC_PD)->kind, AdminFault::Kind::kLate) << "first skipped";
  EXPECT_EQ(faults.take(EFA_AQ_OPCODE_ALLOC_PD)->kind, AdminFault::Kind::kLost);
  EXPECT_EQ(faults.take(EFA_AQ_OPCODE_ALLOC_UAR)->kind, AdminFault::Kind::kLate);
  EXPECT_FALSE(faults.take(EFA_AQ_OPCODE_ALLOC_PD));
  EXPECT_EQ(faults.taken(), 3u);
}

TEST(AdminFaults, SurviveAResetSoThatAProbeCanBeSpoiled) {
  Spoiled rig;
  rig.arm(AdminFault::Kind::kLost);
  rig.driver.probe();
  EXPECT_FALSE(rig.alloc_pd(1));
}

TEST(KeepAlive, StopsWhenSilencedAndGoesOnAfterwards) {
  Spoiled rig;
  ASSERT_EQ(rig.driver.enable_events(1u << EFA_AENQ_GROUP_KEEP_ALIVE),
            EFA_AQ_COMPLETION_STATUS_SUCCESS);
  rig.device.silence_keep_alive(true);
  rig.clock.advance(3000 * kMillisecond);
  rig.device.run_timers();
  EXPECT_FALSE(rig.driver.poll_event());
  rig.device.silence_keep_alive(false);
  rig.clock.advance(1000 * kMillisecond);
  rig.device.run_timers();
  EXPECT_TRUE(rig.driver.poll_event());
}

}  // namespace
}  // namespace efa::emu::test
