// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Which attributes a queue pair takes in which state change (verbs A9).
#pragma once

#include <cstdint>

namespace efa::emu {

/// States are verbs numbers, `mask` the attribute mask of modify_qp. UD follows the same table
/// without the RNR retry count.
bool qp_transition_allowed(bool srd, std::uint32_t from, std::uint32_t to,
                           std::uint32_t mask) noexcept;

}  // namespace efa::emu
