// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/strict.hpp"

#include <algorithm>
#include <iterator>

namespace efa::emu {

namespace {

constexpr bool outside(std::uint32_t value, std::uint32_t known) {
  return (value & ~known) != 0;
}

template <class Array>
bool any_set(const Array& values) {
  return std::any_of(std::begin(values), std::end(values), [](auto value) { return value != 0; });
}

constexpr std::uint32_t kControlFlags =
    EFA_AQ_COMMON_DESC_CTRL_DATA_MASK | EFA_AQ_COMMON_DESC_CTRL_DATA_INDIRECT_MASK;

/// `flags`: those that the command knows besides the phase.
bool header_set(const efa_aq_common_desc& header, std::uint32_t flags = 0) {
  return outside(header.command_id, EFA_AQ_COMMON_DESC_COMMAND_ID_MASK) ||
         outside(header.flags, EFA_AQ_COMMON_DESC_PHASE_MASK | flags);
}

}  // namespace

bool reserved_set(const efa_alloc_pd_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_dealloc_pd_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved != 0;
}

bool reserved_set(const efa_alloc_uar_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_dealloc_uar_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved != 0;
}

bool reserved_set(const efa_create_qp_cmd& cmd) noexcept {
  constexpr std::uint32_t kFlags = EFA_CREATE_QP_CMD_SQ_VIRT_MASK | EFA_CREATE_QP_CMD_RQ_VIRT_MASK |
                                   EFA_CREATE_QP_CMD_UNSOLICITED_WRITE_RECV_MASK |
                                   EFA_CREATE_QP_CMD_SQ_64_BIT_REQ_ID_MASK;
  return header_set(cmd.aq_common_desc) || outside(cmd.flags, kFlags) || cmd.reserved != 0 ||
         cmd.reserved2 != 0;
}

bool reserved_set(const efa_modify_qp_cmd& cmd) noexcept {
  constexpr std::uint32_t kMask =
      EFA_MODIFY_QP_CMD_QP_STATE_MASK | EFA_MODIFY_QP_CMD_CUR_QP_STATE_MASK |
      EFA_MODIFY_QP_CMD_QKEY_MASK | EFA_MODIFY_QP_CMD_SQ_PSN_MASK |
      EFA_MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY_MASK | EFA_MODIFY_QP_CMD_RNR_RETRY_MASK;
  return header_set(cmd.aq_common_desc) || outside(cmd.modify_mask, kMask) || cmd.reserved2 != 0;
}

bool reserved_set(const efa_query_qp_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_destroy_qp_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_create_cq_cmd& cmd) noexcept {
  constexpr std::uint32_t kCaps1 =
      EFA_CREATE_CQ_CMD_INTERRUPT_MODE_ENABLED_MASK | EFA_CREATE_CQ_CMD_VIRT_MASK;
  constexpr std::uint32_t kCaps2 = EFA_CREATE_CQ_CMD_CQ_ENTRY_SIZE_WORDS_MASK |
                                   EFA_CREATE_CQ_CMD_SET_SRC_ADDR_MASK |
                                   EFA_CREATE_CQ_CMD_SQ_COMP_64_BIT_REQ_ID_MASK;
  return header_set(cmd.aq_common_desc) || outside(cmd.cq_caps_1, kCaps1) ||
         outside(cmd.cq_caps_2, kCaps2) || cmd.reserved != 0;
}

bool reserved_set(const efa_destroy_cq_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved1 != 0;
}

bool reserved_set(const efa_create_ah_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved != 0;
}

bool reserved_set(const efa_destroy_ah_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_reg_mr_cmd& cmd) noexcept {
  constexpr std::uint32_t kFlags =
      EFA_REG_MR_CMD_PHYS_PAGE_SIZE_SHIFT_WIDE_MASK | EFA_REG_MR_CMD_MEM_ADDR_PHY_MODE_EN_MASK;
  constexpr std::uint32_t kPermissions = EFA_REG_MR_CMD_LOCAL_WRITE_ENABLE_MASK |
                                         EFA_REG_MR_CMD_REMOTE_WRITE_ENABLE_MASK |
                                         EFA_REG_MR_CMD_REMOTE_READ_ENABLE_MASK;
  return header_set(cmd.aq_common_desc, kControlFlags) || outside(cmd.flags, kFlags) ||
         outside(cmd.permissions, kPermissions) || cmd.reserved16_w1 != 0 || cmd.reserved16_w5 != 0;
}

bool reserved_set(const efa_dereg_mr_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_alloc_mr_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved1 != 0;
}

bool reserved_set(const efa_get_feature_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc, kControlFlags) || cmd.feature_common.reserved0 != 0 ||
         cmd.feature_common.reserved16 != 0 || any_set(cmd.raw);
}

bool reserved_set(const efa_set_feature_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc, kControlFlags) || cmd.feature_common.reserved0 != 0 ||
         cmd.feature_common.reserved16 != 0;
}

bool reserved_set(const efa_get_stats_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc, kControlFlags);
}

bool reserved_set(const efa_create_event_counter_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved != 0;
}

bool reserved_set(const efa_destroy_event_counter_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc);
}

bool reserved_set(const efa_attach_detach_event_counter_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || any_set(cmd.reserved);
}

bool reserved_set(const efa_modify_event_counter_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || any_set(cmd.reserved);
}

bool reserved_set(const efa_create_eq_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) ||
         outside(cmd.caps, EFA_CREATE_EQ_CMD_ENTRY_SIZE_WORDS_MASK) ||
         outside(cmd.event_bitmask, EFA_CREATE_EQ_CMD_COMPLETION_EVENTS_MASK) || cmd.reserved != 0;
}

bool reserved_set(const efa_destroy_eq_cmd& cmd) noexcept {
  return header_set(cmd.aq_common_desc) || cmd.reserved != 0;
}

}  // namespace efa::emu
