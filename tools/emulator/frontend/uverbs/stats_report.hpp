// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What `--stats` prints when the command has ended.
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

std::string stats_text(const std::vector<ReportedDevice>& devices, const Switch& fabric);
std::string stats_json(const std::vector<ReportedDevice>& devices, const Switch& fabric);

}  // namespace efa::emu
