// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_poll: several completion queues and counters driven and looked at by one call (M6).
#pragma once

#include <rdma/fi_domain.h>
#include <rdma/fi_eq.h>

namespace efa::fi {

/// fi_ops_domain.poll_open of RDM domains.
int open_poll_set(fid_domain* domain, fi_poll_attr* attributes, fid_poll** poll_set);

}  // namespace efa::fi
