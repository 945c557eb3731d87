// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/profile.hpp"

#include <array>

#include "efa_hw.h"

namespace efa::emu {

namespace {

constexpr std::uint32_t kCapsOfFirst =
    EFA_DEVICE_ATTR_RDMA_READ_MASK | EFA_DEVICE_ATTR_RNR_RETRY_MASK;
constexpr std::uint32_t kCapsWithWrite = kCapsOfFirst | EFA_DEVICE_ATTR_DATA_POLLING_128_MASK |
                                         EFA_DEVICE_ATTR_RDMA_WRITE_MASK |
                                         EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK;
constexpr std::uint32_t kCapsOfNewest =
    kCapsWithWrite | EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK | EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK;

constexpr std::uint64_t kPages4KiBTo2GiB = 0xfffff000;

constexpr Profile efa0() {
  Profile p;
  p.name = "efa0";
  p.pci_device = EFA_PCI_DEVICE_EFA0;
  p.api_version = EFA_API_VERSION_BASE;
  p.device_caps = kCapsOfFirst;
  p.max_qp = 256;
  p.max_cq = 512;
  p.max_cq_depth = 32768;
  p.max_sq_depth = 4096;
  p.max_rq_depth = 32768;
  p.max_llq_size = 256 * 1024;
  p.inline_buf_size = EFA_INLINE_64;
  p.inline_buf_size_ex = EFA_INLINE_64;
  p.max_mr = 256 * 1024;
  p.max_mr_pages = 1u << 24;
  p.max_pd = 256;
  p.max_ah = 16384;
  p.max_uar = 1024;
  p.max_rdma_size = 1u << 30;
  p.mtu = 8928;
  p.link_speed_gbps = 100;
  p.max_eq = 32;
  p.max_eq_depth = 512;
  p.page_size_cap = kPages4KiBTo2GiB;
  return p;
}

constexpr Profile efa1() {
  Profile p = efa0();
  p.name = "efa1";
  p.pci_device = EFA_PCI_DEVICE_EFA1;
  return p;
}

constexpr Profile efa2() {
  Profile p = efa1();
  p.name = "efa2";
  p.pci_device = EFA_PCI_DEVICE_EFA2;
  p.device_caps = kCapsWithWrite;
  p.alloc_mr = true;
  p.low_latency_level = true;
  return p;
}

constexpr Profile efa3() {
  Profile p = efa2();
  p.name = "efa3";
  p.pci_device = EFA_PCI_DEVICE_EFA3;
  p.api_version = EFA_API_VERSION_ACQ_CRC;
  p.queue_attr_2 = true;
  p.inline_buf_size_ex = EFA_INLINE_128;
  p.max_llq_size = 512 * 1024;
  p.mtu = 8760;
  p.link_speed_gbps = 200;
  p.min_sq_depth = 32;
  p.max_tx_batch = 16;
  return p;
}

constexpr Profile efa4() {
  Profile p = efa3();
  p.name = "efa4";
  p.pci_device = EFA_PCI_DEVICE_EFA4;
  p.api_version = EFA_API_VERSION_AQ_V2;
  p.device_caps = kCapsOfNewest;
  p.max_qp = 1024;
  p.max_cq = 2048;
  p.max_mr = 1024 * 1024;
  p.max_pd = 1024;
  p.link_speed_gbps = 400;
  p.max_eq_depth = 2048;
  p.max_event_counters = 1024;
  p.event_counter_max_value = ~std::uint64_t{0};
  return p;
}

constexpr std::array kProfiles{efa0(), efa1(), efa2(), efa3(), efa4()};

}  // namespace

std::span<const Profile> profiles() {
  return kProfiles;
}

const Profile* find_profile(std::string_view name) {
  for (const Profile& profile : kProfiles)
    if (profile.name == name) return &profile;
  return nullptr;
}

}  // namespace efa::emu
