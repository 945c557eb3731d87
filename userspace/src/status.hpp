// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The status byte of a completion (spec device-io I8), in the words of verbs.
#ifndef EFA_USERSPACE_STATUS_HPP
#define EFA_USERSPACE_STATUS_HPP

#include <infiniband/verbs.h>

#include <array>
#include <cstdint>

#include "efa_hw.h"

namespace efa {

namespace detail {

// One entry for every byte that a device can send: translation is one load, without a branch or a
// bound. Only the first cache line is ever touched with a device that keeps to its specification.
constexpr std::array<std::uint8_t, 256> make_wc_status_table() {
  std::array<std::uint8_t, 256> table{};
  table.fill(IBV_WC_GENERAL_ERR);
  table[EFA_COMP_STATUS_OK] = IBV_WC_SUCCESS;
  table[EFA_COMP_STATUS_FLUSHED] = IBV_WC_WR_FLUSH_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR] = IBV_WC_LOC_QP_OP_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP] = IBV_WC_LOC_QP_OP_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH] = IBV_WC_LOC_QP_OP_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY] = IBV_WC_LOC_PROT_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH] = IBV_WC_LOC_LEN_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS] = IBV_WC_REM_ACCESS_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_ABORT] = IBV_WC_REM_ABORT_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN] = IBV_WC_REM_INV_RD_REQ_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_RNR] = IBV_WC_RNR_RETRY_EXC_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH] = IBV_WC_REM_INV_REQ_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS] = IBV_WC_BAD_RESP_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE] = IBV_WC_RESP_TIMEOUT_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER] = IBV_WC_REM_OP_ERR;
  table[EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE] = IBV_WC_RESP_TIMEOUT_ERR;
  table[EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH] = IBV_WC_REM_INV_REQ_ERR;
  return table;
}

inline constexpr std::array<std::uint8_t, 256> wc_status_table = make_wc_status_table();

}  // namespace detail

// What ibv_wc.status says for the device's status byte (spec verbs V85).
constexpr ibv_wc_status wc_status(std::uint8_t device_status) {
  return static_cast<ibv_wc_status>(detail::wc_status_table[device_status]);
}

}  // namespace efa

#endif
