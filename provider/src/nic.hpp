// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The nic member of fi_info: what a device is and where. libfabric copies it (fi_dupinfo), frees
/// it (fi_freeinfo) and prints it (fi_tostr) through the operations that it carries.
#pragma once

#include <rdma/fabric.h>

#include "device.hpp"

namespace efa::fi {

/// Owned by the fi_info that it is put into; fi_close() frees it.
fid_nic* make_nic(const Device& device);

}  // namespace efa::fi
