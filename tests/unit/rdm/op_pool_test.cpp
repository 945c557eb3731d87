// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/op_pool.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace efa::rdm {
namespace {

struct Op {
  OpId id = 0;
  int value = 0;
};

TEST(OpPool, FindsLivingOperationsOnly) {
  OpPool<Op> pool;
  Op* op = pool.take();
  ASSERT_NE(op, nullptr);
  const OpId id = op->id;
  EXPECT_EQ(pool.find(id), op);
  pool.give(*op);
  EXPECT_EQ(pool.find(id), nullptr);
  EXPECT_EQ(pool.find(op->id), nullptr);
  EXPECT_EQ(pool.size(), 0U);
}

TEST(OpPool, AnyNumberOfAPeerIsHarmless) {
  OpPool<Op> pool;
  EXPECT_EQ(pool.find(0), nullptr);
  const OpId id = pool.take()->id;
  for (const OpId wrong :
       {id + 1, id ^ 0x80000000U, 0xffffffffU, 0x000fffffU, 0x00100000U, 0x00080000U}) {
    EXPECT_EQ(pool.find(wrong), nullptr) << wrong;
  }
}

TEST(OpPool, AnOldIdDoesNotFindTheNextOwnerOfItsSlot) {
  OpPool<Op> pool;
  std::map<OpId, int> living;
  std::set<OpId> dead;
  std::vector<Op*> ops;
  std::mt19937 random(1);
  for (int value = 0; value < 20000; ++value) {
    Op* op = pool.take();
    ASSERT_NE(op, nullptr);
    ASSERT_EQ(living.count(op->id), 0U);
    op->value = value;
    dead.erase(op->id);  // generations do come round, after thousands of others
    living[op->id] = value;
    ops.push_back(op);
    while (ops.size() > 100) {
      const std::size_t i = random() % ops.size();
      dead.insert(ops[i]->id);
      living.erase(ops[i]->id);
      pool.give(*ops[i]);
      ops[i] = ops.back();
      ops.pop_back();
    }
    EXPECT_EQ(pool.size(), ops.size());
  }
  for (const auto& [id, value] : living) {
    ASSERT_NE(pool.find(id), nullptr);
    EXPECT_EQ(pool.find(id)->value, value);
  }
  for (const OpId id : dead) EXPECT_EQ(pool.find(id), nullptr) << id;
  std::size_t visited = 0;
  pool.each([&](const Op& op) { visited += living.count(op.id); });
  EXPECT_EQ(visited, living.size());
}

TEST(OpPool, HasALimit) {
  OpPool<Op> pool;
  std::size_t count = 0;
  while (pool.take() != nullptr) ++count;
  EXPECT_EQ(count, OpPool<Op>::kMaxSlots / 2);
}

}  // namespace
}  // namespace efa::rdm
