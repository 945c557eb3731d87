// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Time as the device model sees it. The model has no clock of its own: tests and fuzzers step one.
#pragma once

#include <cstdint>

namespace efa::emu {

using Nanoseconds = std::uint64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic time; any origin.
  virtual Nanoseconds now() const noexcept = 0;
};

/// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  Nanoseconds now() const noexcept override { return now_; }
  void advance(Nanoseconds step) noexcept { now_ += step; }

 private:
  Nanoseconds now_ = 0;
};

}  // namespace efa::emu
