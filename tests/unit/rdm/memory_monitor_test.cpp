// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// With the kernel that runs: what it reports, and when.
#include "rdm/memory_monitor.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "rdm/mapped.hpp"

namespace efa::rdm {
namespace {

using Guard = std::lock_guard<std::mutex>;

class MemoryMonitorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    ASSERT_TRUE(monitor_.start(reason)) << reason;
  }

  bool watch(Watch& watch, const PageRange& range) {
    watch.range = range;
    const Guard guard(monitor_.lock());
    return monitor_.watch(watch);
  }
  void unwatch(Watch& watch) {
    const Guard guard(monitor_.lock());
    monitor_.unwatch(watch);
  }
  bool intact(const Watch& watch) {
    const Guard guard(monitor_.lock());
    return monitor_.settled() && watch.intact;
  }

  MemoryMonitor monitor_;
};

// ---- What breaks a watch

struct Change {
  const char* name;
  std::function<void(const Mapped&)> change;  // of page 1 of 4
};

void PrintTo(const Change& change, std::ostream* out) {
  *out << change.name;
}

class MemoryMonitorBreaks : public MemoryMonitorTest, public testing::WithParamInterface<Change> {};

TEST_P(MemoryMonitorBreaks, BeforeTheChangeReturns) {
  const Mapped memory(4);
  std::memset(memory.data(), 1, memory.bytes());
  Watch whole, there, beside;
  ASSERT_TRUE(watch(whole, memory.range()));
  ASSERT_TRUE(watch(there, memory.part(1, 1)));
  ASSERT_TRUE(watch(beside, memory.part(0, 1)));
  GetParam().change(memory);
  EXPECT_FALSE(intact(whole));
  EXPECT_FALSE(intact(there));
  EXPECT_TRUE(intact(beside));
  EXPECT_GE(monitor_.breaks(), 2u);
  unwatch(beside);
}

void fixed(const Mapped& memory, int flags) {
  ASSERT_EQ(
      mmap(memory.at(1), page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | flags, -1, 0),
      memory.at(1));
}

void move(const Mapped& memory, int flags) {
  const Mapped target(1);
  ASSERT_EQ(
      mremap(memory.at(1), page(), page(), MREMAP_MAYMOVE | MREMAP_FIXED | flags, target.data()),
      target.data());
  target.data()[0] = std::byte{1};
}

INSTANTIATE_TEST_SUITE_P(
    , MemoryMonitorBreaks,
    testing::Values(
        Change{"Munmap", [](const Mapped& m) { ASSERT_EQ(munmap(m.at(1), page()), 0); }},
        Change{"MunmapOfMore", [](const Mapped& m) { ASSERT_EQ(munmap(m.at(1), 3 * page()), 0); }},
        Change{"MmapOverIt", [](const Mapped& m) { fixed(m, MAP_ANONYMOUS); }},
        Change{"MremapElsewhere", [](const Mapped& m) { move(m, 0); }},
        Change{"MremapThatLeavesItMapped", [](const Mapped& m) { move(m, 4 /* DONTUNMAP */); }},
        Change{"MremapOntoIt",
               [](const Mapped& m) {
                 const Mapped other(1);
                 ASSERT_EQ(
                     mremap(other.data(), page(), page(), MREMAP_MAYMOVE | MREMAP_FIXED, m.at(1)),
                     m.at(1));
               }},
        Change{"MremapThatShrinks",
               [](const Mapped& m) { ASSERT_EQ(mremap(m.at(0), 2 * page(), page(), 0), m.at(0)); }},
        Change{"MadviseDontneed",
               [](const Mapped& m) { ASSERT_EQ(madvise(m.at(1), page(), MADV_DONTNEED), 0); }},
        Change{"MadviseFree",
               [](const Mapped& m) { ASSERT_EQ(madvise(m.at(1), page(), MADV_FREE), 0); }}),
    [](const auto& info) { return info.param.name; });

