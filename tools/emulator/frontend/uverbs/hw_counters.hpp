// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The hw_counters folders of the sysfs tree (verbs A10). Nothing tells when somebody reads a file,
/// so the files are rewritten while values change: soon after, not at every change.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "device/statistics.hpp"
#include "frontend/uverbs/driver_counters.hpp"

namespace efa::emu {

struct DeviceCounter {
  const char* name;
  std::uint64_t DriverCounters::*value;
};
struct PortCounter {
  const char* name;
  std::uint64_t Statistics::*value;
};

/// In the order in which the kernel lists them.
std::span<const DeviceCounter> device_counters() noexcept;
std::span<const PortCounter> port_counters() noexcept;

/// How long the kernel's files may lag behind the device: ms, the default of `lifespan`.
inline constexpr unsigned kCounterLifespanMs = 10;

/// The files of one device.
class HwCounterFiles {
 public:
  /// `directory`: of the RDMA device, with files that say 0. The counters must outlive the object.
  HwCounterFiles(std::string directory, const DriverCounters& driver, const Statistics& device);

  /// Writes those that changed.
  void refresh();

 private:
  void show(const char* folder, const char* name, std::uint64_t value, std::uint64_t& shown);

  std::string directory_;
  const DriverCounters& driver_;
  const Statistics& device_;
  std::vector<std::uint64_t> shown_;  ///< of the device, then of the port
};

/// When to refresh: a lifespan after a change at the latest, unless that took more than a fiftieth
/// of the engine's time.
class CounterRefresh {
 public:
  /// Something may have changed.
  void changed() noexcept { dirty_ = true; }
  /// Whether to refresh at time `now`, before a pause of `pause`.
  bool due(Nanoseconds now, Nanoseconds pause) const noexcept {
    return dirty_ && (now - last_ >= interval_ || pause > interval_ - (now - last_));
  }
  void refreshed(Nanoseconds begin, Nanoseconds end) noexcept;

 private:
  static constexpr Nanoseconds kLifespan = Nanoseconds{kCounterLifespanMs} * 1'000'000;
  bool dirty_ = false;
  Nanoseconds last_ = 0;
  Nanoseconds interval_ = kLifespan;
};

}  // namespace efa::emu
