// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The lock of a queue. Two instructions when nobody else wants it; pthread_spin_lock would be two
/// function calls more.
#pragma once

#include <sched.h>

#include <atomic>

namespace efa {

class SpinLock {
 public:
  void lock() {
    if (taken_.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  bool try_lock() { return !taken_.exchange(true, std::memory_order_acquire); }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  /// Looks without writing, so that the owner keeps its cache line; after a while gives way,
  /// because the owner may be waiting for this core.
  [[gnu::cold, gnu::noinline]] void wait() {
    for (unsigned tries = 1;; ++tries) {
      if (!taken_.load(std::memory_order_relaxed) &&
          !taken_.exchange(true, std::memory_order_acquire)) {
        return;
      }
      if (tries % 1024 == 0) {
        sched_yield();
      } else {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
      }
    }
  }

  std::atomic<bool> taken_{false};
};

/// Whether a queue is shared between threads is decided when it is created (thread domains, spec
/// verbs V74 and V120).
enum class Threads { kShared, kSingle };

/// For hot functions: @returns false if the lock would have to be waited for, which they leave to a
/// function of its own, so that they need no registers that survive calls.
template <Threads kThreads>
[[gnu::always_inline]] inline bool enter(SpinLock& lock) {
  return kThreads == Threads::kSingle || lock.try_lock();
}

template <Threads kThreads>
[[gnu::always_inline]] inline void leave(SpinLock& lock) {
  if constexpr (kThreads == Threads::kShared) lock.unlock();
}

}  // namespace efa
