// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "absent.hpp"

#include <rdma/fi_errno.h>

namespace efa::fi {

int no_bind(fid*, fid*, uint64_t) {
  return -FI_ENOSYS;
}
int no_ops_open(fid*, const char*, uint64_t, void**, void*) {
  return -FI_ENOSYS;
}
int no_ops_set(fid*, const char*, uint64_t, void*, void*) {
  return -FI_ENOSYS;
}

}  // namespace efa::fi
