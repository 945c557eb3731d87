// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory registration modes, whose meaning changed with API 1.5 (spec libfabric-api 3.2.1).
#pragma once

#include "refusal.hpp"

namespace efa::fi {

void check_mr_mode(Check& check, uint32_t version, const fi_info& have, const fi_info& hints);

/// Whether who asks like this can be a target of RMA: not when the modes for it are refused.
bool can_be_target(uint32_t version, const fi_info* hints);

/// mr_mode of the answer, of which entry has the modes of the provider.
int answered_mr_mode(uint32_t version, int entry, const fi_info* hints);

}  // namespace efa::fi
