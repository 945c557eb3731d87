// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Clients cost descriptors: an engine takes as many as it may have.
#pragma once

#include <sys/resource.h>

namespace efa::emu {

inline void allow_many_descriptors() noexcept {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace efa::emu
