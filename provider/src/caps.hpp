// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Capability bits by what they are about.
#pragma once

#include <rdma/fabric.h>

#include <cstdint>

namespace efa::fi {

inline constexpr uint64_t kTxCaps =
    FI_MSG | FI_RMA | FI_TAGGED | FI_ATOMIC | FI_READ | FI_WRITE | FI_SEND;
inline constexpr uint64_t kRxCaps = FI_MSG | FI_RMA | FI_TAGGED | FI_ATOMIC | FI_RECV |
                                    FI_REMOTE_READ | FI_REMOTE_WRITE | FI_MULTI_RECV | FI_SOURCE |
                                    FI_DIRECTED_RECV;

inline constexpr uint64_t kCommCaps = FI_LOCAL_COMM | FI_REMOTE_COMM;
/// Offered also to those who did not ask.
inline constexpr uint64_t kSecondaryCaps = FI_MULTI_RECV | FI_SOURCE | kCommCaps;

inline constexpr uint64_t kMessageDirections = FI_SEND | FI_RECV;
inline constexpr uint64_t kTargetCaps = FI_REMOTE_READ | FI_REMOTE_WRITE;
inline constexpr uint64_t kRmaDirections = FI_READ | FI_WRITE | kTargetCaps;

/// What a registration needs to be a target of RMA and atomics (spec 3.2.1).
inline constexpr int kTargetMr = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;

/// Whether who asks for caps wants to be a target: in words, or by leaving the direction open.
constexpr bool wants_target(uint64_t caps) {
  if (caps & kTargetCaps) return true;
  return (caps & (FI_RMA | FI_ATOMIC)) && !(caps & kRmaDirections);
}

}  // namespace efa::fi
