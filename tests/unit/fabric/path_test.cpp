// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/path.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace efa::emu {
namespace {

constexpr Nanoseconds kStep = 1'000;

std::vector<Fate> fates(Path path, unsigned count, std::uint64_t bytes = 4096,
                        Nanoseconds start = 0) {
  std::vector<Fate> all;
  for (unsigned i = 0; i < count; ++i) all.push_back(path.next(bytes, start + i * kStep));
  return all;
}

bool same(const Fate& a, const Fate& b) {
  return a.lost == b.lost && a.duplicated == b.duplicated && a.arrival == b.arrival &&
         a.duplicate_arrival == b.duplicate_arrival;
}

double share_lost(const std::vector<Fate>& all) {
  return double(std::count_if(all.begin(), all.end(), [](const Fate& f) { return f.lost; })) /
         double(all.size());
}

TEST(Path, WithoutImpairmentPacketsArriveWhenSent) {
  Path path({}, true, 1);
  EXPECT_TRUE(path.perfect());
  for (const Fate& fate : fates(path, 3, 1 << 30, 77)) {
    EXPECT_FALSE(fate.lost);
    EXPECT_FALSE(fate.duplicated);
  }
  EXPECT_EQ(path.next(1 << 30, 77).arrival, 77u);
}

TEST(Path, ThatIsNotAllowedLosesEveryPacket) {
  Path path({}, false, 1);
  EXPECT_FALSE(path.perfect());
  EXPECT_FALSE(path.allowed());
  EXPECT_EQ(share_lost(fates(path, 1000)), 1.0);
}

TEST(Path, ReplaysFromItsSeed) {
  const Impairment bad{.loss = 0.1,
                       .reorder = 0.2,
                       .duplicate = 0.1,
                       .delay = 10'000,
                       .jitter = 5'000,
                       .bandwidth_gbps = 10};
  const auto first = fates(Path(bad, true, 42), 10'000);
  const auto again = fates(Path(bad, true, 42), 10'000);
  const auto other = fates(Path(bad, true, 43), 10'000);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), again.begin(), same));
  EXPECT_FALSE(std::equal(first.begin(), first.end(), other.begin(), same));
}

TEST(Path, TheFirstFatesOfSeedOneAreTheSameOnEveryMachine) {
  // Golden values: they change only if replays of old seeds change.
  Path path({.loss = 0.5}, true, 1);
  std::string lost;
  for (int i = 0; i < 16; ++i) lost += path.next(1, 0).lost ? 'x' : '.';
  EXPECT_EQ(lost, "xx.xx....xx....x");
}

TEST(Path, FatesDoNotDependOnWhenThePacketsAreSent) {
  const Impairment bad{.loss = 0.1, .duplicate = 0.1, .jitter = 5'000};
  const auto early = fates(Path(bad, true, 7), 1000, 64, 0);
  const auto late = fates(Path(bad, true, 7), 1000, 64, 1'000'000'000);
  for (std::size_t i = 0; i < early.size(); ++i) {
    EXPECT_EQ(early[i].lost, late[i].lost);
    if (early[i].lost) continue;
    EXPECT_EQ(early[i].arrival + 1'000'000'000, late[i].arrival);
  }
}

TEST(Path, TheSamePacketsAreLostWhateverTheOtherImpairmentsAre) {
  const auto plain = fates(Path({.loss = 0.1}, true, 7), 1000);
  const auto worse =
      fates(Path({.loss = 0.1, .reorder = 0.5, .duplicate = 0.5, .jitter = 10}, true, 7), 1000);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(plain[i].lost, worse[i].lost) << i;
}

TEST(Path, LosesTheShareThatIsAskedFor) {
  // 100,000 draws: standard deviation of the share at 5 % is 0.07 %, so 0.3 % is over four of them.
  EXPECT_NEAR(share_lost(fates(Path({.loss = 0.05}, true, 11), 100'000)), 0.05, 0.003);
  EXPECT_NEAR(share_lost(fates(Path({.loss = 0.5}, true, 11), 100'000)), 0.5, 0.007);
  EXPECT_EQ(share_lost(fates(Path({.loss = 1}, true, 11), 10'000)), 1.0);
}

TEST(Path, DuplicatesTheShareThatIsAskedForAndTheCopyComesLater) {
  const auto all = fates(Path({.duplicate = 0.1}, true, 5), 100'000);
  unsigned copies = 0;
  for (const Fate& fate : all) {
    if (!fate.duplicated) continue;
    ++copies;
    EXPECT_GT(fate.duplicate_arrival, fate.arrival);
  }
  EXPECT_NEAR(copies / 100'000.0, 0.1, 0.004);
}

TEST(Path, ReorderedPacketsAreOvertakenByLaterOnes) {
  const auto all = fates(Path({.reorder = 0.1, .delay = 1'000}, true, 5), 100'000);
  unsigned overtaken = 0;
  for (std::size_t i = 0; i + 20 < all.size(); ++i) {
    const Nanoseconds extra = all[i].arrival - (i * kStep + 1'000);
    if (extra == 0) continue;
    EXPECT_GE(extra, 20'000u);
    EXPECT_LE(extra, 200'000u);
    overtaken += std::any_of(&all[i + 1], &all[i + 20],
                             [&](const Fate& later) { return later.arrival < all[i].arrival; });
  }
  EXPECT_NEAR(overtaken / 100'000.0, 0.1, 0.004);
}

TEST(Path, DelayIsAddedToEveryPacketAndJitterIsUniform) {
  const auto all = fates(Path({.delay = 10'000, .jitter = 4'000}, true, 3), 10'000);
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Nanoseconds travel = all[i].arrival - i * kStep;
    EXPECT_GE(travel, 10'000u);
    EXPECT_LE(travel, 14'000u);
    sum += double(travel);
  }
  EXPECT_NEAR(sum / 10'000, 12'000, 60);
}

TEST(Path, BandwidthSpacesPacketsThatAreSentAtOnce) {
  Path path({.bandwidth_gbps = 8}, true, 1);  // 1 byte per ns
  EXPECT_EQ(path.next(1'000, 0).arrival, 1'000u);
  EXPECT_EQ(path.next(500, 0).arrival, 1'500u);
  EXPECT_EQ(path.next(0, 0).arrival, 1'500u);
}

TEST(Path, AnIdleLinkSavesNoBandwidthForLater) {
  Path path({.bandwidth_gbps = 8}, true, 1);
  path.next(1'000, 0);
  EXPECT_EQ(path.next(1'000, 50'000).arrival, 51'000u);
  EXPECT_EQ(path.next(1'000, 50'100).arrival, 52'000u);
}

TEST(Path, LostPacketsTakeTheirShareOfTheLink) {
  Path path({.loss = 1, .bandwidth_gbps = 8}, true, 1);
  path.next(1'000, 0);
  Path lossless({.bandwidth_gbps = 8}, true, 1);
  lossless.next(1'000, 0);
  EXPECT_TRUE(path.next(1'000, 0).lost);
  EXPECT_EQ(lossless.next(1'000, 0).arrival, 2'000u);
}

TEST(Path, AGigabyteOverTheSlowestLinkDoesNotOverflow) {
  Path path({.bandwidth_gbps = 1e-6}, true, 1);
  const Nanoseconds first = path.next(1u << 30, 0).arrival;
  EXPECT_EQ(first, (Nanoseconds{1} << 33) * 1'000'000);
  EXPECT_EQ(path.next(1u << 30, 0).arrival, 2 * first);
}

}  // namespace
}  // namespace efa::emu
