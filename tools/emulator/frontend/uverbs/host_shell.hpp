// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Entering an emulated host: its host name, its sysfs tree, its place in the environment.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace efa::emu {

/// Moves the calling, single-threaded process into a new user namespace plus the namespaces `flags`
/// (CLONE_NEW*); user and group stay the same. False with errno where that is denied.
bool unshare_as_user(int flags);

/// Turns the calling process into one of host `host` of the run in `dir`: everything that it
/// executes from now on believes to run there. True if gethostname() tells so too; false where
/// namespaces are denied (path mode answers uname() itself then). Fails for an unknown host.
Result<bool> enter_host(const std::string& dir, const std::string& host);

/// The environment that makes MPI launchers start their remote parts with the run's remote shell.
void set_launcher_environment(const std::string& dir);

/// Replaces this process by `command` (argv). Returns only to say why that failed.
Error execute(const std::vector<std::string>& command);

}  // namespace efa::emu
