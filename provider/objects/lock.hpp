// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The lock of a domain: all of its objects share it. Applications that promise to call one at a
/// time (FI_THREAD_DOMAIN) do not pay for it.
#pragma once

#include <mutex>

namespace efa::fi {

class OptionalLock {
 public:
  explicit OptionalLock(bool needed) : needed_(needed) {}

  void lock() {
    if (needed_) mutex_.lock();
  }
  void unlock() {
    if (needed_) mutex_.unlock();
  }

 private:
  const bool needed_;
  std::mutex mutex_;
};

using Guard = std::lock_guard<OptionalLock>;

}  // namespace efa::fi
