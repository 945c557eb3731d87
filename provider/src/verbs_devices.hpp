// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The EFA devices of this machine, by libibverbs and libefa.
#pragma once

#include <vector>

#include "device.hpp"

namespace efa::fi {

/// All of them, in the order of libibverbs. A device that cannot be opened or asked is left out,
/// and the log says why.
std::vector<Device> verbs_devices();

}  // namespace efa::fi
