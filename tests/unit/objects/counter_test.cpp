// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Counters: values, waiting, driving endpoints (spec 5.5); poll sets over them (M6).
#include "objects/counter.hpp"

#include <chrono>

#include "objects/opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

class Countdown final : public Progressor {
 public:
  Countdown(Counter& counter, int calls) : counter_(counter), left_(calls) {
    counter_.endpoints.add(*this);
  }
  ~Countdown() { counter_.endpoints.remove(*this); }
  void progress() override {
    if (--left_ == 0) counter_.add();
    if (left_ < -1000) counter_.add_error();
  }

 private:
  Counter& counter_;
  int left_;
};

struct OpenedCounter {
  explicit OpenedCounter(fi_wait_obj wait = FI_WAIT_UNSPEC) {
    fi_cntr_attr attributes{};
    attributes.wait_obj = wait;
    EXPECT_EQ(fi_cntr_open(of.domain.get(), &attributes, counter.out(), &attributes), 0);
  }
  Counter& operator*() const { return Counter::of(counter.get()); }

  OpenedDomain of;
  Owner<fid_cntr> counter;
};

TEST(Counter, HoldsWhatTheApplicationSets) {
  OpenedCounter c;
  EXPECT_EQ(fi_cntr_read(c.counter.get()), 0u);
  EXPECT_EQ(fi_cntr_set(c.counter.get(), 10), 0);
  EXPECT_EQ(fi_cntr_add(c.counter.get(), 5), 0);
  EXPECT_EQ(fi_cntr_read(c.counter.get()), 15u);
  EXPECT_EQ(fi_cntr_seterr(c.counter.get(), 2), 0);
  EXPECT_EQ(fi_cntr_adderr(c.counter.get(), 1), 0);
  EXPECT_EQ(fi_cntr_readerr(c.counter.get()), 3u);
}

TEST(Counter, ReadingDrivesTheEndpoints) {
  OpenedCounter c;
  Countdown endpoint(*c, 2);
  EXPECT_EQ(fi_cntr_readerr(c.counter.get()), 0u);
  EXPECT_EQ(fi_cntr_read(c.counter.get()), 1u);
}

TEST(Counter, WaitingDrivesTheEndpointsUntilTheValueIsThere) {
  OpenedCounter c;
  Countdown endpoint(*c, 500);
  EXPECT_EQ(fi_cntr_wait(c.counter.get(), 1, -1), 0);
}

TEST(Counter, WaitingEndsWithAnError) {
  OpenedCounter c;
  Countdown endpoint(*c, 5);
  EXPECT_EQ(fi_cntr_wait(c.counter.get(), 2, -1), -FI_EAVAIL);
}

TEST(Counter, WaitingEndsWithTheTime) {
  OpenedCounter c;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(fi_cntr_wait(c.counter.get(), 1, 20), -FI_ETIMEDOUT);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20));
  EXPECT_EQ(fi_cntr_wait(c.counter.get(), 1, 0), -FI_ETIMEDOUT);
}

TEST(Counter, WithoutAWaitObjectNobodyWaits) {
  OpenedCounter c(FI_WAIT_NONE);
  EXPECT_EQ(fi_cntr_wait(c.counter.get(), 0, -1), -FI_EINVAL);
}

TEST(Counter, IsHeldByItsEndpoints) {
  OpenedCounter c;
  Countdown endpoint(*c, 5);
  EXPECT_EQ(fi_close(&c.counter->fid), -FI_EBUSY);
}

TEST(Counter, WhatItCannotDoIsRefused) {
  OpenedDomain of;
  fid_cntr* counter = nullptr;
  fi_cntr_attr attributes{};
  attributes.wait_obj = FI_WAIT_FD;
  EXPECT_EQ(fi_cntr_open(of.domain.get(), &attributes, &counter, nullptr), -FI_ENOSYS);
  EXPECT_EQ(take_log().size(), 1u);
  attributes = {};
  attributes.flags = 1;
  EXPECT_EQ(fi_cntr_open(of.domain.get(), &attributes, &counter, nullptr), -FI_EINVAL);
}

struct OpenedPollSet : OpenedCounter {
  OpenedPollSet() {
    fi_poll_attr attributes{};
    EXPECT_EQ(of.domain->ops->poll_open(of.domain.get(), &attributes, set.out()), 0);
  }
  int poll(void** contexts, int count) { return set->ops->poll(set.get(), contexts, count); }
  int add(fid& member) { return set->ops->poll_add(set.get(), &member, 0); }
  int remove(fid& member) { return set->ops->poll_del(set.get(), &member, 0); }

  Owner<fid_poll> set;
};

TEST(PollSet, TellsWhichCountersChanged) {
  OpenedPollSet set;
  void* contexts[2] = {};
  EXPECT_EQ(set.add(set.counter->fid), 0);
  EXPECT_EQ(set.add(set.counter->fid), 0);  // once is enough
  EXPECT_EQ(set.poll(contexts, 2), 0);
  fi_cntr_add(set.counter.get(), 1);
  EXPECT_EQ(set.poll(contexts, 2), 1);
  EXPECT_EQ(contexts[0], set.counter->fid.context);
  EXPECT_EQ(set.poll(contexts, 2), 0);
  fi_cntr_adderr(set.counter.get(), 1);
  EXPECT_EQ(set.poll(contexts, 2), 1);
  EXPECT_EQ(set.remove(set.counter->fid), 0);
  EXPECT_EQ(set.remove(set.counter->fid), -FI_EINVAL);
}

TEST(PollSet, DrivesItsMembers) {
  OpenedPollSet set;
  Countdown endpoint(*set, 3);
  void* context = nullptr;
  set.add(set.counter->fid);
  EXPECT_EQ(set.poll(&context, 1), 0);
  EXPECT_EQ(set.poll(&context, 1), 0);
  EXPECT_EQ(set.poll(&context, 1), 1);
}

TEST(PollSet, TakesOnlyQueuesAndCountersOfItsDomain) {
  OpenedPollSet set;
  EXPECT_EQ(set.add(set.of.domain->fid), -FI_EINVAL);
  EXPECT_EQ(set.set->ops->poll_add(set.set.get(), &set.counter->fid, 1), -FI_EINVAL);
}

}  // namespace
