// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The QP of an endpoint: SRD, or UD for datagrams (spec efa-rdm-protocol 1).
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include "objects/cq.hpp"
#include "objects/domain.hpp"

namespace efa::fi {

struct QueuePairPlan {
  Kind kind = Kind::rdm;
  uint32_t tx_depth = 0;
  uint32_t rx_depth = 0;
  uint32_t rx_segments = 1;
  uint32_t inline_size = 0;
  bool unsolicited = false;  ///< wanted, if device and library can
  bool low_latency = false;  ///< wanted, if kernel and library can
  Cq* tx = nullptr;
  Cq* rx = nullptr;
};

struct QueuePair {
  ibv_qp* qp = nullptr;
  ibv_qp_ex* ex = nullptr;
  uint64_t operations = 0;   ///< IBV_QP_EX_WITH_*
  bool unsolicited = false;  ///< writes with data take no receive
};

/// Leaves out what an older library or kernel refuses. qp null: errno says why.
QueuePair create_queue_pair(Domain& domain, const QueuePairPlan& plan);

/// From RESET to RTS. @param rnr_retry  negative: as the device does it
/// @returns 0 or a negative errno
int start_queue_pair(ibv_qp& qp, uint32_t qkey, int rnr_retry);

/// A connection id that no earlier QP of this number is likely to have had (spec protocol 2).
uint32_t random_connid();

}  // namespace efa::fi
