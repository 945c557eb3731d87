// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What efa.ko counts itself and shows as counters of the device (verbs A10).
#pragma once

#include <cstdint>

namespace efa::emu {

struct DriverCounters {
  std::uint64_t submitted_cmds = 0, completed_cmds = 0, cmds_err = 0;
  /// Always 0 here: no command goes unanswered, nothing sends keep-alive events, and mmap() is the
  /// kernel's own, on a memory file.
  std::uint64_t no_completion_cmds = 0, keep_alive_rcvd = 0, mmap_err = 0;
  // Verbs that the driver refused, as verbs A8 says.
  std::uint64_t alloc_pd_err = 0, create_qp_err = 0, create_cq_err = 0, reg_mr_err = 0,
                alloc_ucontext_err = 0, create_ah_err = 0;
};

}  // namespace efa::emu
