// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What differs between the releases of libfabric, as data. The structures of libfabric grew, so
/// one build is for one ABI class (spec libfabric-api 1.3); which one, the headers decide. The
/// values of the other class can still be tested with these headers: only the layout is fixed at
/// compile time.
#pragma once

#include <rdma/fabric.h>

#include <cstdint>

namespace efa::fi {

/// Releases whose structures have the same layout.
enum class AbiClass { unknown, v1_17, v2_0 };

constexpr AbiClass abi_class(uint32_t version) {
  if (version >= FI_VERSION(1, 17) && version <= FI_VERSION(1, 19)) return AbiClass::v1_17;
  if (version >= FI_VERSION(2, 0) && version <= FI_VERSION(2, 4)) return AbiClass::v2_0;
  return AbiClass::unknown;
}

inline constexpr uint32_t kBuiltFor = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);
inline constexpr AbiClass kBuiltAbi = abi_class(kBuiltFor);
static_assert(kBuiltAbi != AbiClass::unknown,
              "build for libfabric 1.17 to 1.19 or 2.0 to 2.4: others lay out fi_info differently");

/// What the efa provider of a release reports where releases differ (spec 3.3 to 3.5).
struct Release {
  uint32_t builtin_version;  ///< version of libfabric's own efa provider, which ours has to beat
  bool direct;               ///< the fabric efa-direct exists
  bool compares_fabric;      ///< the hint fabric_attr->name chooses the fabric
  bool hinted_order;         ///< msg_order is what the hint asks, not all that there is
  bool hinted_comm_caps;     ///< LOCAL_COMM and REMOTE_COMM only when hinted
  bool hinted_source;        ///< FI_SOURCE only when hinted
  bool rma_is_manual;        ///< hinting FI_RMA without a progress model answers manual progress
  bool datagram_context;     ///< datagram endpoints need FI_CONTEXT2
  fi_progress rdm_progress;
  uint32_t rdm_inject_limit;  ///< inject_size of RDM before headers
  uint32_t rdm_inject_header;
  bool datagram_inject;
  bool datagram_order;  ///< datagram entries report max_order sizes
  bool packet_order;    ///< every max_order size is what one packet of atomics holds, zero unless
                        ///< asked
  uint32_t rdm_cq_data;
  uint32_t datagram_cq_data;
  uint32_t rdm_prefix;  ///< msg_prefix_size of RDM with FI_MSG_PREFIX
};

inline constexpr Release kRelease1_17{
    .builtin_version = FI_VERSION(117, 0),
    .direct = false,
    .compares_fabric = false,
    .hinted_order = false,
    .hinted_comm_caps = true,
    .hinted_source = false,
    .rma_is_manual = true,
    .datagram_context = false,
    .rdm_progress = FI_PROGRESS_AUTO,
    .rdm_inject_limit = 4096,
    .rdm_inject_header = 168,
    .datagram_inject = false,
    .datagram_order = true,
    .packet_order = false,
    .rdm_cq_data = 8,
    .datagram_cq_data = 0,
    .rdm_prefix = 112,
};

inline constexpr Release kRelease2_1{
    .builtin_version = FI_VERSION(201, 0),
    .direct = true,
    .compares_fabric = true,
    .hinted_order = true,
    .hinted_comm_caps = false,
    .hinted_source = true,
    .rma_is_manual = false,
    .datagram_context = true,
    .rdm_progress = FI_PROGRESS_MANUAL,
    .rdm_inject_limit = 4096,
    .rdm_inject_header = 0,
    .datagram_inject = true,
    .datagram_order = false,
    .packet_order = true,
    .rdm_cq_data = 4,
    .datagram_cq_data = 4,
    .rdm_prefix = 176,
};

inline constexpr const Release& kRelease =
    kBuiltAbi == AbiClass::v1_17 ? kRelease1_17 : kRelease2_1;

/// Names that libfabric 2 has deprecated, so that using them there is a warning.
inline constexpr int kMrBasic = 1 << 0;
inline constexpr int kMrScalable = 1 << 1;
inline constexpr uint64_t kLocalMr = 1ULL << 55;

}  // namespace efa::fi
