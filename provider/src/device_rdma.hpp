// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whether RMA is done by the device or by protocol (spec libfabric-api 6.2).
#pragma once

#include <cstdint>
#include <optional>

#include "device.hpp"

namespace efa::fi {

/// asked: FI_EFA_USE_DEVICE_RDMA. What the device can do of it is another question.
bool uses_device_rdma(const Device& device, uint32_t api_version, std::optional<bool> asked);

}  // namespace efa::fi
