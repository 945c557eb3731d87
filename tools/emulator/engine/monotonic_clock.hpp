// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The clock of engines that serve real programs.
#pragma once

#include <ctime>

#include "base/clock.hpp"

namespace efa::emu {

class MonotonicClock final : public Clock {
 public:
  Nanoseconds now() const noexcept override {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + static_cast<Nanoseconds>(t.tv_nsec);
  }
};

}  // namespace efa::emu
