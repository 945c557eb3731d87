// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/address_handle.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

Gid gid(std::uint16_t n) {
  return Gid::from_mac(
      {0x02, 0, 0, 1, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
}

TEST(CreateAh, GivesOneNumberPerGidForTheWholeDevice) {
  Rig rig;
  const std::uint16_t first = rig.pd();
  const std::uint16_t second = rig.pd();
  const auto ah = rig.create_ah(gid(1), first).body.ah;
  EXPECT_EQ(rig.create_ah(gid(1), first).body.ah, ah);
  EXPECT_EQ(rig.create_ah(gid(1), second).body.ah, ah);
  EXPECT_NE(rig.create_ah(gid(2), first).body.ah, ah);
}

TEST(CreateAh, AcceptsTheOwnGidAndUnreachableOnes) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  EXPECT_TRUE(rig.create_ah(rig.device.identity().gid, pd).ok());
  EXPECT_TRUE(rig.create_ah(gid(999), pd).ok());
}

TEST(CreateAh, RefusesUnknownPdsAndImpossibleDestinations) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  Gid multicast = gid(1);
  multicast.raw[0] = 0xff;
  EXPECT_EQ(rig.create_ah(gid(1), static_cast<std::uint16_t>(pd + 1)).status, kIllegal);
  EXPECT_EQ(rig.create_ah(Gid{}, pd).status, kIllegal);
  EXPECT_EQ(rig.create_ah(multicast, pd).status, kIllegal);
  EXPECT_EQ(rig.device.address_handles().size(), 0u);
}

TEST(CreateAh, StopsAtTheLimitButStillSharesKnownDestinations) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const std::uint32_t limit = rig.device.profile().max_ah;
  for (std::uint32_t i = 0; i < limit; ++i) {
    const auto answer = rig.create_ah(gid(static_cast<std::uint16_t>(i)), pd);
    ASSERT_TRUE(answer.ok());
    ASSERT_LT(answer.body.ah, EFA_AH_INVALID);
  }
  EXPECT_EQ(rig.create_ah(gid(0xffff), pd).status, kNoResources);
  EXPECT_TRUE(rig.create_ah(gid(7), pd).ok());
}

TEST(DestroyAh, FreesTheNumberWithTheLastReference) {
  Rig rig;
  const std::uint16_t first = rig.pd();
  const std::uint16_t second = rig.pd();
  const auto ah = rig.create_ah(gid(1), first).body.ah;
  rig.create_ah(gid(1), first);
  rig.create_ah(gid(1), second);
  const AddressHandleTable& table = rig.device.address_handles();
  EXPECT_EQ(rig.destroy_ah(ah, first), kSuccess);
  EXPECT_NE(table.find(ah, first), nullptr);
  EXPECT_EQ(rig.destroy_ah(ah, first), kSuccess);
  EXPECT_EQ(table.find(ah, first), nullptr);
  EXPECT_EQ(table.find(gid(1), first), nullptr);
  EXPECT_NE(table.find(gid(1), second), nullptr);
  EXPECT_TRUE(table.knows(gid(1)));
  EXPECT_EQ(rig.destroy_ah(ah, second), kSuccess);
  EXPECT_FALSE(table.knows(gid(1)));
  EXPECT_EQ(table.size(), 0u);
}

TEST(DestroyAh, RefusesPairsThatWereNeverCreated) {
  Rig rig;
  const std::uint16_t first = rig.pd();
  const std::uint16_t second = rig.pd();
  const auto ah = rig.create_ah(gid(1), first).body.ah;
  EXPECT_EQ(rig.destroy_ah(ah, second), kIllegal);
  EXPECT_EQ(rig.destroy_ah(static_cast<std::uint16_t>(ah + 1), first), kIllegal);
  EXPECT_EQ(rig.destroy_ah(EFA_AH_INVALID, first), kIllegal);
  EXPECT_EQ(rig.destroy_ah(ah, first), kSuccess);
  EXPECT_EQ(rig.destroy_ah(ah, first), kIllegal);
}

TEST(DestroyAh, TellsTheDataPathOnlyWhenAPdLostItsLastReference) {
  Rig rig;
  RecordedHooks hooks;
  const std::uint16_t first = rig.pd();
  const std::uint16_t second = rig.pd();
  const auto ah = rig.create_ah(gid(1), first).body.ah;
  rig.create_ah(gid(1), first);
  rig.create_ah(gid(1), second);
  rig.device.connect(&hooks);
  rig.destroy_ah(ah, first);
  EXPECT_TRUE(hooks.calls.empty());
  rig.destroy_ah(ah, first);
  rig.destroy_ah(ah, first);
  EXPECT_EQ(hooks.calls, std::vector<std::string>{"ah_destroyed 0 of PD " + std::to_string(first)});
}

TEST(AddressHandles, KeepTheirPdBusy) {
  Rig rig;
  const std::uint16_t first = rig.pd();
  const std::uint16_t second = rig.pd();
  const auto ah = rig.create_ah(gid(1), first).body.ah;
  EXPECT_EQ(rig.dealloc_pd(first), kBusy);
  EXPECT_EQ(rig.dealloc_pd(second), kSuccess);
  rig.destroy_ah(ah, first);
  EXPECT_EQ(rig.dealloc_pd(first), kSuccess);
}

TEST(AddressHandles, ReuseNumbersOldestFirst) {
  AddressHandleTable table(2);
  const auto first = table.create(gid(1), 0)->number;
  const auto second = table.create(gid(2), 0)->number;
  table.destroy(second, 0);
  table.destroy(first, 0);
  EXPECT_EQ(table.create(gid(3), 0)->number, second);
}

}  // namespace
}  // namespace efa::emu::test
