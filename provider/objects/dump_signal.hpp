// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// FI_EFA_DUMP_SIGNAL: for the user of a job that hangs. The signal counts, nothing more; each RDM
/// endpoint sees at its next progress that the count has changed, and writes its dump into the log.
/// So nothing is read while it changes, and no lock is taken in a handler.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>

namespace efa::fi {

class DumpSignal {
 public:
  DumpSignal() = default;
  /// Gives the signal back, unless somebody has taken it since.
  ~DumpSignal();
  DumpSignal(const DumpSignal&) = delete;
  DumpSignal& operator=(const DumpSignal&) = delete;

  /// @param number  of the signal; 0: none. One that the program handles or that cannot be caught
  /// is
  ///                left alone, with a warning
  void install(int number);

  /// How often it came. Thread-safe.
  static uint32_t count() { return count_.load(std::memory_order_relaxed); }

 private:
  static void arrive(int) { count_.fetch_add(1, std::memory_order_relaxed); }

  static std::atomic<uint32_t> count_;
  static_assert(std::atomic<uint32_t>::is_always_lock_free);  // for the handler

  int number_ = 0;
  struct sigaction before_ {};
};

}  // namespace efa::fi
