// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The functions of libefa that are newer than what the provider needs of it, which is the libefa
/// of rdma-core 44: each is null where the libefa of this process does not have it. Structures are
/// passed in the size of our efadv.h: an older libefa takes them as long as members that it does
/// not know are zero.
#pragma once

#include <infiniband/efadv.h>

namespace efa::fi {

struct DirectVerbs {
  decltype(&efadv_query_mr) query_mr = nullptr;                    ///< since 50
  decltype(&efadv_query_cq) query_cq = nullptr;                    ///< since 59
  decltype(&efadv_query_qp_wqs) query_qp_wqs = nullptr;            ///< since 59
  decltype(&efadv_get_max_sq_depth) get_max_sq_depth = nullptr;    ///< since 63
  decltype(&efadv_get_max_rq_depth) get_max_rq_depth = nullptr;    ///< since 63
  decltype(&efadv_qp_from_ibv_qp_ex) qp_from_ibv_qp_ex = nullptr;  ///< since 64
};

/// Of this process. Thread-safe.
const DirectVerbs& direct_verbs();

}  // namespace efa::fi
