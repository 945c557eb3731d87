// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The async event queue: what the device reports without being asked, and the keep-alive (A6).
#pragma once

#include <cstdint>

#include "base/clock.hpp"
#include "device/dma_space.hpp"
#include "device/interrupt_sink.hpp"
#include "device/statistics.hpp"
#include "efa_hw.h"

namespace efa::emu {

class AsyncEventQueue {
 public:
  static constexpr std::uint32_t kSupportedGroups =
      1u << EFA_AENQ_GROUP_FATAL_ERROR | 1u << EFA_AENQ_GROUP_WARNING |
      1u << EFA_AENQ_GROUP_NOTIFICATION | 1u << EFA_AENQ_GROUP_KEEP_ALIVE;
  static constexpr Nanoseconds kKeepAlivePeriod = 1'000'000'000;
  static constexpr Nanoseconds kNever = ~Nanoseconds{0};

  AsyncEventQueue(DmaSpace& memory, InterruptSink& interrupts, const Clock& clock,
                  Statistics& stats, unsigned vectors)
      : memory_(memory),
        interrupts_(interrupts),
        clock_(clock),
        stats_(stats),
        vectors_(vectors),
        reset_at_(clock.now()) {}

  /// AENQ_CAPS was written. A geometry that cannot work leaves the ring disabled.
  void start(DmaAddr base, std::uint32_t caps);

  /// AENQ_CONS_DB: events consumed, free running. Counts that cannot be true are ignored.
  void consumed(std::uint32_t count) noexcept;

  /// Groups to report; bit position = group.
  void enable(std::uint32_t groups) noexcept;
  std::uint32_t enabled_groups() const noexcept { return enabled_groups_; }

  /// Reports an event if its group is enabled. Without room it is dropped and counted.
  /// True if it was reported.
  bool push(std::uint32_t group, std::uint16_t syndrome) noexcept;

  /// Test mode: keep-alives are not sent although the driver wants them.
  void silence_keep_alive(bool silent) noexcept { silent_ = silent; }

  /// Sends the keep-alive that is due; returns the time of the next one.
  Nanoseconds run_timers() noexcept;

  /// Stops the ring and forgets what was enabled.
  void reset() noexcept;

 private:
  DmaSpace& memory_;
  InterruptSink& interrupts_;
  const Clock& clock_;
  Statistics& stats_;
  unsigned vectors_;
  Nanoseconds reset_at_;
  Nanoseconds next_keep_alive_ = kNever;
  std::uint32_t enabled_groups_ = 0;
  bool silent_ = false;

  MappedRange ring_;
  std::uint32_t depth_ = 0;  ///< 0 = ring disabled
  unsigned vector_ = 0;
  std::uint32_t produced_ = 0;
  std::uint32_t consumed_ = 0;
};

}  // namespace efa::emu
