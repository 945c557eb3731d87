// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Reads that sleep: on what, for how long, who wakes them. The fake device has no notifications,
/// so that everything here comes from the ring and from signals.
#include <poll.h>

#include <chrono>
#include <thread>

#include "opened.hpp"

namespace efa::fi::test {
namespace {

using Clock = std::chrono::steady_clock;

struct CqSleepTest : testing::Test {
  Opened on{Kind::rdm};
  fi_cq_entry entries[8];

  RdmCq& open(fi_wait_obj wait, fi_cq_wait_cond condition = FI_CQ_COND_NONE) {
    fi_cq_attr attributes{};
    attributes.wait_obj = wait;
    attributes.wait_cond = condition;
    EXPECT_EQ(efa::fi::open_cq(on.domain.get(), &attributes, &on.cq, nullptr), 0);
    return RdmCq::of(on.cq);
  }
  static const void* threshold(size_t count) { return reinterpret_cast<const void*>(count); }
};

TEST_F(CqSleepTest, WhatIsThereIsReadAtOnce) {
  RdmCq& cq = open(FI_WAIT_UNSPEC);
  cq.ring.push({});
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, -1), 1);
}

TEST_F(CqSleepTest, TheTimeoutIsKept) {
  open(FI_WAIT_UNSPEC);
  const auto start = Clock::now();
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, 30), -FI_EAGAIN);
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(30));
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, 0), -FI_EAGAIN);
}

TEST_F(CqSleepTest, ACompletionOfAnotherThreadWakes) {
  RdmCq& cq = open(FI_WAIT_UNSPEC);
  std::thread other([&] {
    while (cq.sleepers == 0) std::this_thread::yield();
    const Guard guard(on.domain->lock);
    cq.ring.push({});
  });
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, -1), 1);
  other.join();
}

TEST_F(CqSleepTest, AFailureWakesToo) {
  RdmCq& cq = open(FI_WAIT_UNSPEC);
  std::thread other([&] {
    while (cq.sleepers == 0) std::this_thread::yield();
    const Guard guard(on.domain->lock);
    cq.ring.push_failure({});
  });
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, -1), -FI_EAVAIL);
  other.join();
}

TEST_F(CqSleepTest, ASignalWakesOnceEvenIfItCameBefore) {
  RdmCq& cq = open(FI_WAIT_UNSPEC);
  EXPECT_EQ(fi_cq_signal(on.cq), 0);
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, -1), -FI_EAGAIN);
  std::thread other([&] {
    while (cq.sleepers == 0) std::this_thread::yield();
    fi_cq_signal(on.cq);
  });
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, nullptr, -1), -FI_EAGAIN);
  other.join();
}

TEST_F(CqSleepTest, AThresholdIsWaitedForAndATimeoutGivesWhatThereIs) {
  RdmCq& cq = open(FI_WAIT_UNSPEC, FI_CQ_COND_THRESHOLD);
  cq.ring.push({});
  std::thread other([&] {
    while (cq.sleepers == 0) std::this_thread::yield();
    for (int i = 0; i < 2; ++i) {
      const Guard guard(on.domain->lock);
      cq.ring.push({});
    }
  });
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, threshold(3), -1), 3);
  other.join();
  cq.ring.push({});
  EXPECT_EQ(fi_cq_sread(on.cq, entries, 8, threshold(3), 5), 1);
}

TEST_F(CqSleepTest, TheRingTellsOnceThatItIsNotEmptyAnyMore) {
  rdm::CompletionRing ring(16);
  int woken = 0;
  ring.watch([](void* count) { ++*static_cast<int*>(count); }, &woken);
  for (uint64_t i = 0; i < 40; ++i) ring.push({.tag = i});
  EXPECT_EQ(woken, 1);
  ASSERT_EQ(ring.readable(), 40U);
  for (uint64_t i = 0; i < 40; ++i) EXPECT_EQ(ring.peek(i).tag, i);
  ring.watch([](void* count) { ++*static_cast<int*>(count); }, &woken);
  ring.push_failure({});
  EXPECT_EQ(woken, 2);
}

TEST_F(CqSleepTest, TheFileDescriptorIsReadableAfterASignal) {
  RdmCq& cq = open(FI_WAIT_FD);
  int fd = -1;
  ASSERT_EQ(fi_control(&on.cq->fid, FI_GETWAIT, &fd), 0);
  pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&event, 1, 0), 0);
  EXPECT_EQ(try_wait(*on.cq), -FI_EAGAIN) << "the fake device cannot signal: sleeping is not safe";
  {
    const Guard guard(on.domain->lock);
    cq.ring.push({});
  }
  EXPECT_EQ(poll(&event, 1, 0), 1);
  EXPECT_EQ(try_wait(*on.cq), -FI_EAGAIN);
  fi_wait_obj kind;
  ASSERT_EQ(fi_control(&on.cq->fid, FI_GETWAITOBJ, &kind), 0);
  EXPECT_EQ(kind, FI_WAIT_FD);
}

}  // namespace
}  // namespace efa::fi::test
