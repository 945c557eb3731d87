// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Device nodes that only this process and its descendants see (one-trap mode, native-mode 1).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace efa::emu {

/// "/dev/infiniband/uverbsN": the path of node `index`.
std::string uverbs_node_path(unsigned index);

/// N of such a path if N < `count`; nothing for any other path.
std::optional<unsigned> uverbs_node_index(const std::string& path, std::size_t count);

/// Moves the calling, single-threaded process into a mount namespace of its own; where that takes a
/// privilege that it lacks, into a user namespace (same user id) as well.
Result<void> enter_private_mounts();

/// Covers the directory `path` by a file system in memory: fast, and gone with the last process
/// that sees it. Best effort, as nothing depends on it.
bool mount_memory(const std::string& path);

/// Puts `count` nodes into /dev/infiniband of the private mount namespace. Each is /dev/null under
/// another name: fstat() says "character device 1:3", and /proc/PID/fd/N says which one it is.
Result<void> mount_device_nodes(std::size_t count);

/// Lets /etc/hosts show `file`. Best effort: false where there is no /etc/hosts or it is denied.
bool mount_hosts_file(const std::string& file);

}  // namespace efa::emu
