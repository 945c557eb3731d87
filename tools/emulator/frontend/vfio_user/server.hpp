// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// `efa-emu serve`: emulated devices as PCI functions, each at a Unix socket, on one fabric.
#pragma once

#include <string>

#include "base/result.hpp"
#include "datapath/data_path.hpp"
#include "device/device.hpp"
#include "engine/stats_report.hpp"
#include "fabric/topology.hpp"

namespace efa::emu {

struct ServeOptions {
  std::string directory;  ///< of the sockets; made if it does not exist
  Topology topology;
  DeviceOptions device;
  Doorbells doorbells = Doorbells::kTrapped;
  StatsFormat stats = StatsFormat::kNone;
  std::string stats_file;  ///< empty = standard error
};

/// Serves until SIGTERM or SIGINT. Prints "ready DIRECTORY" once all sockets listen. An Error means
/// that it never started (the caller prints it and exits with status 2).
Result<void> serve_devices(const ServeOptions& options);

}  // namespace efa::emu
