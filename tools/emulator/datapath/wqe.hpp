// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Decoding of send WQEs and receive descriptors: bytes that the host wrote, hence untrusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datapath/message.hpp"
#include "device/profile.hpp"
#include "device/queue_pair.hpp"
#include "efa_hw.h"

namespace efa::emu {

/// Decodes the WQE in `wqe` (64 or 128 bytes, already copied out of the ring) of a QP. Returns
/// EFA_COMP_STATUS_OK or the status with which the WQE completes; `out.req_id` and `out.op` are
/// valid in both cases. Bytes that the operation does not use are not looked at (device-io I2.1).
efa_comp_status decode_send_wqe(std::span<const std::byte> wqe, const QueuePair& qp,
                                const Profile& profile, SendRequest& out);

/// Decoded receive WQE.
struct RecvRequest {
  std::uint16_t req_id = 0;
  std::uint16_t descriptors = 0;  ///< ring entries it occupies
  std::uint32_t length = 0;       ///< bytes of all buffers
  std::vector<Sge> sges;
};

enum class RecvWqe {
  kComplete,
  kIncomplete,  ///< descriptors are missing: the host may still post them
  kBroken,      ///< never can be complete: the ring is full of one WQE, or not mapped
};

/// Decodes the receive WQE that starts at the queue's consumer position, given `available` posted
/// descriptors. Precondition: 0 < available <= rq.descriptors. `out` is valid if complete.
RecvWqe decode_recv_wqe(RecvQueue& rq, std::uint16_t available, RecvRequest& out);

}  // namespace efa::emu