TEST_F(MemoryMonitorTest, ShrinkingTheHeapBreaksAWatch) {
  // Not malloc's: a page of its own at the end, taken back before anybody else extends the heap.
  std::byte* const end = static_cast<std::byte*>(sbrk(0));
  const std::size_t bytes = 2 * page() - reinterpret_cast<std::uintptr_t>(end) % page();
  ASSERT_EQ(sbrk(static_cast<intptr_t>(bytes)), end);
  const auto last = reinterpret_cast<std::uintptr_t>(end) + bytes - page();
  Watch heap;
  const bool watched = watch(heap, {last, last + page()});
  const void* const before = sbrk(-static_cast<intptr_t>(bytes));
  ASSERT_TRUE(watched);
  ASSERT_EQ(before, end + bytes);
  EXPECT_FALSE(intact(heap));
}

// ---- What does not

TEST_F(MemoryMonitorTest, WhatKeepsThePagesLeavesTheWatch) {
  const Mapped memory(4);
  std::memset(memory.data(), 1, memory.bytes());
  Watch middle;
  ASSERT_TRUE(watch(middle, memory.part(1, 2)));
  ASSERT_EQ(mprotect(memory.at(1), page(), PROT_NONE), 0);
  ASSERT_EQ(mprotect(memory.at(1), page(), PROT_READ | PROT_WRITE), 0);
  ASSERT_EQ(madvise(memory.at(1), page(), MADV_WILLNEED), 0);
  ASSERT_EQ(munmap(memory.at(0), page()), 0);
  ASSERT_EQ(madvise(memory.at(3), page(), MADV_DONTNEED), 0);
  EXPECT_TRUE(intact(middle));
  unwatch(middle);
}

TEST_F(MemoryMonitorTest, NoFaultIsHeldUp) {
  const Mapped memory(64);
  Watch whole;
  ASSERT_TRUE(watch(whole, memory.range()));
  for (std::size_t i = 0; i < 64; ++i) *memory.at(i) = std::byte{1};  // never touched before
  ASSERT_EQ(mprotect(memory.data(), page(), PROT_READ), 0);
  ASSERT_EQ(mprotect(memory.data(), page(), PROT_READ | PROT_WRITE), 0);
  *memory.at(0) = std::byte{2};
  EXPECT_TRUE(intact(whole));
  ASSERT_EQ(madvise(memory.data(), memory.bytes(), MADV_DONTNEED), 0);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(*memory.at(i), std::byte{0});
}

TEST_F(MemoryMonitorTest, AFileIsNotWatched) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(tmpfile(), fclose);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(ftruncate(fileno(file.get()), static_cast<off_t>(page())), 0);
  const Mapped memory(1, MAP_PRIVATE, fileno(file.get()));
  Watch watched;
  if (watch(watched, memory.range())) {
    // In /tmp there may be shared memory, which the kernel does watch: the second question says it.
    EXPECT_FALSE(is_private_anonymous(memory.range()));
    unwatch(watched);
  }
}

// ---- The moment between a change and its report

// While the lock is held nobody can read reports: the thread that unmaps waits, but the address is
// free already. Either the report is not there yet, or it has been read by `settled`.
TEST_F(MemoryMonitorTest, ANewOwnerOfTheAddressLearnsOfTheChangeFirst) {
  for (int i = 0; i < 500; ++i) {
    const Mapped memory(1);
    Watch old;
    ASSERT_TRUE(watch(old, memory.range()));
    std::unique_lock<std::mutex> lock(monitor_.lock());
    std::thread unmapper([&] { munmap(memory.data(), memory.bytes()); });
    void* again;
    while ((again = mmap(memory.data(), memory.bytes(), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)) == MAP_FAILED) {
    }
    const bool believed = monitor_.settled() && old.intact;
    lock.unlock();
    unmapper.join();
    ASSERT_EQ(again, memory.data());
    ASSERT_FALSE(believed) << "attempt " << i;
  }
}

