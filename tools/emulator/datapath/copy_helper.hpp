// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A second thread that takes over parts of long copies, as long as that makes them shorter.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "base/clock.hpp"

namespace efa::emu {

/// Decides by what transfers took lately whether to share the next one. The way that lost is tried
/// again from time to time, ever more rarely while it keeps losing.
class SharingPolicy {
 public:
  /// `core_free`: asked before a trial of sharing, which costs most where the helper has to wait.
  explicit SharingPolicy(bool (*core_free)()) noexcept : core_free_(core_free) {}

  bool share_next() noexcept;
  /// The transfer for which share_next() gave `shared` moved `bytes` bytes in `time`.
  void took(bool shared, std::uint64_t bytes, Nanoseconds time) noexcept;

 private:
  static constexpr unsigned kShortest = 16, kLongest = 1024;  ///< transfers between two trials

  bool (*core_free_)();
  std::uint64_t cost_[2] = {0, 0};  ///< moving average, ns per MiB: alone, shared; 0 = unknown
  unsigned interval_ = kShortest;
  unsigned until_trial_ = 1;  ///< of the way that is not known yet: soon
};

/// Whether no more threads want to run than there are processors, as far as the kernel tells.
bool core_is_free() noexcept;

class CopyHelper {
 public:
  static constexpr unsigned kWorkers = 2;
  static constexpr unsigned kMaxParts = 1 << 15;

  /// `begin` is called first in the new thread, which starts with the first shared job.
  explicit CopyHelper(std::function<void()> begin = [] {}) : begin_(std::move(begin)) {}
  ~CopyHelper();
  CopyHelper(const CopyHelper&) = delete;
  CopyHelper& operator=(const CopyHelper&) = delete;

  /// Calls `job(part, worker)` for parts 0 to parts - 1 (at most kMaxParts), once each, as worker 0
  /// (the caller) or 1 (the helper); returns when all are done. The helper sees all that the caller
  /// wrote before, and the reverse. Without a core for the helper the caller does nearly all.
  template <class Job>
  void run(unsigned parts, const Job& job) {
    run_call(parts, {&job, [](const void* context, unsigned part, unsigned worker) {
                       (*static_cast<const Job*>(context))(part, worker);
                     }});
  }

  SharingPolicy& policy() noexcept { return policy_; }

 private:
  struct Call {
    const void* context;
    void (*function)(const void* context, unsigned part, unsigned worker);
  };

  void run_call(unsigned parts, const Call& job);
  void serve();
  void work(unsigned worker);
  void await_end();
  bool linger();

  std::function<void()> begin_;
  SharingPolicy policy_{core_is_free};
  Call job_{};
  /// Job number, parts, next part to take: one word, so that nobody takes a part of another job.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::uint32_t> call_{0};  ///< changes when there is something to do; slept on
  std::atomic<std::uint32_t> done_{0};
  std::atomic<bool> ending_{false};
  std::uint32_t jobs_ = 0;
  std::thread thread_;
};

}  // namespace efa::emu
