// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/wait_set.hpp"

namespace efa::fi {

int open_wait_set(fid_fabric*, fi_wait_attr*, fid_wait**) {
  return -FI_ENOSYS;
}

int try_wait(fid_fabric*, fid**, int) {
  return -FI_ENOSYS;
}

}  // namespace efa::fi
