// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What an accepted entry looks like to who asked (spec libfabric-api 3.3, 3.4).
#pragma once

#include "catalogue.hpp"
#include "refusal.hpp"

namespace efa::fi {

/// Refuses what cannot be seen from the hints alone: things that belong to one kind of entry.
std::optional<Refusal> check_kind(const Template& entry, const fi_info& hints);

/// A copy of the entry, changed as the hints (null: none) ask. Empty: no memory.
InfoPtr answer(const Template& entry, const Release& release, uint32_t version,
               const fi_info* hints);

}  // namespace efa::fi
