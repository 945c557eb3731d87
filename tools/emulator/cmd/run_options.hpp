// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The command line of `efa-emu run`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "frontend/uverbs/emulator.hpp"

namespace efa::emu {

/// What the words after `efa-emu run` ask for: a run, or (help set) a text to print.
struct RunRequest {
  RunOptions options;
  std::optional<std::string> help;
};

/// Everything is checked here, the topology included; the error names the option and its value.
Result<RunRequest> parse_run(const std::vector<std::string>& words);

}  // namespace efa::emu
