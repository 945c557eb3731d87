// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The moment at which a call with a timeout gives up.
#pragma once

#include <algorithm>
#include <chrono>
#include <climits>

namespace efa::fi {

class Deadline {
 public:
  /// Milliseconds from now; negative: never.
  explicit Deadline(int timeout) : never_(timeout < 0) {
    if (!never_) at_ = Clock::now() + std::chrono::milliseconds(timeout);
  }

  bool passed() const { return !never_ && Clock::now() >= at_; }

  /// For poll(): what is left in milliseconds, rounded up so as not to end before; -1: for ever.
  int left() const {
    if (never_) return -1;
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    return static_cast<int>(std::clamp<decltype(rest)>(rest, 0, INT_MAX));
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool never_;
  Clock::time_point at_;
};

}  // namespace efa::fi
