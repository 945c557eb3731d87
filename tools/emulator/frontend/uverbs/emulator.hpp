// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Native mode as a whole: devices, fabric, engine and launcher for one `efa-emu run`.
#pragma once

#include <string>
#include <vector>

#include "device/device.hpp"
#include "engine/stats_report.hpp"
#include "fabric/topology.hpp"
#include "frontend/uverbs/launcher.hpp"

namespace efa::emu {

struct RunOptions {
  Topology topology;
  Mode mode = Mode::kAuto;
  DeviceOptions device;
  unsigned copy_threads = 2;  ///< that may share a long copy: 1 or 2
  StatsFormat stats = StatsFormat::kNone;
  std::string stats_file;  ///< empty = standard error
  std::vector<std::string> command;
};

/// Runs the command to its end and returns its exit status. An Error means that it never started
/// (the caller prints it and exits with status 2).
Result<int> run_emulator(const RunOptions& options);

}  // namespace efa::emu
