// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages through libfabric's logger: FI_LOG_LEVEL, FI_LOG_PROV and FI_LOG_SUBSYS decide what is
/// seen. A message names the thing, its value, the limit and the cure, on one line.
#pragma once

#include <rdma/providers/fi_log.h>

#include <string>

namespace efa::fi {

void log(fi_log_level level, const std::string& text, const char* function = __builtin_FUNCTION(),
         int line = __builtin_LINE());

}  // namespace efa::fi
