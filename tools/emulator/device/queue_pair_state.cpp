// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/queue_pair_state.hpp"

#include <array>

namespace efa::emu {

namespace {

constexpr std::uint32_t kQkey = EFA_MODIFY_QP_CMD_QKEY_MASK;
constexpr std::uint32_t kSqPsn = EFA_MODIFY_QP_CMD_SQ_PSN_MASK;
constexpr std::uint32_t kDrained = EFA_MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY_MASK;
constexpr std::uint32_t kRnrRetry = EFA_MODIFY_QP_CMD_RNR_RETRY_MASK;

struct Row {
  efa_qp_state from;
  efa_qp_state to;
  std::uint32_t required;
  std::uint32_t optional;
};

// P_Key index and port of the verbs table never reach the device.
constexpr std::array kRows{
    Row{EFA_QP_STATE_RESET, EFA_QP_STATE_INIT, kQkey, 0},
    Row{EFA_QP_STATE_INIT, EFA_QP_STATE_INIT, 0, kQkey},
    Row{EFA_QP_STATE_INIT, EFA_QP_STATE_RTR, 0, kQkey},
    Row{EFA_QP_STATE_RTR, EFA_QP_STATE_RTS, kSqPsn, kQkey | kRnrRetry},
    Row{EFA_QP_STATE_RTS, EFA_QP_STATE_RTS, 0, kQkey},
    Row{EFA_QP_STATE_RTS, EFA_QP_STATE_SQD, 0, kDrained},
    Row{EFA_QP_STATE_SQD, EFA_QP_STATE_RTS, 0, kQkey},
    Row{EFA_QP_STATE_SQD, EFA_QP_STATE_SQD, 0, kQkey},
    Row{EFA_QP_STATE_SQE, EFA_QP_STATE_RTS, 0, kQkey},
};

}  // namespace

QpTransition qp_transition(std::uint32_t from, std::uint32_t to) noexcept {
  if (!is_qp_state(from)) return {};
  if (to == EFA_QP_STATE_RESET) return {true, 0, 0};
  if (to == EFA_QP_STATE_ERR) return {from != EFA_QP_STATE_RESET, 0, 0};
  for (const Row& row : kRows)
    if (row.from == from && row.to == to) return {true, row.required, row.optional};
  return {};
}

}  // namespace efa::emu
