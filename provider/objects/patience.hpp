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
  void found_nothing() {
    const unsigned times = times_.load(std::memory_order_relaxed) + 1;
    times_.store(times, std::memory_order_relaxed);
    if (times % kMost == 0) [[unlikely]]
      sched_yield();
  }

 private:
  /// Some ten microseconds.
  static constexpr unsigned kMost = 256;
  std::atomic<unsigned> times_ = 0;  ///< in vain; how exact it is does not matter
};

}  // namespace efa::fi
