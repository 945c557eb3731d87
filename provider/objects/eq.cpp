// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/eq.hpp"

namespace efa::fi {

int open_eq(fid_fabric*, fi_eq_attr*, fid_eq**, void*) {
  return -FI_ENOSYS;
}

void report_to_eq(fid_eq&, fid*, void*, int, int, const std::string&) {}

}  // namespace efa::fi
