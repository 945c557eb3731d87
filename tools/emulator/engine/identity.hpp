// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Addresses of emulated devices: the same for every front end, so that device d of host h is the
/// same peer wherever it is seen.
#pragma once

#include "device/device.hpp"

namespace efa::emu {

/// GID and GUID of a device, from a locally administered MAC with host and device number inside.
DeviceIdentity identity_of(unsigned host, unsigned device);

}  // namespace efa::emu
