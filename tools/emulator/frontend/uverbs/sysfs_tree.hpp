// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The part of /sys that libibverbs, libfabric and the verbs tools read, generated for one host.
#pragma once

#include <string>

#include "base/result.hpp"
#include "frontend/uverbs/launcher.hpp"

namespace efa::emu {

/// Name of the PCI function of device number `device` (below 6656) of a host: "0000:00:06.0", ...
std::string pci_name(std::size_t device);

/// Directory of the RDMA device number `device` of `host` in the tree below `root`.
std::string ib_device_path(const std::string& root, const LaunchedHost& host, std::size_t device);

/// Writes the tree of `host` below the new directory `root`: class/infiniband,
/// class/infiniband_verbs, bus/pci and devices/, linked among each other as in the real /sys
/// (native-mode 2; libfabric resolves NAME/device and takes its last part as the PCI address).
Result<void> write_sysfs_tree(const std::string& root, const LaunchedHost& host);

}  // namespace efa::emu
