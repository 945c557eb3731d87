// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Threads that map, discard, move and unmap memory while they and others use the cache. What each
// gets must reach the pages that its buffer has at that moment.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "rdm/fake_registrar.hpp"
#include "rdm/mapped.hpp"
#include "rdm/registration_cache.hpp"

namespace efa::rdm {
namespace {

constexpr unsigned kRead = 1;
constexpr int kThreads = 4;

class RegistrationCacheRace : public testing::Test {
 protected:
  // Uses the buffer as an operation does.
  void use(const std::byte* data, std::size_t bytes) {
    Registration* registration = cache_.acquire(data, bytes, kRead);
    if (registration == nullptr) return;
    ++served_;
    if (!FakeRegistrar::serves(*registration, data, bytes)) ++stale_;
    cache_.release(registration);
  }

  template <class Work>
  void in_threads(Work work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([work, i] { work(static_cast<unsigned>(i)); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  FakeRegistrar registrar_;
  RegistrationCache cache_{registrar_, {.max_count = 64}, nullptr};
  std::atomic<std::uint64_t> served_{0}, stale_{0};
};

// All buffers have one size: the kernel gives each thread the addresses that others left just now,
// also before their munmap has returned.
TEST_F(RegistrationCacheRace, AddressesThatPassFromThreadToThread) {
  in_threads([this](unsigned) {
    for (int i = 0; i < 500; ++i) {
      const Mapped memory(2);
      stamp(memory.data(), memory.bytes());
      use(memory.data(), memory.bytes());
      use(memory.data(), page());
    }
  });
  EXPECT_EQ(stale_, 0u);
  EXPECT_GT(served_, 0u);
  EXPECT_GT(cache_.counters().hits, 0u);
}

// Each thread has its own part of one mapping, and does to it what an allocator does.
TEST_F(RegistrationCacheRace, PartsThatAreDiscardedReplacedAndMoved) {
  constexpr std::size_t kPages = 8;
  const Mapped memory(kThreads * kPages);
  stamp(memory.data(), memory.bytes());
  in_threads([&](unsigned thread) {
    std::mt19937 random(thread);
    const Mapped spare(1);
    for (int i = 0; i < 500; ++i) {
      const std::size_t first = thread * kPages + random() % kPages;
      const std::size_t count = 1 + random() % ((thread + 1) * kPages - first);
      std::byte* const at = memory.at(first);
      switch (random() % 8) {
        case 0:
          madvise(at, count * page(), MADV_DONTNEED);
          break;
        case 1:
          mmap(at, count * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
               -1, 0);
          break;
        case 2:
          mremap(at, page(), page(), MREMAP_MAYMOVE | MREMAP_FIXED, spare.data());
          mmap(at, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
          break;
        case 3:
          mprotect(at, count * page(), PROT_READ);
          mprotect(at, count * page(), PROT_READ | PROT_WRITE);
          break;
        default:
          break;
      }
      // New pages have no number yet.
      for (std::size_t p = first; p < first + count; ++p) {
        if (stamp_of(memory.at(p)) == 0) stamp(memory.at(p), page());
      }
      use(at, count * page());
    }
  });
  EXPECT_EQ(stale_, 0u);
  EXPECT_GT(cache_.counters().hits, 0u);
  EXPECT_GT(cache_.counters().broken, 0u);
}

// The buffer of many: the ones that use it hit all the time, while a neighbour in the same
// registrations comes and goes.
TEST_F(RegistrationCacheRace, ABufferBesideOneThatComesAndGoes) {
  const Mapped memory(4);
  stamp(memory.data(), memory.bytes());
  std::atomic<bool> stop{false};
  std::thread neighbour([&] {
    for (int i = 0; i < 100 || !stop; ++i) {
      madvise(memory.at(3), page(), MADV_DONTNEED);
      stamp(memory.at(3), page());
      use(memory.at(0), memory.bytes());
    }
  });
  in_threads([&](unsigned) {
    for (int i = 0; i < 500; ++i) use(memory.at(0), 2 * page());
  });
  stop = true;
  neighbour.join();
  EXPECT_EQ(stale_, 0u);
  EXPECT_GT(cache_.counters().hits, 0u);
}

}  // namespace
}  // namespace efa::rdm
