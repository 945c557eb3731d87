// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/registration_cache.hpp"

#include <gtest/gtest.h>
#include <infiniband/verbs.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <optional>
#include <string>
#include <vector>

#include "rdm/fake_registrar.hpp"
#include "rdm/mapped.hpp"

namespace efa::rdm {
namespace {

constexpr unsigned kRead = 1, kWrite = 2;  // any bits

Mapped stamped(std::size_t pages) {
  Mapped memory(pages);
  stamp(memory.data(), memory.bytes());
  return memory;
}

class RegistrationCacheTest : public testing::Test {
 protected:
  RegistrationCacheTest() { make({}); }
  void make(const RegistrationCache::Limits& limits) {
    cache_.reset();
    cache_.emplace(registrar_, limits, [this](const std::string& line) { log_.push_back(line); });
  }
  Registration* acquire(const Mapped& memory, unsigned access = kRead) {
    return cache_->acquire(memory.data(), memory.bytes(), access);
  }
  Registration* acquire(const Mapped& memory, std::size_t first, std::size_t count,
                        unsigned access = kRead) {
    return cache_->acquire(memory.at(first), count * page(), access);
  }
  // Acquires and releases. @returns whether it was there already
  bool hits(const Mapped& memory, unsigned access = kRead) {
    const std::uint64_t before = cache_->counters().hits;
    Registration* registration = acquire(memory, access);
    EXPECT_NE(registration, nullptr);
    cache_->release(registration);
    return cache_->counters().hits == before + 1;
  }

  // A change returns when its report has been read; whoever read it may be at work with it still.
  static void finish_reports() {
    const std::lock_guard<std::mutex> guard(MemoryMonitor::shared()->lock());
  }

