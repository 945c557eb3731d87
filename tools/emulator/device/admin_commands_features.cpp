// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// GET_FEATURE and SET_FEATURE (A9.13).
#include <algorithm>
#include <cstring>

#include "device/admin_commands.hpp"
#include "device/async_event_queue.hpp"

namespace efa::emu {

namespace {

constexpr std::uint16_t kDoorbellBar = 4;
constexpr std::uint8_t kPhysicalAddressBits = 48;
constexpr std::uint8_t kVirtualAddressBits = 57;
constexpr std::uint32_t kVersion = 1;  // of firmware and device, informational

constexpr std::uint64_t feature(efa_feature_id id) {
  return std::uint64_t{1} << id;
}

}  // namespace

std::uint64_t AdminCommands::supported_features() const noexcept {
  std::uint64_t features =
      feature(EFA_FEATURE_ID_DEVICE_ATTR) | feature(EFA_FEATURE_ID_AENQ_CONFIG) |
      feature(EFA_FEATURE_ID_NETWORK_ATTR) | feature(EFA_FEATURE_ID_QUEUE_ATTR_1) |
      feature(EFA_FEATURE_ID_HW_HINTS) | feature(EFA_FEATURE_ID_HOST_INFO) |
      feature(EFA_FEATURE_ID_EVENT_QUEUE_ATTR);
  if (profile().queue_attr_2) features |= feature(EFA_FEATURE_ID_QUEUE_ATTR_2);
  return features;
}

bool AdminCommands::supports_feature(std::uint8_t id) const noexcept {
  return id < 64 && (supported_features() >> id & 1) != 0;
}

void AdminCommands::device_attr(efa_device_attr& out) const {
  out.supported_features = supported_features();
  out.page_size_cap = profile().page_size_cap;
  out.fw_version = kVersion;
  out.admin_api_version = device_.api_version();
  out.device_version = kVersion;
  out.db_bar = kDoorbellBar;
  out.phys_addr_width = kPhysicalAddressBits;
  out.virt_addr_width = kVirtualAddressBits;
  out.device_caps = profile().device_caps;
  out.max_rdma_size = profile().max_rdma_size;
  std::memcpy(&out.guid, device_.identity_.guid.data(), sizeof out.guid);
  out.max_link_speed_gbps = profile().link_speed_gbps;
}

void AdminCommands::queue_attr_1(efa_queue_attr_1& out) const {
  const Profile& p = profile();
  out.max_qp = p.max_qp;
  out.max_sq_depth = p.max_sq_depth;
  out.inline_buf_size = p.inline_buf_size;
  out.max_rq_depth = p.max_rq_depth;
  out.max_cq = p.max_cq;
  out.max_cq_depth = p.max_cq_depth;
  out.sub_cqs_per_cq = device_.sub_cqs_per_cq();
  out.min_sq_depth = p.min_sq_depth;
  out.max_wr_send_sges = p.max_wr_send_sges;
  out.max_wr_recv_sges = p.max_wr_recv_sges;
  out.max_mr = p.max_mr;
  out.max_mr_pages = p.max_mr_pages;
  out.max_pd = p.max_pd;
  out.max_ah = p.max_ah;
  out.max_llq_size = p.max_llq_size;
  out.max_wr_rdma_sges = p.max_wr_rdma_sges;
  out.max_tx_batch = p.max_tx_batch;
}

void AdminCommands::queue_attr_2(efa_queue_attr_2& out) const {
  out.inline_buf_size_ex = profile().inline_buf_size_ex;
  if (!profile().has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK)) return;
  out.supported_event_counter_qp_events = kEventCounterQpEvents;
  out.max_event_counters = profile().max_event_counters;
  out.event_counter_max_val = profile().event_counter_max_value;
}

void AdminCommands::event_queue_attr(efa_event_queue_attr& out) const {
  out.max_eq = profile().max_eq;
  out.max_eq_depth = profile().max_eq_depth;
  out.event_bitmask = EFA_CREATE_EQ_CMD_COMPLETION_EVENTS_MASK;
}

void AdminCommands::network_attr(efa_network_attr& out) const {
  std::ranges::copy(device_.identity_.gid.raw, out.addr);
  out.mtu = profile().mtu;
}

AdminCommands::Status AdminCommands::get_feature(const efa_get_feature_cmd& cmd,
                                                 efa_get_feature_resp& resp) {
  const std::uint8_t id = cmd.feature_common.feature_id;
  if (!supports_feature(id)) return kUnsupported;
  switch (id) {
    case EFA_FEATURE_ID_DEVICE_ATTR:
      device_attr(resp.device_attr);
      return kSuccess;
    case EFA_FEATURE_ID_AENQ_CONFIG:
      resp.aenq_config.supported_groups = AsyncEventQueue::kSupportedGroups;
      resp.aenq_config.enabled_groups = device_.aenq_->enabled_groups();
      return kSuccess;
    case EFA_FEATURE_ID_NETWORK_ATTR:
      network_attr(resp.network_attr);
      return kSuccess;
    case EFA_FEATURE_ID_QUEUE_ATTR_1:
      queue_attr_1(resp.queue_attr_1);
      return kSuccess;
    case EFA_FEATURE_ID_HW_HINTS:
      return kSuccess;  // all 0: drivers scale the values wrongly (A5)
    case EFA_FEATURE_ID_EVENT_QUEUE_ATTR:
      event_queue_attr(resp.event_queue_attr);
      return kSuccess;
    case EFA_FEATURE_ID_QUEUE_ATTR_2:
      queue_attr_2(resp.queue_attr_2);
      return kSuccess;
    default:
      return kIllegal;  // HOST_INFO can only be set
  }
}

AdminCommands::Status AdminCommands::set_aenq_config(const efa_aenq_config& config) {
  if ((config.enabled_groups & ~AsyncEventQueue::kSupportedGroups) != 0) return kIllegal;
  device_.aenq_->enable(config.enabled_groups);
  return kSuccess;
}

AdminCommands::Status AdminCommands::set_host_info(const efa_set_feature_cmd& cmd) {
  efa_host_info info{};
  if (efa_aq_common_desc_ctrl_data(&cmd.aq_common_desc) == 0) return kIllegal;
  if (cmd.control_buffer.length < sizeof info) return kIllegal;
  if (!memory().read(efa_mem_addr_get(&cmd.control_buffer.address), &info, sizeof info))
    return kIllegal;
  device_.host_info_ = info;
  return kSuccess;
}

AdminCommands::Status AdminCommands::set_feature(const efa_set_feature_cmd& cmd,
                                                 efa_set_feature_resp&) {
  const std::uint8_t id = cmd.feature_common.feature_id;
  if (!supports_feature(id)) return kUnsupported;
  switch (id) {
    case EFA_FEATURE_ID_AENQ_CONFIG:
      return set_aenq_config(cmd.aenq);
    case EFA_FEATURE_ID_HOST_INFO:
      return set_host_info(cmd);
    default:
      return kIllegal;  // the others can only be read
  }
}

}  // namespace efa::emu
