// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whether an entry serves what an application asks for (spec libfabric-api 3.2). A hint of zero
/// never refuses.
#pragma once

#include <optional>

#include "catalogue.hpp"
#include "refusal.hpp"

namespace efa::fi {

std::optional<Refusal> check_hints(const Template& entry, const Release& release, uint32_t version,
                                   const fi_info& hints);

}  // namespace efa::fi