TEST_F(MemoryMonitorTest, IsNotSettledWhileAReportIsToCome) {
  const Mapped memory(1);
  Watch old;
  ASSERT_TRUE(watch(old, memory.range()));
  bool was_settled_and_intact = false;
  std::thread unmapper;
  {
    const Guard guard(monitor_.lock());
    unmapper = std::thread([&] { munmap(memory.data(), page()); });
    unsigned char resident;
    while (mincore(memory.data(), page(), &resident) == 0) sched_yield();
    // Unmapped for sure.
    was_settled_and_intact = monitor_.settled() && old.intact;
  }
  unmapper.join();
  EXPECT_FALSE(was_settled_and_intact);
  EXPECT_FALSE(intact(old));
}

// One munmap of what two monitors watch reports to the second one when the first has read.
TEST(MemoryMonitor, IsNotSettledBeforeTheReportIsThere) {
  MemoryMonitor first, second;
  std::string reason;
  ASSERT_TRUE(first.start(reason) && second.start(reason)) << reason;
  const Mapped memory(2);
  Watch low, high;
  low.range = memory.part(0, 1);
  high.range = memory.part(1, 1);
  std::unique_lock<std::mutex> lock(first.lock());
  ASSERT_TRUE(first.watch(low));
  std::thread unmapper;
  {
    const Guard guard(second.lock());
    ASSERT_TRUE(second.watch(high));
    EXPECT_TRUE(second.settled());
    unmapper = std::thread([&] { munmap(memory.data(), memory.bytes()); });
    unsigned char resident;
    while (mincore(memory.at(1), page(), &resident) == 0) sched_yield();
    EXPECT_FALSE(second.settled());
    EXPECT_TRUE(high.intact);  // it knows nothing yet
  }
  lock.unlock();
  unmapper.join();
  const Guard guard(second.lock());
  EXPECT_TRUE(second.settled());
  EXPECT_FALSE(high.intact);
}

// ---- The end of a watch

TEST_F(MemoryMonitorTest, TheEndOfOneWatchLeavesThoseThatOverlapIt) {
  const Mapped memory(8);
  Watch left, right, whole, inside;
  ASSERT_TRUE(watch(left, memory.part(0, 3)));
  ASSERT_TRUE(watch(right, memory.part(5, 3)));
  ASSERT_TRUE(watch(inside, memory.part(2, 2)));
  ASSERT_TRUE(watch(whole, memory.range()));
  unwatch(whole);
  {
    // Page 4 has no watch any more: to unmap it waits for nobody.
    const Guard guard(monitor_.lock());
    ASSERT_EQ(munmap(memory.at(4), page()), 0);
  }
  for (const Watch* watch : {&left, &right, &inside}) EXPECT_TRUE(intact(*watch));
  unwatch(left);
  ASSERT_EQ(munmap(memory.at(0), page()), 0);
  EXPECT_TRUE(intact(inside));
  ASSERT_EQ(munmap(memory.at(2), page()), 0);
  EXPECT_FALSE(intact(inside));
  ASSERT_EQ(munmap(memory.at(7), page()), 0);
  EXPECT_FALSE(intact(right));
}

TEST_F(MemoryMonitorTest, NobodyWaitsForABrokenWatch) {
  const Mapped memory(4);
  Watch whole;
  ASSERT_TRUE(watch(whole, memory.range()));
  ASSERT_EQ(madvise(memory.at(1), page(), MADV_DONTNEED), 0);
  EXPECT_FALSE(intact(whole));
  const Guard guard(monitor_.lock());
  ASSERT_EQ(munmap(memory.data(), memory.bytes()), 0);
}

TEST_F(MemoryMonitorTest, MemoryThatMovedIsNotWatchedAtItsNewAddress) {
  const Mapped memory(2), target(2);
  Watch whole;
  ASSERT_TRUE(watch(whole, memory.range()));
  ASSERT_NE(mremap(memory.data(), memory.bytes(), memory.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   target.data()),
            MAP_FAILED);
  EXPECT_FALSE(intact(whole));
  const Guard guard(monitor_.lock());
  ASSERT_EQ(munmap(target.data(), target.bytes()), 0);
}

