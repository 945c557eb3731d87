// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Which state changes MODIFY_QP allows and which attributes each needs or admits (A9.6).
#pragma once

#include <cstdint>

#include "efa_hw.h"

namespace efa::emu {

struct QpTransition {
  bool allowed = false;
  std::uint32_t required = 0;  ///< bits of modify_mask besides the two states
  std::uint32_t optional = 0;
};

/// Any values are allowed. The table of UD; RNR retry is listed and left to the caller to refuse.
QpTransition qp_transition(std::uint32_t from, std::uint32_t to) noexcept;

inline constexpr bool is_qp_state(std::uint32_t value) noexcept {
  return value <= EFA_QP_STATE_ERR;
}

}  // namespace efa::emu
