// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// From what a program asks for to the sizes of a queue pair's rings.
#pragma once

#include "qp.hpp"

namespace efa {

struct QpPlan {
  WqeSize wqe_size;
  std::uint32_t send_requests;     // WQEs of the send ring, a power of two
  std::uint32_t receive_requests;  // that may be in flight
  std::uint32_t descriptors;       // of the receive ring, a power of two, or 0: no ring
  std::uint64_t send_ops;          // IBV_QP_EX_WITH_*
};

/// 128 bytes only where 64 do not hold the inline data (V99).
WqeSize wqe_size_for(std::uint32_t max_inline_data, bool inline_write);

/// Most send requests that a queue with WQEs of this size can have; a power of two or 0.
std::uint32_t max_send_depth(const Limits& limits, WqeSize size);

/// Most receive requests of `segments` segments each; `segments` is at least 1.
std::uint32_t max_receive_depth(const Limits& limits, std::uint32_t segments);

/// Checks the request (V90 to V104). @returns 0 or a positive errno, with the reason logged
int plan_qp(const Context& context, const ibv_qp_init_attr_ex& attr, const QpOptions& options,
            QpPlan& plan);

}  // namespace efa
