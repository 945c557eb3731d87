// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/doorbell_pool.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

constexpr std::size_t kPage = DoorbellPool::kPageSize;
constexpr std::size_t kSlots = DoorbellPool::kSlotsPerPage;

struct Pool {
  explicit Pool(std::size_t pages) : bar(pages * kPage), pool(bar.span()) {}
  ZeroedBytes bar;
  DoorbellPool pool;
};

TEST(DoorbellPool, GivesEveryUarAPageOfItsOwn) {
  Pool p(3);
  EXPECT_TRUE(p.pool.open(0));
  EXPECT_TRUE(p.pool.open(1));
  EXPECT_EQ(p.pool.pages_in_use(), 2u);
  EXPECT_NE(*p.pool.allocate(0) / kPage, *p.pool.allocate(1) / kPage);
}

TEST(DoorbellPool, FillsAPageWithDistinctAlignedSlotsBeforeItTakesAnother) {
  Pool p(2);
  p.pool.open(5);
  std::set<std::uint32_t> offsets;
  for (std::size_t i = 0; i < kSlots; ++i) {
    const std::uint32_t offset = *p.pool.allocate(5);
    EXPECT_EQ(offset % 4, 0u);
    EXPECT_LT(offset, kPage);
    offsets.insert(offset);
  }
  EXPECT_EQ(offsets.size(), kSlots);
  EXPECT_EQ(p.pool.pages_in_use(), 1u);
  EXPECT_EQ(*p.pool.allocate(5) / kPage, 1u);
  EXPECT_EQ(p.pool.pages_in_use(), 2u);
}

TEST(DoorbellPool, NeverPutsTwoUarsOnOnePage) {
  Pool p(64);
  std::mt19937 random(1);
  std::map<std::uint32_t, std::uint16_t> owner;
  std::set<std::uint16_t> open;
  for (int step = 0; step < 20000; ++step) {
    const auto uar = static_cast<std::uint16_t>(random() % 20);
    if (open.insert(uar).second) {
      ASSERT_TRUE(p.pool.open(uar));
    } else if (random() % 3 != 0 || owner.empty()) {
      const auto offset = p.pool.allocate(uar);
      if (!offset) continue;
      ASSERT_TRUE(owner.emplace(*offset, uar).second) << "slot given out twice";
      const std::uint32_t page = *offset / kPage * kPage;
      for (auto it = owner.lower_bound(page); it != owner.end() && it->first < page + kPage; ++it)
        ASSERT_EQ(it->second, uar);
    } else {
      const auto victim = owner.begin();
      p.pool.release(victim->first);
      owner.erase(victim);
    }
  }
}

TEST(DoorbellPool, ZeroesASlotWhenItHandsItOut) {
  Pool p(1);
  p.pool.open(0);
  const std::uint32_t offset = *p.pool.allocate(0);
  auto* word = reinterpret_cast<std::uint32_t*>(p.bar.data() + offset);
  *word = 0xdeadbeef;
  p.pool.release(offset);
  EXPECT_EQ(*word, 0xdeadbeef);
  EXPECT_EQ(p.pool.allocate(0), offset);
  EXPECT_EQ(*word, 0u);
}

TEST(DoorbellPool, TakesAllPagesOfAClosedUarBack) {
  Pool p(3);
  p.pool.open(1);
  std::vector<std::uint32_t> offsets;
  for (std::size_t i = 0; i < kSlots + 1; ++i) offsets.push_back(*p.pool.allocate(1));
  EXPECT_EQ(p.pool.pages_in_use(), 2u);
  for (const std::uint32_t offset : offsets) p.pool.release(offset);
  p.pool.close(1);
  EXPECT_EQ(p.pool.pages_in_use(), 0u);
  for (std::uint16_t uar = 10; uar < 13; ++uar) EXPECT_TRUE(p.pool.open(uar));
  EXPECT_FALSE(p.pool.open(13));
}

TEST(DoorbellPool, HasNothingToGiveWithoutPages) {
  DoorbellPool pool({});
  EXPECT_FALSE(pool.open(0));
  EXPECT_EQ(pool.allocate(0), std::nullopt);
}

}  // namespace
}  // namespace efa::emu::test
