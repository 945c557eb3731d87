// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/path.hpp"

#include <algorithm>

namespace efa::emu {
namespace {

/// How late a reordered packet is, so that packets sent after it arrive first.
constexpr double kReorderMin = 20'000;
constexpr double kReorderMax = 200'000;
/// How far behind the original its copy arrives, at most.
constexpr double kDuplicateMax = 50'000;

Nanoseconds scaled(double fraction, double low, double high) {
  return static_cast<Nanoseconds>(low + fraction * (high - low));
}

}  // namespace

Path::Path(const Impairment& impairment, bool allowed, std::uint64_t seed)
    : impairment_(impairment),
      allowed_(allowed),
      perfect_(allowed && impairment.perfect()),
      random_(seed) {}

// Not std::uniform_real_distribution: its result differs between standard libraries, a replay must
// not.
double Path::draw() noexcept {
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

Fate Path::next(std::uint64_t bytes, Nanoseconds now) {
  Fate fate;
  fate.arrival = now;
  if (perfect_) return fate;
  if (!allowed_) {
    fate.lost = true;
    return fate;
  }
  // Every packet draws the same six numbers, used or not: packet n meets the same fate whatever the
  // other impairments are set to.
  const double loss = draw();
  const double reorder = draw();
  const double lateness = draw();
  const double duplicate = draw();
  const double copy_lag = draw();
  const double jitter = draw();

  Nanoseconds left = now;
  if (impairment_.bandwidth_gbps > 0) {
    const double on_wire = static_cast<double>(bytes) * 8 / impairment_.bandwidth_gbps;
    left = std::max(now, link_free_at_) + static_cast<Nanoseconds>(on_wire);
    link_free_at_ = left;
  }
  if (loss < impairment_.loss) {
    fate.lost = true;
    return fate;
  }
  fate.arrival =
      left + impairment_.delay + scaled(jitter, 0, static_cast<double>(impairment_.jitter));
  if (reorder < impairment_.reorder) fate.arrival += scaled(lateness, kReorderMin, kReorderMax);
  fate.duplicated = duplicate < impairment_.duplicate;
  if (fate.duplicated) fate.duplicate_arrival = fate.arrival + scaled(copy_lag, 1, kDuplicateMax);
  return fate;
}

}  // namespace efa::emu
