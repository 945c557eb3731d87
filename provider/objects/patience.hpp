// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Of a thread that asks again and again for completions: with more such threads than processors
/// the one that it waits for may have none, and would get one no sooner than at the scheduler's
/// next tick. So now and then it offers its own: some hundred nanoseconds if nobody wants it.
#pragma once

#include <sched.h>

#include <atomic>

namespace efa::fi {

class Patience {
 public:
  /// Before a lock is taken: others may need it.
  void before_asking() {
    if (asked_.load(std::memory_order_relaxed) < kMost) [[likely]]
      return;
    asked_.store(0, std::memory_order_relaxed);
    sched_yield();
  }
  void found_nothing() {
    asked_.store(asked_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void found() { asked_.store(0, std::memory_order_relaxed); }

 private:
  /// Times in vain, some ten microseconds.
  static constexpr unsigned kMost = 256;
  std::atomic<unsigned> asked_ = 0;  ///< how exact it is does not matter
};

}  // namespace efa::fi
