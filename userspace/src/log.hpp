// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages through libibverbs' logger: VERBS_LOG_LEVEL and VERBS_LOG_FILE decide what is seen.
/// A message names the thing, its value, the limit and the cure, on one line.
#pragma once

#include "context.hpp"

namespace efa {

[[gnu::cold, gnu::format(printf, 2, 3)]] void log_error(const Context& context, const char* format,
                                                        ...);
[[gnu::cold, gnu::format(printf, 2, 3)]] void log_debug(const Context& context, const char* format,
                                                        ...);

/// For functions that answer with an errno: logs and returns it.
#define EFA_FAIL(context, error, ...) (::efa::log_error(context, __VA_ARGS__), (error))

}  // namespace efa
