// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/async_event_queue.hpp"

#include <gtest/gtest.h>

#include "device/mock_driver.hpp"

namespace efa::emu::test {
namespace {

constexpr Nanoseconds kSecond = AsyncEventQueue::kKeepAlivePeriod;

struct Started : Rig {
  explicit Started(std::uint32_t groups = 0, const MockDriver::Geometry& geometry = {})
      : driver(*this, geometry) {
    driver.probe();
    if (groups != 0) driver.enable_events(groups);
    interrupts.vectors.clear();
  }
  MockDriver driver;
};

constexpr std::uint32_t kAll = AsyncEventQueue::kSupportedGroups;

TEST(AsyncEvents, ReportNothingBeforeTheDriverEnablesGroups) {
  Started rig;
  rig.clock.advance(10 * kSecond);
  EXPECT_EQ(rig.device.run_timers(), AsyncEventQueue::kNever);
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 1);
  EXPECT_FALSE(rig.driver.poll_event());
  EXPECT_TRUE(rig.interrupts.vectors.empty());
}

TEST(AsyncEvents, SendOneKeepAlivePerSecond) {
  Started rig(kAll);
  EXPECT_EQ(rig.device.run_timers(), rig.clock.now() + kSecond);
  EXPECT_FALSE(rig.driver.poll_event());
  for (int i = 0; i < 3; ++i) {
    rig.clock.advance(kSecond);
    EXPECT_EQ(rig.device.run_timers(), rig.clock.now() + kSecond);
    const auto event = rig.driver.poll_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->aenq_common_desc.group, EFA_AENQ_GROUP_KEEP_ALIVE);
    EXPECT_EQ(event->aenq_common_desc.syndrome, 0);
    EXPECT_FALSE(rig.driver.poll_event());
  }
  EXPECT_EQ(rig.interrupts.count(EFA_MGMT_MSIX_VECTOR), 3u);
}

TEST(AsyncEvents, SendOneKeepAliveAfterALongPause) {
  Started rig(kAll);
  rig.clock.advance(100 * kSecond);
  rig.device.run_timers();
  EXPECT_TRUE(rig.driver.poll_event());
  EXPECT_FALSE(rig.driver.poll_event());
}

TEST(AsyncEvents, StampTheTimeSinceReset) {
  Started rig(kAll);
  rig.clock.advance(5'000'000'123);
  rig.device.inject_event(EFA_AENQ_GROUP_NOTIFICATION, 42);
  const auto event = rig.driver.poll_event();
  EXPECT_EQ(
      efa_addr_join(event->aenq_common_desc.timestamp_low, event->aenq_common_desc.timestamp_high),
      5'000'000'123u);
  EXPECT_EQ(event->aenq_common_desc.syndrome, 42);
  rig.driver.probe();
  rig.driver.enable_events(kAll);
  rig.clock.advance(7);
  rig.device.inject_event(EFA_AENQ_GROUP_NOTIFICATION, 0);
  EXPECT_EQ(rig.driver.poll_event()->aenq_common_desc.timestamp_low, 7u);
}

TEST(AsyncEvents, ReportOnlyEnabledGroups) {
  Started rig(1u << EFA_AENQ_GROUP_FATAL_ERROR);
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  rig.clock.advance(2 * kSecond);
  rig.device.run_timers();
  EXPECT_FALSE(rig.driver.poll_event());
  rig.device.inject_event(EFA_AENQ_GROUP_FATAL_ERROR, 0);
  EXPECT_TRUE(rig.driver.poll_event());
}

TEST(AsyncEvents, DropAndCountWhatTheDriverHasNoRoomFor) {
  Started rig(kAll);
  for (int i = 0; i < 18; ++i)
    rig.device.inject_event(EFA_AENQ_GROUP_WARNING, static_cast<std::uint16_t>(i));
  EXPECT_EQ(rig.device.stats.aenq_dropped, 2u);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(rig.driver.poll_event()->aenq_common_desc.syndrome, i);
  rig.driver.acknowledge_events();
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 99);
  EXPECT_EQ(rig.driver.poll_event()->aenq_common_desc.syndrome, 99) << "second pass, other phase";
}

TEST(AsyncEvents, IgnoreAConsumerCountThatCannotBeTrue) {
  Started rig(kAll);
  for (int i = 0; i < 16; ++i) rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  for (const std::uint32_t lie : {17u, 1000u, 0xffffffffu})
    rig.driver.write(EFA_REG_AENQ_CONS_DB, lie);
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  EXPECT_EQ(rig.device.stats.aenq_dropped, 1u);
}

TEST(AsyncEvents, NeverMoveTheConsumerBackwards) {
  Started rig(kAll);
  for (int i = 0; i < 16; ++i) rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  rig.driver.write(EFA_REG_AENQ_CONS_DB, 16);
  rig.driver.write(EFA_REG_AENQ_CONS_DB, 3);
  for (int i = 0; i < 16; ++i) rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  EXPECT_EQ(rig.device.stats.aenq_dropped, 0u);
}

TEST(AsyncEvents, FlipTheirPhaseAtEveryWrap) {
  Started rig(kAll, {.aenq_depth = 2});
  for (std::uint16_t i = 0; i < 9; ++i) {
    rig.device.inject_event(EFA_AENQ_GROUP_WARNING, i);
    const auto event = rig.driver.poll_event();
    ASSERT_TRUE(event) << i;
    EXPECT_EQ(event->aenq_common_desc.syndrome, i);
    rig.driver.acknowledge_events();
  }
}

TEST(AsyncEvents, SignalTheVectorThatTheDriverChose) {
  Started rig(kAll);
  rig.driver.write(EFA_REG_AENQ_CAPS,
                   efa_reg_aenq_caps_set_aenq_msix_vector(rig.driver.aenq_caps(), 9));
  rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
  EXPECT_EQ(rig.interrupts.vectors, std::vector<unsigned>{9});
}

TEST(AsyncEvents, NeedAUsableRing) {
  for (const std::uint32_t caps :
       {efa_reg_aenq_caps_set_aenq_depth(0, 16),                                             //
        efa_reg_aenq_caps_set_aenq_entry_size(efa_reg_aenq_caps_set_aenq_depth(0, 12), 64),  //
        efa_reg_aenq_caps_set_aenq_entry_size(efa_reg_aenq_caps_set_aenq_depth(0, 1), 64),   //
        efa_reg_aenq_caps_set_aenq_msix_vector(
            efa_reg_aenq_caps_set_aenq_entry_size(efa_reg_aenq_caps_set_aenq_depth(0, 16), 64),
            33)}) {
    Started rig(kAll);
    rig.driver.write(EFA_REG_AENQ_CAPS, caps);
    rig.device.inject_event(EFA_AENQ_GROUP_WARNING, 0);
    EXPECT_FALSE(rig.driver.poll_event());
    EXPECT_TRUE(rig.interrupts.vectors.empty());
  }
}

TEST(AsyncEvents, EndWithReset) {
  Started rig(kAll);
  rig.driver.reset();
  rig.clock.advance(2 * kSecond);
  EXPECT_EQ(rig.device.run_timers(), AsyncEventQueue::kNever);
  EXPECT_FALSE(rig.driver.poll_event());
}

}  // namespace
}  // namespace efa::emu::test
