// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Flags of one operation (spec libfabric-api 5.7).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_endpoint.h>

#include <cstdint>

namespace efa::fi {

/// Of all kinds of endpoints. Completions of the device mean that the data is in the peer's memory,
/// so to direct and datagram endpoints every level of completion is the same.
inline constexpr uint64_t kTxOpFlags = FI_COMPLETION | FI_INJECT | FI_MORE | FI_REMOTE_CQ_DATA |
                                       FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE |
                                       FI_INJECT_COMPLETE;
/// Of direct and datagram endpoints.
inline constexpr uint64_t kRxOpFlags = FI_COMPLETION | FI_MORE;

/// Never given by an application: its success is not reported, whatever else is asked.
inline constexpr uint64_t kSilent = uint64_t{1} << 63;
/// Of fi_inject() and its kin.
inline constexpr uint64_t kInjectFlags = FI_INJECT | kSilent;

}  // namespace efa::fi
