// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/op_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace efa::rdm {
namespace {

TEST(OpTable, FindsLivingOperationsOnly) {
  OpTable<int> table;
  OpId id = 0;
  ASSERT_NE(table.create(id, 41), nullptr);
  EXPECT_EQ(*table.find(id), 41);
  table.destroy(id);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.size(), 0u);
}

TEST(OpTable, AnyNumberOfAPeerIsHarmless) {
  OpTable<int> table;
  OpId id = 0;
  table.create(id, 1);
  for (const OpId wrong : {id + 1, id ^ 0x80000000U, 0xffffffffU, 0x000fffffU, 0x00100000U}) {
    EXPECT_EQ(table.find(wrong), nullptr) << wrong;
  }
}

TEST(OpTable, AnOldIdDoesNotFindTheNextOwnerOfItsSlot) {
  OpTable<int> table;
  std::map<OpId, int> living;
  std::map<OpId, int> dead;
  std::mt19937 random(1);
  for (int value = 0; value < 20000; ++value) {
    OpId id = 0;
    ASSERT_NE(table.create(id, value), nullptr);
    ASSERT_EQ(living.count(id), 0u);
    dead.erase(id);  // generations do come round, after thousands of others
    living[id] = value;
    if (living.size() > 50) {
      auto victim = std::next(living.begin(), static_cast<long>(random() % living.size()));
      table.destroy(victim->first);
      dead.insert(*victim);
      living.erase(victim);
    }
  }
  for (const auto& [id, value] : living) EXPECT_EQ(*table.find(id), value);
  for (const auto& [id, value] : dead) EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.size(), living.size());
}

TEST(OpTable, SlotsRestBeforeTheyAreUsedAgain) {
  OpTable<int> table;
  OpId first = 0, next = 0;
  table.create(first, 0);
  table.destroy(first);
  const OpId slot = OpTable<int>::kMaxSlots - 1;
  for (int i = 0; i < 200; ++i) {
    table.create(next, i);
    EXPECT_NE(next & slot, first & slot);
    table.destroy(next);
  }
}

}  // namespace
}  // namespace efa::rdm