TEST(MemoryMonitor, TheEndOfTheMonitorLetsGoOfWhoeverWaits) {
  const Mapped memory(1);
  std::thread unmapper;
  {
    MemoryMonitor monitor;
    std::string reason;
    ASSERT_TRUE(monitor.start(reason)) << reason;
    Watch left;
    left.range = memory.range();
    const Guard guard(monitor.lock());
    ASSERT_TRUE(monitor.watch(left));
    left.by_monitor.remove();  // the worst that a user can do: it still watches
    unmapper = std::thread([&] { munmap(memory.data(), page()); });
  }
  unmapper.join();
}

TEST(MemoryMonitor, TwoMonitorsDoNotWatchTheSameMemory) {
  MemoryMonitor first, second;
  std::string reason;
  ASSERT_TRUE(first.start(reason) && second.start(reason)) << reason;
  const Mapped memory(1);
  Watch one, two;
  one.range = two.range = memory.range();
  const Guard guard(first.lock());
  EXPECT_TRUE(first.watch(one));
  {
    const Guard guard_of_second(second.lock());
    EXPECT_FALSE(second.watch(two));
  }
  first.unwatch(one);
}

// ---- Other processes

// Runs TEST in a child. @returns what it returned
template <class Test>
int in_child(Test&& test) {
  const pid_t child = fork();
  if (child == 0) _exit(test());
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(MemoryMonitorTest, AChildKnowsThatItIsNotAlive) {
  const Mapped memory(1);
  Watch watched;
  ASSERT_TRUE(watch(watched, memory.range()));
  const int in_the_child = in_child([&] {
    // Not watched there: nobody waits.
    return (monitor_.alive() ? 1 : 0) + munmap(memory.data(), page());
  });
  EXPECT_EQ(in_the_child, 0);
  EXPECT_TRUE(monitor_.alive());
  EXPECT_TRUE(intact(watched));
  unwatch(watched);
}

TEST(MemoryMonitor, AChildOfForkGetsAnother) {
  const std::shared_ptr<MemoryMonitor> ours = MemoryMonitor::shared();
  std::string reason;
  ASSERT_TRUE(ours->start(reason)) << reason;
  EXPECT_EQ(MemoryMonitor::shared(), ours);
  EXPECT_EQ(in_child([&] {
              const std::shared_ptr<MemoryMonitor> theirs = MemoryMonitor::shared();
              return theirs != ours && theirs->alive() && theirs->start(reason) ? 7 : 1;
            }),
            7);
}

TEST(MemoryMonitor, NeedsNoPrivilege) {
  EXPECT_EQ(in_child([] {
              if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 1;
              MemoryMonitor monitor;
              std::string reason;
              return monitor.start(reason) ? 7 : 2;
            }),
            7);
}

TEST(MemoryMonitor, WithoutItsDescriptorIsNeverSettled) {
  namespace fs = std::filesystem;
  const auto descriptors = [] {
    std::vector<int> found;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      if (fs::read_symlink(entry.path(), error) == "anon_inode:[userfaultfd]") {
        found.push_back(std::stoi(entry.path().filename()));
      }
    }
    return found;
  };
  ASSERT_TRUE(descriptors().empty());
  MemoryMonitor monitor;
  std::string reason;
  ASSERT_TRUE(monitor.start(reason)) << reason;
  ASSERT_EQ(descriptors().size(), 1u);
  close(descriptors()[0]);  // as programs do that close all from 3 on
  const Guard guard(monitor.lock());
  EXPECT_FALSE(monitor.settled());
}

}  // namespace
}  // namespace efa::rdm

// Children of this program start threads of their own.
extern "C" const char* __tsan_default_options();  // NOLINT
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
