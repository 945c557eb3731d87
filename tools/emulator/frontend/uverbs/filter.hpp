// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The system-call filter of native mode: which calls of a client the emulator sees (native-mode
/// 1).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "frontend/uverbs/launcher.hpp"

namespace efa::emu {

/// _IOWR(0x1b, 1, struct ib_uverbs_ioctl_hdr): every verbs command of libibverbs.
std::uint32_t rdma_verbs_ioctl() noexcept;

/// Holds when the low half of argument number `argument`, masked, equals `value`. The kernel takes
/// ioctl commands, address families, open flags and descriptors from the low half alone.
struct FilterCondition {
  unsigned argument = 0;
  std::uint32_t value = 0;
  std::uint32_t mask = ~std::uint32_t{0};
};

/// `action` (SECCOMP_RET_*) happens to `syscall` when all conditions hold.
struct FilterRule {
  int syscall = 0;
  std::vector<FilterCondition> conditions;
  std::uint32_t action = 0;
};

/// What `mode` (not kAuto) traps. `answer_uname`: also uname(), for hosts that could not be given a
/// host name of their own.
std::vector<FilterRule> filter_rules(Mode mode, bool answer_uname);

/// The rules as a BPF program. The first rule that matches decides; everything else, and every call
/// of a foreign architecture (32-bit programs), is allowed.
std::vector<sock_filter> assemble(const std::vector<FilterRule>& rules);

/// Puts the calling thread and everything that it starts under `program`, for good. Returns the
/// listener descriptor (close-on-exec). Errors: a surrounding emulator, a kernel older than 5.14, a
/// container that denies seccomp().
Result<int> install_filter(const std::vector<sock_filter>& program);

}  // namespace efa::emu
