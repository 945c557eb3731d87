// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What registered memory may be used for: libfabric's bits, and those asked from verbs for them
/// (spec libfabric-api 7).
#pragma once

#include <rdma/fabric.h>

#include <cstdint>

#include "caps.hpp"
#include "device.hpp"

namespace efa::fi {

inline constexpr uint64_t kAccess = kMessageDirections | kRmaDirections;

/// What an application asked, as all that follows takes it.
constexpr uint64_t normal_access(uint64_t asked) {
  return asked == 0 || (asked & ~kAccess) ? kMessageDirections : asked;
}

/// IBV_ACCESS_*, of a normal access.
int verbs_access(uint64_t access, const Device& device);

/// Bits that need the device's RDMA, on a device that lacks it.
constexpr uint64_t unreachable(uint64_t access, const Device& device) {
  return (device.rdma_read ? 0 : access & (FI_READ | FI_REMOTE_READ)) |
         (device.rdma_write ? 0 : access & (FI_WRITE | FI_REMOTE_WRITE));
}

}  // namespace efa::fi
