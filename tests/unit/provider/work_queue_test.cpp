// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "work_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace efa {
namespace {

/// A queue in use: posts one request at a time.
struct Queue {
  explicit Queue(std::uint32_t requests, std::uint16_t generation = 0) {
    EXPECT_EQ(work.allocate(requests), 0);
    work.set_first_generation(generation);
    work.set_open(true);
  }
  /// @returns the request id, or -errno
  int post(std::uint64_t wr_id) {
    const std::uint32_t posted = work.posted();
    if (const int error = work.look_for_room(posted)) return -error;
    const std::uint32_t slot = work.remember(posted & work.mask(), wr_id);
    work.set_posted(posted + 1);
    return static_cast<int>(slot | work.generation());
  }
  WorkQueue work;
};

TEST(WorkQueue, HoldsAsManyRequestsAsAgreedAndNoMore) {
  for (const std::uint32_t requests : {1U, 2U, 3U, 8U, 100U, 32768U}) {
    Queue queue(requests);
    std::set<int> ids;
    for (std::uint32_t i = 0; i < requests; ++i) ids.insert(queue.post(i));
    EXPECT_EQ(ids.size(), requests) << "ids in flight differ";
    EXPECT_GE(*ids.begin(), 0);
    EXPECT_EQ(queue.post(0), -ENOMEM) << requests;
    std::uint64_t wr_id;
    ASSERT_TRUE(queue.work.complete(static_cast<std::uint16_t>(*ids.rbegin()), wr_id));
    EXPECT_EQ(wr_id, requests - 1);
    EXPECT_GE(queue.post(0), 0);
    EXPECT_EQ(queue.post(0), -ENOMEM);
  }
}

TEST(WorkQueue, WithoutRequestsIsAlwaysFull) {
  Queue queue(0);
  EXPECT_EQ(queue.post(1), -ENOMEM);
}

TEST(WorkQueue, IsClosedUntilItIsOpened) {
  WorkQueue work;
  ASSERT_EQ(work.allocate(8), 0);
  EXPECT_FALSE(work.has_room(work.posted()));
  EXPECT_EQ(work.look_for_room(work.posted()), EINVAL);
  work.set_open(true);
  EXPECT_EQ(work.look_for_room(work.posted()), 0);
  EXPECT_EQ(work.room(work.posted()), 8u);
  work.set_open(false);
  EXPECT_EQ(work.look_for_room(work.posted()), EINVAL);
}

TEST(WorkQueue, RemembersIdsWhateverTheOrderOfCompletion) {
  std::mt19937 random(1);
  Queue queue(16, 3);
  std::vector<std::pair<int, std::uint64_t>> in_flight;
  std::uint64_t next = 0;
  for (int round = 0; round < 10000; ++round) {
    if (random() % 2 == 0) {
      const int id = queue.post(next);
      ASSERT_EQ(id < 0, in_flight.size() == 16);
      if (id >= 0) in_flight.emplace_back(id, next++);
    } else if (!in_flight.empty()) {
      std::swap(in_flight[random() % in_flight.size()], in_flight.back());
      std::uint64_t wr_id = 0;
      ASSERT_TRUE(queue.work.complete(static_cast<std::uint16_t>(in_flight.back().first), wr_id));
      ASSERT_EQ(wr_id, in_flight.back().second);
      in_flight.pop_back();
    }
  }
  EXPECT_GT(next, 3000u);
}

TEST(WorkQueue, SteppingBackUndoesPosts) {
  Queue queue(4);
  std::vector<std::uint32_t> first;
  for (std::uint32_t place = 0; place < 4; ++place) first.push_back(queue.work.remember(place, 99));
  // Not announced: the same slots again.
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(queue.post(i), static_cast<int>(first[i]));
  std::uint64_t wr_id;
  ASSERT_TRUE(queue.work.complete(static_cast<std::uint16_t>(first[2]), wr_id));
  EXPECT_EQ(wr_id, 2u);
}

TEST(WorkQueue, RefusesIdsOfOtherGenerations) {
  Queue queue(8, 5);
  const int id = queue.post(1);
  EXPECT_EQ(id & ~7, 5 * 8);
  std::uint64_t wr_id = 0;
  for (int other = 0; other < 0x10000; ++other) {
    if ((other & ~7) == (id & ~7)) continue;
    ASSERT_FALSE(queue.work.complete(static_cast<std::uint16_t>(other), wr_id)) << other;
  }
  EXPECT_TRUE(queue.work.complete(static_cast<std::uint16_t>(id), wr_id));
}

TEST(WorkQueue, KnowsTheIdsOfTheGenerationBefore) {
  Queue queue(8, 5);
  const auto old = static_cast<std::uint16_t>(queue.post(1));
  EXPECT_TRUE(queue.work.is_from_before_restart(old)) << "nothing is newer yet";
  queue.work.restart(6);
  queue.work.set_open(true);
  std::uint64_t wr_id;
  EXPECT_FALSE(queue.work.complete(old, wr_id));
  EXPECT_TRUE(queue.work.is_from_before_restart(old));
  const auto fresh = static_cast<std::uint16_t>(queue.post(2));
  EXPECT_FALSE(queue.work.is_from_before_restart(fresh));
  queue.work.restart(7);
  EXPECT_FALSE(queue.work.is_from_before_restart(old)) << "too old";
}

TEST(WorkQueue, ADeepQueueHasRoomForOneBitOfGeneration) {
  Queue queue(32768, 1);  // P11
  EXPECT_EQ(queue.post(1), 0x8000);
  Queue even(32768, 2);
  EXPECT_EQ(even.post(1), 0);
}

TEST(WorkQueue, CountsWhereTheUsersIdsTravel) {
  Queue queue(4);
  EXPECT_FALSE(queue.work.complete_counted()) << "nothing is in flight";
  for (int i = 0; i < 4; ++i) EXPECT_GE(queue.post(0), 0);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.work.complete_counted());
  EXPECT_FALSE(queue.work.complete_counted());
}

}  // namespace
}  // namespace efa