  FakeRegistrar registrar_;
  std::vector<std::string> log_;
  std::optional<RegistrationCache> cache_;
};

// ---- What is found

TEST_F(RegistrationCacheTest, RegistersOnceAndWholePages) {
  const Mapped memory = stamped(3);
  Registration* first = cache_->acquire(memory.data() + 100, page(), kRead);
  ASSERT_NE(first, nullptr);
  const PageRange pages = FakeRegistrar::region(*first).range;
  EXPECT_EQ(pages.start, memory.range().start);
  EXPECT_EQ(pages.bytes(), 2 * page());
  cache_->release(first);
  Registration* second = cache_->acquire(memory.data() + 1, 2 * page() - 1, kRead);
  EXPECT_EQ(second, first);
  cache_->release(second);
  EXPECT_EQ(registrar_.registered(), 1u);
  EXPECT_EQ(registrar_.living(), 1u);
}

TEST_F(RegistrationCacheTest, RegistersWhatCouldBeCopiedTheSecondTime) {
  const Mapped one = stamped(3);
  const Mapped other = stamped(3);
  const auto repeated = [&](const Mapped& memory) {
    return cache_->acquire_repeated(memory.data(), memory.bytes(), kRead);
  };
  EXPECT_EQ(repeated(one), nullptr);
  EXPECT_EQ(cache_->counters().declined, 1u);
  EXPECT_EQ(registrar_.registered(), 0u);
  Registration* second = repeated(one);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->region.lkey, second->mr->lkey);
  EXPECT_TRUE(second->region.contains(one.range().start, one.bytes()));
  Registration* third = repeated(one);
  EXPECT_EQ(third, second);
  cache_->release(second);
  cache_->release(third);
  // What somebody else had registered is there at once.
  cache_->release(acquire(other));
  Registration* found = repeated(other);
  EXPECT_NE(found, nullptr);
  cache_->release(found);
  EXPECT_EQ(cache_->counters().declined, 1u);
}

TEST_F(RegistrationCacheTest, AnyThatContainsTheBufferServes) {
  const Mapped memory = stamped(16);
  // Short ones that begin nearer, and one that begins early and reaches far.
  for (const std::size_t first : {2, 3, 5, 6}) cache_->release(acquire(memory, first, 1));
  Registration* whole = acquire(memory, 1, 9);
  cache_->release(whole);
  EXPECT_EQ(acquire(memory, 6, 2), whole);
  EXPECT_EQ(acquire(memory, 9, 1), whole);
  EXPECT_EQ(registrar_.registered(), 5u);
  Registration* beyond = acquire(memory, 6, 5);
  EXPECT_NE(beyond, whole);
  EXPECT_EQ(registrar_.registered(), 6u);
  for (Registration* registration : {whole, whole, beyond}) cache_->release(registration);
}

TEST_F(RegistrationCacheTest, AccessMustSuffice) {
  const Mapped memory = stamped(1);
  cache_->release(acquire(memory, kRead));
  Registration* writable = acquire(memory, kRead | kWrite);
  EXPECT_EQ(FakeRegistrar::region(*writable).access, kRead | kWrite);
  cache_->release(writable);
  EXPECT_EQ(registrar_.registered(), 2u);
  EXPECT_TRUE(hits(memory, kWrite));
  EXPECT_TRUE(hits(memory, kRead));
}

TEST_F(RegistrationCacheTest, BuffersThatCannotExistAreRefused) {
  const Mapped memory = stamped(1);
  EXPECT_EQ(cache_->acquire(memory.data(), 0, kRead), nullptr);
  EXPECT_EQ(cache_->acquire(memory.data(), SIZE_MAX, kRead), nullptr);
  EXPECT_EQ(cache_->acquire(reinterpret_cast<void*>(UINTPTR_MAX - 10), 8, kRead), nullptr);
  cache_->release(nullptr);
  EXPECT_EQ(registrar_.registered(), 0u);
}

// ---- Limits

TEST_F(RegistrationCacheTest, EvictsWhatWasUsedLongestAgo) {
  make({.max_count = 3});
  const Mapped memory = stamped(4);
  for (const std::size_t i : {0, 1, 2}) cache_->release(acquire(memory, i, 1));
  cache_->release(acquire(memory, 0, 1));  // 1 is the oldest now
  cache_->release(acquire(memory, 3, 1));
  EXPECT_EQ(registrar_.living(), 3u);
  EXPECT_EQ(cache_->counters().evicted, 1u);
  for (const std::size_t i : {0, 2, 3}) cache_->release(acquire(memory, i, 1));
  EXPECT_EQ(registrar_.registered(), 4u);
  cache_->release(acquire(memory, 1, 1));
  EXPECT_EQ(registrar_.registered(), 5u);
}

TEST_F(RegistrationCacheTest, KeepsNoMoreBytesThanAllowed) {
  make({.max_count = 100, .max_bytes = 10 * page()});
  const Mapped memory = stamped(32);
  for (const std::size_t i : {0, 4, 8}) cache_->release(acquire(memory, i, 4));
  EXPECT_EQ(registrar_.living(), 2u);
  cache_->release(acquire(memory, 16, 10));
  EXPECT_EQ(registrar_.living(), 1u);
  EXPECT_EQ(acquire(memory, 16, 11), nullptr);
  EXPECT_EQ(registrar_.living(), 1u);
}

TEST_F(RegistrationCacheTest, NeverEvictsWhatIsInUse) {
  make({.max_count = 2});
  const Mapped memory = stamped(3);
  Registration* first = acquire(memory, 0, 1);
  Registration* second = acquire(memory, 1, 1);
  EXPECT_EQ(acquire(memory, 2, 1), nullptr);
  EXPECT_EQ(registrar_.living(), 2u);
  cache_->release(first);
  Registration* third = acquire(memory, 2, 1);
  EXPECT_NE(third, nullptr);
  EXPECT_TRUE(FakeRegistrar::serves(*second, memory.at(1), page()));
  cache_->release(second);
  cache_->release(third);
}

TEST_F(RegistrationCacheTest, GivesBackIdleOnesWhenMemoryCannotBeLocked) {
  const Mapped memory = stamped(4);
  for (const std::size_t i : {0, 1}) cache_->release(acquire(memory, i, 1));
  registrar_.refusals = 1;
  Registration* third = acquire(memory, 2, 1);
  EXPECT_NE(third, nullptr);
  EXPECT_EQ(registrar_.living(), 1u);
  cache_->release(third);
  registrar_.refusals = 2;
  EXPECT_EQ(acquire(memory, 3, 1), nullptr);
  EXPECT_EQ(registrar_.living(), 0u);
  registrar_.refusals = 0;
  cache_->release(acquire(memory, 3, 1));
  EXPECT_EQ(registrar_.living(), 1u);
}

// ---- Memory that changes

TEST_F(RegistrationCacheTest, NewMemoryAtTheAddressIsRegisteredAnew) {
  const Mapped memory = stamped(2);
  cache_->release(acquire(memory));
  ASSERT_EQ(munmap(memory.data(), memory.bytes()), 0);
  ASSERT_EQ(mmap(memory.data(), memory.bytes(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
            memory.data());
  stamp(memory.data(), memory.bytes());
  Registration* again = acquire(memory);
  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(FakeRegistrar::serves(*again, memory.data(), memory.bytes()));
  EXPECT_EQ(registrar_.living(), 1u);
  EXPECT_EQ(cache_->counters().broken, 1u);
  cache_->release(again);
}

TEST_F(RegistrationCacheTest, DiscardedMemoryIsRegisteredAnew) {
  const Mapped memory = stamped(4);
  cache_->release(acquire(memory));
  ASSERT_EQ(madvise(memory.at(3), page(), MADV_DONTNEED), 0);
  stamp(memory.at(3), page());
  Registration* again = acquire(memory);
  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(FakeRegistrar::serves(*again, memory.data(), memory.bytes()));
  cache_->release(again);
  EXPECT_TRUE(hits(memory));
}

TEST_F(RegistrationCacheTest, OthersStayWhenOneIsLost) {
  const Mapped memory = stamped(8);
  for (const std::size_t i : {0, 2, 4, 6}) cache_->release(acquire(memory, i, 1));
  ASSERT_EQ(munmap(memory.at(0), 3 * page()), 0);
  for (const std::size_t i : {4, 6}) cache_->release(acquire(memory, i, 1));
  EXPECT_EQ(registrar_.registered(), 4u);
  EXPECT_EQ(registrar_.living(), 2u);
}

TEST_F(RegistrationCacheTest, OneInUseLivesUntilItsLastRelease) {
  const Mapped memory = stamped(4);
  Registration* first = acquire(memory);
  Registration* same = acquire(memory, 0, 1);
  ASSERT_EQ(first, same);
  ASSERT_EQ(munmap(memory.at(3), page()), 0);  // not in the second buffer
  cache_->release(first);
  EXPECT_EQ(registrar_.living(), 1u);
  EXPECT_TRUE(FakeRegistrar::serves(*same, memory.data(), page()));
  Registration* next = acquire(memory, 0, 1);
  EXPECT_NE(next, same);  // not found any more
  EXPECT_EQ(registrar_.living(), 2u);
  cache_->release(same);
  EXPECT_EQ(registrar_.living(), 1u);
  cache_->release(next);
}

TEST_F(RegistrationCacheTest, WhatWasUnmappedIsGivenBackByProgressAlone) {
  const Mapped memory = stamped(2);
  cache_->release(acquire(memory));
  cache_->reclaim();
  EXPECT_EQ(registrar_.living(), 1u);
  ASSERT_EQ(munmap(memory.data(), page()), 0);
  finish_reports();
  cache_->reclaim();
  EXPECT_EQ(registrar_.living(), 0u);
}

TEST_F(RegistrationCacheTest, MemoryThatChangesWhileItIsRegisteredIsNotKept) {
  const Mapped memory = stamped(2);
  registrar_.before_register = [&] {
    madvise(memory.data(), page(), MADV_DONTNEED);
    finish_reports();
    cache_->reclaim();  // of another thread: it has seen all changes
  };
  Registration* registration = acquire(memory);
  registrar_.before_register = nullptr;
  ASSERT_NE(registration, nullptr);
  EXPECT_FALSE(hits(memory));
  cache_->release(registration);
  EXPECT_EQ(registrar_.living(), 1u);
}

// libibverbs frees memory when it deregisters: the heap may give pages back that are watched.
TEST_F(RegistrationCacheTest, RegistrarsMayUnmapWatchedMemory) {
  make({.max_count = 2});
  const Mapped memory = stamped(8);
  std::size_t gone = 0;
  registrar_.before_deregister = [&] { munmap(memory.at(7 - gone++), page()); };
  for (const std::size_t i : {7, 6, 0, 1}) cache_->release(acquire(memory, i, 1));
  EXPECT_GE(gone, 2u);
  registrar_.before_deregister = nullptr;
  registrar_.before_register = [&] { munmap(memory.at(0), page()); };
  cache_->release(acquire(memory, 2, 1));
  registrar_.before_register = nullptr;
}

// ---- What is not cached

TEST_F(RegistrationCacheTest, MemoryWithAFileIsRefused) {
  const int file = memfd_create("test", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(file, static_cast<off_t>(2 * page())), 0);
  for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapped memory(2, flags, file);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(acquire(memory), nullptr);
  }
  EXPECT_EQ(registrar_.registered(), 0u);
  close(file);
  EXPECT_TRUE(log_.empty());
}

TEST_F(RegistrationCacheTest, ARefusalIsNotForEver) {
  const Mapped memory(1, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_EQ(acquire(memory), nullptr);
  ASSERT_NE(mmap(memory.data(), page(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
            MAP_FAILED);
  int attempts = 0;
  Registration* registration;
  while ((registration = acquire(memory)) == nullptr && attempts < 100000) ++attempts;
  EXPECT_NE(registration, nullptr);
  EXPECT_GT(attempts, 100);  // but is not found out anew each time
  cache_->release(registration);
}

// ---- Several of everything

TEST_F(RegistrationCacheTest, TwoDomainsKeepTheSameBuffer) {
  RegistrationCache other(registrar_, {}, nullptr);
  const Mapped memory = stamped(2);
  cache_->release(acquire(memory));
  other.release(other.acquire(memory.data(), memory.bytes(), kRead));
  EXPECT_EQ(registrar_.living(), 2u);
  EXPECT_TRUE(hits(memory));
  ASSERT_EQ(munmap(memory.at(1), page()), 0);
  finish_reports();
  cache_->reclaim();
  other.reclaim();
  EXPECT_EQ(registrar_.living(), 0u);
}

TEST_F(RegistrationCacheTest, TheEndDeregistersAllAndWatchesNothing) {
  const Mapped memory = stamped(4);
  for (const std::size_t i : {0, 1, 2}) cache_->release(acquire(memory, i, 2));
  const std::shared_ptr<MemoryMonitor> monitor = MemoryMonitor::shared();
  cache_.reset();
  EXPECT_EQ(registrar_.living(), 0u);
  const std::lock_guard<std::mutex> guard(monitor->lock());
  munmap(memory.data(), memory.bytes());  // waits for nobody
}

TEST_F(RegistrationCacheTest, AChildOfForkUsesNothingOfItsParent) {
  const Mapped memory = stamped(2);
  Registration* registration = acquire(memory);
  const pid_t child = fork();
  if (child == 0) {
    const bool refused = acquire(memory) == nullptr && !cache_->enabled();
    cache_->release(registration);
    cache_->reclaim();
    cache_.reset();
    _exit(refused && registrar_.living() == 1 ? 7 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(cache_->enabled());
  cache_->release(registration);
  EXPECT_TRUE(hits(memory));
}

// As in a container whose seccomp profile has no userfaultfd.
void forbid_userfaultfd() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof(program) / sizeof(program[0]), program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    _exit(3);
  }
}

TEST_F(RegistrationCacheTest, WithoutUserfaultfdSaysSoOnceAndStaysOff) {
  const Mapped memory = stamped(1);
  const pid_t child = fork();
  if (child == 0) {
    forbid_userfaultfd();
    make({});
    bool refused = cache_->enabled();  // nobody has asked yet
    for (int i = 0; i < 3; ++i) refused = refused && acquire(memory) == nullptr;
    const bool said = log_.size() == 1 &&
                      log_[0].find("userfaultfd: Operation not permitted") != std::string::npos &&
                      log_[0].find("seccomp") != std::string::npos;
    _exit(refused && said && !cache_->enabled() && registrar_.registered() == 0 ? 7 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace efa::rdm
