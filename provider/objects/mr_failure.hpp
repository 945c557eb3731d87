// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Why memory could not be registered, for the user.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace efa::fi {

struct Domain;

/// The limits that a registration can hit.
struct MrLimits {
  uint64_t max_mr = 0;             ///< registrations of the device
  uint64_t max_mr_size = 0;        ///< bytes of one
  uint64_t registered = 0;         ///< registrations of this domain
  uint64_t locked_memory = ~0ULL;  ///< bytes that a process may lock (RLIMIT_MEMLOCK); ~0: any
  bool privileged = false;         ///< to whom the last one does not apply
};

/// Which limit it was, with the cure. `error`: the positive errno of the registration.
std::string why_not_registered(int error, size_t bytes, const MrLimits& limits);

/// Logs that. @returns the negative error
int say_why_not_registered(Domain& domain, uintptr_t start, size_t bytes, int error);

}  // namespace efa::fi
