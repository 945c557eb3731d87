// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/poll_set.hpp"

namespace efa::fi {

int open_poll_set(fid_domain*, fi_poll_attr*, fid_poll**) {
  return -FI_ENOSYS;
}

}  // namespace efa::fi
