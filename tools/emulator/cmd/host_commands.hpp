// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// `efa-emu on` and `efa-emu rsh`: programs on another host of the surrounding run.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace efa::emu {

/// Exit status of `efa-emu rsh` for its own errors, as ssh has it.
inline constexpr int kRemoteShellFailed = 255;

/// `efa-emu on HOST [--] [COMMAND ARGUMENTS]`: exactly these arguments; without a command, a shell.
/// Returns only with the reason why it failed.
Error run_on_host(const std::vector<std::string>& words);

/// `efa-emu rsh [SSH-OPTIONS] HOST COMMAND`: the words joined by spaces and read by /bin/sh, as ssh
/// does. Options of ssh are accepted without effect, but for -n (no standard input).
Error run_remote_shell(const std::vector<std::string>& words);

/// What `run_remote_shell` makes of its words.
struct RemoteCommand {
  std::string host;
  std::string command;  ///< empty = a shell
  bool no_input = false;
};
Result<RemoteCommand> parse_remote_shell(const std::vector<std::string>& words);

}  // namespace efa::emu
