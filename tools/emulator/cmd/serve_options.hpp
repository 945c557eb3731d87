// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The command line of `efa-emu serve`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "frontend/vfio_user/server.hpp"

namespace efa::emu {

/// What the words after `efa-emu serve` ask for: devices, or (help set) a text to print.
struct ServeRequest {
  ServeOptions options;
  std::optional<std::string> help;
};

/// Everything but the directory is checked here; the error names the option and its value.
Result<ServeRequest> parse_serve(const std::vector<std::string>& words);

}  // namespace efa::emu
