// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Which host this is, for error messages of peers (spec efa-rdm-protocol 14).
#pragma once

#include <cstdint>

namespace efa::fi {

/// From the instance's id on the board; 0: not known.
uint64_t host_id();

}  // namespace efa::fi
