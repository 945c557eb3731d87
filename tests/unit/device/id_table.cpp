// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/id_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace efa::emu {
namespace {

TEST(IdTable, NumbersObjectsFromZero) {
  IdTable<int> table(3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(table.next_id(), i);
    table.insert(std::make_unique<int>(static_cast<int>(i)));
  }
  EXPECT_TRUE(table.full());
  EXPECT_EQ(*table.find(2), 2);
}

TEST(IdTable, FindsNothingForAnyOtherNumber) {
  IdTable<int> table(3);
  table.insert(std::make_unique<int>(1));
  for (const std::uint64_t id :
       {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{0x100000000}, ~std::uint64_t{0}})
    EXPECT_EQ(table.find(id), nullptr) << id;
}

TEST(IdTable, ReusesTheOldestFreeNumberAndOnlyWhenAllWereUsed) {
  IdTable<int> table(4);
  for (int i = 0; i < 3; ++i) table.insert(std::make_unique<int>(i));
  table.remove(1);
  table.remove(0);
  EXPECT_EQ(table.next_id(), 3u);
  table.insert(std::make_unique<int>(3));
  EXPECT_EQ(table.next_id(), 1u);
  table.insert(std::make_unique<int>(11));
  EXPECT_EQ(table.next_id(), 0u);
  EXPECT_EQ(*table.find(1), 11);
}

TEST(IdTable, VisitsLiveObjectsOnly) {
  IdTable<int> table(8);
  for (int i = 0; i < 5; ++i) table.insert(std::make_unique<int>(i));
  table.remove(2);
  std::set<int> seen;
  table.for_each([&](int value) { seen.insert(value); });
  EXPECT_EQ(seen, (std::set<int>{0, 1, 3, 4}));
  EXPECT_EQ(table.size(), 4u);
}

TEST(IdTable, WithLimitZeroIsAlwaysFull) {
  EXPECT_TRUE(IdTable<int>(0).full());
}

}  // namespace
}  // namespace efa::emu
