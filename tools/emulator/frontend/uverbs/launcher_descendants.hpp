// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Everything that was started below this process, directly or not.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

namespace efa::emu {

/// Processes whose chain of parents leads to this one, as of now.
std::vector<pid_t> descendants();

/// Whether waitpid() has nothing to wait for: as this process is a subreaper, no descendant is
/// left.
bool no_children_left() noexcept;

/// SIGTERM to all descendants, SIGKILL after half a second, until `all_ended` (which reaps) is
/// true.
void end_all_descendants(const std::function<bool()>& all_ended) noexcept;

}  // namespace efa::emu
