// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/message_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace efa::rdm {
namespace {

using Order = MessageOrder<std::uint32_t>;

// Gives `ids` to `order` as an endpoint does, and returns those processed in their order.
std::vector<std::uint32_t> process(Order& order, const std::vector<std::uint32_t>& ids) {
  std::vector<std::uint32_t> processed;
  for (std::uint32_t id : ids) {
    const Arrival when = order.classify(id);
    if (when == Arrival::kEarly) order.keep(id, id);
    if (when != Arrival::kNow) continue;
    processed.push_back(id);
    for (std::vector<std::uint32_t> next = order.advance(); !next.empty(); next = order.advance()) {
      processed.insert(processed.end(), next.begin(), next.end());
    }
  }
  return processed;
}

TEST(MessageOrder, AnyShuffleIsProcessedInOrder) {
  std::vector<std::uint32_t> ids(1000);
  std::iota(ids.begin(), ids.end(), 0U);
  const std::vector<std::uint32_t> sorted = ids;
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::shuffle(ids.begin(), ids.end(), std::mt19937(seed));
    Order order;
    EXPECT_EQ(process(order, ids), sorted);
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(order.expected(), 1000u);
  }
}

TEST(MessageOrder, AnIdThatWasProcessedIsPast) {
  Order order;
  process(order, {0, 1, 2});
  EXPECT_EQ(order.classify(1), Arrival::kPast);
}

TEST(MessageOrder, PacketsOfOneMessageWaitTogether) {
  Order order;
  EXPECT_EQ(order.classify(1), Arrival::kEarly);
  order.keep(1, 101);
  order.keep(1, 102);
  EXPECT_EQ(order.classify(0), Arrival::kNow);
  EXPECT_EQ(order.advance(), (std::vector<std::uint32_t>{101, 102}));
}

TEST(MessageOrder, IdsWrap) {
  Order order(0xfffffffe);
  EXPECT_EQ(process(order, {1, 0xffffffff, 0, 0xfffffffe}),
            (std::vector<std::uint32_t>{0xfffffffe, 0xffffffff, 0, 1}));
  EXPECT_EQ(order.classify(0xffffffff), Arrival::kPast);
  EXPECT_EQ(order.classify(2 + 0x7fffffffU), Arrival::kEarly);
  EXPECT_EQ(order.classify(2 + 0x80000000U), Arrival::kPast) << "half of them are behind";
}

}  // namespace
}  // namespace efa::rdm
