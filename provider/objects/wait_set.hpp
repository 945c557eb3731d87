// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_wait, and whether it is safe to block on the file descriptors of objects (spec libfabric-api
/// 5.1, M6).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_eq.h>

namespace efa::fi {

int open_wait_set(fid_fabric* fabric, fi_wait_attr* attributes, fid_wait** wait_set);

/// fi_trywait(): 0, or -FI_EAGAIN: something is to be read first.
int try_wait(fid_fabric* fabric, fid** objects, int count);

}  // namespace efa::fi
