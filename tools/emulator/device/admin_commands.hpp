// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The admin commands of device-admin A9: one function per opcode, each with the checks of its
/// table. Callers hand over private copies of the commands; the host cannot change them meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "device/device.hpp"
#include "efa_hw.h"

namespace efa::emu {

class AdminCommands {
 public:
  using Status = efa_aq_completion_status;

  explicit AdminCommands(Device& device) noexcept : device_(device) {}

  /// Executes the command (entry format v1); the response gets its status and body.
  Status execute(std::span<const std::byte, kAdminEntrySize> command,
                 std::span<std::byte, kAdminEntrySize> response);

 private:
  static constexpr Status kSuccess = EFA_AQ_COMPLETION_STATUS_SUCCESS;
  static constexpr Status kNoResources = EFA_AQ_COMPLETION_STATUS_RESOURCE_ALLOCATION_FAILURE;
  static constexpr Status kBadOpcode = EFA_AQ_COMPLETION_STATUS_BAD_OPCODE;
  static constexpr Status kUnsupported = EFA_AQ_COMPLETION_STATUS_UNSUPPORTED_OPCODE;
  static constexpr Status kMalformed = EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST;
  static constexpr Status kIllegal = EFA_AQ_COMPLETION_STATUS_ILLEGAL_PARAMETER;
  static constexpr Status kBusy = EFA_AQ_COMPLETION_STATUS_RESOURCE_BUSY;

  using Bytes = std::span<const std::byte, kAdminEntrySize>;
  using OutBytes = std::span<std::byte, kAdminEntrySize>;

  // admin_commands.cpp
  Status dispatch(Bytes command, OutBytes response);
  template <class Command, class Response>
  Status run(Status (AdminCommands::*handler)(const Command&, Response&), Bytes in, OutBytes out);

  // admin_commands_domains.cpp
  Status alloc_pd(const efa_alloc_pd_cmd& cmd, efa_alloc_pd_resp& resp);
  Status dealloc_pd(const efa_dealloc_pd_cmd& cmd, efa_dealloc_pd_resp& resp);
  Status alloc_uar(const efa_alloc_uar_cmd& cmd, efa_alloc_uar_resp& resp);
  Status dealloc_uar(const efa_dealloc_uar_cmd& cmd, efa_dealloc_uar_resp& resp);

  // admin_commands_queue_pairs.cpp
  Status create_qp(const efa_create_qp_cmd& cmd, efa_create_qp_resp& resp);
  Status modify_qp(const efa_modify_qp_cmd& cmd, efa_modify_qp_resp& resp);
  Status query_qp(const efa_query_qp_cmd& cmd, efa_query_qp_resp& resp);
  Status destroy_qp(const efa_destroy_qp_cmd& cmd, efa_destroy_qp_resp& resp);
  Status check_qp_owner(const efa_create_qp_cmd& cmd) const;
  Status check_qp_features(const efa_create_qp_cmd& cmd) const;
  Status check_send_queue(const efa_create_qp_cmd& cmd) const;
  Status check_receive_queue(const efa_create_qp_cmd& cmd) const;
  Status place_qp(QueuePair& qp, const efa_create_qp_cmd& cmd);
  void count_qp_references(const QueuePair& qp, int step);
  void start_qp_over(QueuePair& qp);

  // admin_commands_completion_queues.cpp
  Status create_cq(const efa_create_cq_cmd& cmd, efa_create_cq_resp& resp);
  Status destroy_cq(const efa_destroy_cq_cmd& cmd, efa_destroy_cq_resp& resp);
  Status check_cq(const efa_create_cq_cmd& cmd) const;

  // admin_commands_address_handles.cpp
  Status create_ah(const efa_create_ah_cmd& cmd, efa_create_ah_resp& resp);
  Status destroy_ah(const efa_destroy_ah_cmd& cmd, efa_destroy_ah_resp& resp);

  // admin_commands_memory.cpp
  Status reg_mr(const efa_reg_mr_cmd& cmd, efa_reg_mr_resp& resp);
  Status dereg_mr(const efa_dereg_mr_cmd& cmd, efa_dereg_mr_resp& resp);
  Status alloc_mr(const efa_alloc_mr_cmd& cmd, efa_alloc_mr_resp& resp);
  Status read_pages(const efa_reg_mr_cmd& cmd, MemoryRegion& region);
  std::optional<std::vector<DmaAddr>> page_list(const efa_reg_mr_cmd& cmd, std::uint64_t count);
  const MemoryRegion& insert_mr(std::unique_ptr<MemoryRegion> region);

  // admin_commands_features.cpp
  Status get_feature(const efa_get_feature_cmd& cmd, efa_get_feature_resp& resp);
  Status set_feature(const efa_set_feature_cmd& cmd, efa_set_feature_resp& resp);
  std::uint64_t supported_features() const noexcept;
  bool supports_feature(std::uint8_t id) const noexcept;
  void device_attr(efa_device_attr& out) const;
  void queue_attr_1(efa_queue_attr_1& out) const;
  void queue_attr_2(efa_queue_attr_2& out) const;
  void event_queue_attr(efa_event_queue_attr& out) const;
  void network_attr(efa_network_attr& out) const;
  Status set_aenq_config(const efa_aenq_config& config);
  Status set_host_info(const efa_set_feature_cmd& cmd);

  // admin_commands_statistics.cpp
  Status get_stats(const efa_get_stats_cmd& cmd, efa_get_stats_resp& resp);

  // admin_commands_event_counters.cpp
  Status create_event_counter(const efa_create_event_counter_cmd& cmd,
                              efa_create_event_counter_resp& resp);
  Status destroy_event_counter(const efa_destroy_event_counter_cmd& cmd,
                               efa_destroy_event_counter_resp& resp);
  Status attach_event_counter(const efa_attach_detach_event_counter_cmd& cmd,
                              efa_attach_detach_event_counter_resp& resp);
  Status detach_event_counter(const efa_attach_detach_event_counter_cmd& cmd,
                              efa_attach_detach_event_counter_resp& resp);
  Status modify_event_counter(const efa_modify_event_counter_cmd& cmd,
                              efa_modify_event_counter_resp& resp);

  // admin_commands_event_queues.cpp
  Status create_eq(const efa_create_eq_cmd& cmd, efa_create_eq_resp& resp);
  Status destroy_eq(const efa_destroy_eq_cmd& cmd, efa_destroy_eq_resp& resp);
  bool vector_taken(std::uint8_t vector) const;

  const Profile& profile() const noexcept { return device_.profile_; }
  DmaSpace& memory() const noexcept { return device_.environment_.memory; }

  Device& device_;
};

}  // namespace efa::emu
