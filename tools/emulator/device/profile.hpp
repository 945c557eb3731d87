// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Generations efa0 .. efa4 as data (device.md 9).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace efa::emu {

struct Profile {
  std::string_view name;  ///< "efa2"
  std::uint16_t pci_device = 0;
  std::uint16_t api_version = 1;  ///< VERSION register
  std::uint32_t device_caps = 0;  ///< DEVICE_ATTR.device_caps
  bool queue_attr_2 = false;
  bool alloc_mr = false;
  bool low_latency_level = false;  ///< CREATE_QP accepts service level 8

  std::uint32_t max_qp = 0, max_cq = 0, max_cq_depth = 0;
  std::uint32_t max_sq_depth = 0, max_rq_depth = 0, max_llq_size = 0;
  std::uint16_t max_wr_send_sges = 2, max_wr_recv_sges = 3, max_wr_rdma_sges = 1;
  std::uint16_t inline_buf_size = 32, inline_buf_size_ex = 32;
  std::uint16_t sub_cqs_per_cq = 1;
  std::uint32_t max_mr = 0, max_mr_pages = 0, max_pd = 0, max_ah = 0, max_uar = 0;
  std::uint32_t max_rdma_size = 0, mtu = 0;
  std::uint16_t link_speed_gbps = 0;
  std::uint32_t max_eq = 0, max_eq_depth = 0;
  std::uint16_t min_sq_depth = 0, max_tx_batch = 0;
  std::uint32_t max_event_counters = 0;
  std::uint64_t event_counter_max_value = 0;
  std::uint64_t page_size_cap = 0;
  std::uint16_t msix_vectors = 33;

  bool has(std::uint32_t cap_mask) const noexcept { return (device_caps & cap_mask) != 0; }
};

/// All known generations, oldest first.
std::span<const Profile> profiles();

/// By name ("efa2"); nullptr when unknown.
const Profile* find_profile(std::string_view name);

inline constexpr std::string_view kDefaultGeneration = "efa2";

}  // namespace efa::emu
