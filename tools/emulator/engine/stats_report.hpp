// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What `--stats` prints at the end.
#pragma once

#include <string>
#include <vector>

#include "datapath/data_path.hpp"
#include "fabric/switch.hpp"

namespace efa::emu {

struct ReportedDevice {
  std::string host;
  std::string name;
  DataPath* data_path = nullptr;
};

enum class StatsFormat { kNone, kText, kJson };

std::string stats_text(const std::vector<ReportedDevice>& devices, const Switch& fabric);
std::string stats_json(const std::vector<ReportedDevice>& devices, const Switch& fabric);

/// Writes them to `file`, or to standard error if that is empty. Complains there when it cannot.
void write_stats(StatsFormat format, const std::string& file,
                 const std::vector<ReportedDevice>& devices, const Switch& fabric);

}  // namespace efa::emu
