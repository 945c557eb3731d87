// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One direction between two devices: draws the fate of each packet from a seeded generator, so
/// that a run replays from its seed.
#pragma once

#include <cstdint>
#include <random>

#include "base/clock.hpp"
#include "fabric/topology.hpp"

namespace efa::emu {

/// What happens to one packet.
struct Fate {
  bool lost = false;
  bool duplicated = false;
  Nanoseconds arrival = 0;            ///< when it arrives (now or later)
  Nanoseconds duplicate_arrival = 0;  ///< when the copy arrives, if duplicated
};

class Path {
 public:
  Path(const Impairment& impairment, bool allowed, std::uint64_t seed);

  /// No impairment and traffic allowed: packets may be handed over directly.
  bool perfect() const noexcept { return perfect_; }
  bool allowed() const noexcept { return allowed_; }

  /// Fate of a packet of `bytes` payload bytes that is sent at `now`.
  Fate next(std::uint64_t bytes, Nanoseconds now);

 private:
  double draw() noexcept;

  Impairment impairment_;
  bool allowed_;
  bool perfect_;
  std::mt19937_64 random_;
  Nanoseconds link_free_at_ = 0;  ///< bandwidth limit: when the link can take the next packet
};

}  // namespace efa::emu
