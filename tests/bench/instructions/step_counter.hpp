// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Counts what one thread executes by letting it go step by step (ptrace), for what does not run
/// below valgrind: userfaultfd, which registration caches live on. Slow (microseconds for an
/// instruction), exact, and other threads run on at full speed.
#ifndef EFA_BENCH_STEP_COUNTER_HPP
#define EFA_BENCH_STEP_COUNTER_HPP

#include <cstdint>

namespace efa::bench {

class StepCounter {
 public:
  /// Goes on in a child process that this one watches and ends with; returns in the child alone.
  /// @returns false if there is no watching here
  static bool start();
  static bool runs() { return count_ != nullptr; }

  /// The first call begins to count, the next one stops.
  static void toggle() { asm volatile("int3"); }
  static void zero() { *count_ = 0; }
  /// A string instruction with a prefix to repeat is one; a system call is one.
  static std::uint64_t count() { return *count_; }

 private:
  static volatile std::uint64_t* count_;  ///< in memory of both
};

}  // namespace efa::bench

#endif
