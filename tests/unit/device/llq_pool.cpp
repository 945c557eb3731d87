// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/llq_pool.hpp"

#include <gtest/gtest.h>

namespace efa::emu {
namespace {

constexpr std::size_t kPage = LlqPool::kPageSize;

TEST(LlqPool, RoundsUpToWholePages) {
  LlqPool pool(16 * kPage);
  EXPECT_EQ(pool.allocate(64), 0u);
  EXPECT_EQ(pool.allocate(kPage + 1), kPage);
  EXPECT_EQ(pool.allocate(0), 3 * kPage);
  EXPECT_EQ(pool.allocate(kPage), 4 * kPage);
}

TEST(LlqPool, FillsTheFirstGapThatFits) {
  LlqPool pool(8 * kPage);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(pool.allocate(kPage));
  pool.release(1 * kPage);
  pool.release(4 * kPage);
  pool.release(5 * kPage);
  EXPECT_EQ(pool.allocate(2 * kPage), 4 * kPage);
  EXPECT_EQ(pool.allocate(kPage), kPage);
  EXPECT_EQ(pool.allocate(1), std::nullopt);
}

TEST(LlqPool, GivesNothingBeyondTheBar) {
  LlqPool pool(2 * kPage + 100);
  EXPECT_EQ(pool.allocate(3 * kPage), std::nullopt);
  EXPECT_EQ(pool.allocate(2 * kPage), 0u);
  EXPECT_EQ(pool.allocate(1), std::nullopt);
  EXPECT_EQ(LlqPool(0).allocate(1), std::nullopt);
}

}  // namespace
}  // namespace efa::emu
