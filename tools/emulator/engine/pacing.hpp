// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// How often an engine looks at doorbells that are plain stores to shared memory, which nobody
/// announces: all the time while something happens, ever more seldom when nothing does.
#pragma once

#include "base/clock.hpp"

namespace efa::emu {

class Pacing {
 public:
  static constexpr Nanoseconds kForever = ~Nanoseconds{0};

  explicit Pacing(const Clock& clock) noexcept : clock_(clock), last_work_(clock.now()) {}

  /// Something happened: an event, a doorbell, a packet.
  void worked() noexcept { last_work_ = clock_.now(); }

  /// How long to sleep before the next pass; 0 = do not, yield() instead. `watching`: there are
  /// doorbells to look at. `due`: absolute time of the next planned event, or kForever.
  Nanoseconds waiting_time(bool watching, Nanoseconds due) const noexcept;

  /// Offers the processor to others and notices when it is long in coming back.
  void yield() noexcept;

 private:
  const Clock& clock_;
  Nanoseconds last_work_;
  Nanoseconds crowded_until_ = 0;  ///< no spare core was seen until then
};

/// Asks the kernel for short turns: without a spare core the engine shares one with its clients.
void prefer_short_turns() noexcept;

}  // namespace efa::emu
