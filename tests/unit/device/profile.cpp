// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/profile.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "efa_hw.h"

namespace efa::emu {
namespace {

TEST(Profiles, AreFoundByName) {
  ASSERT_EQ(profiles().size(), 5u);
  for (const Profile& profile : profiles()) EXPECT_EQ(find_profile(profile.name), &profile);
  EXPECT_EQ(find_profile("efa5"), nullptr);
  EXPECT_EQ(find_profile(""), nullptr);
  EXPECT_EQ(find_profile(kDefaultGeneration)->pci_device, EFA_PCI_DEVICE_EFA2);
}

TEST(Profiles, CarryTheCapabilitiesOfTheirGeneration) {
  struct Row {
    const char* name;
    std::uint16_t pci, api;
    bool write, polling, unsolicited, counters, wide_ids, attr_2, alloc_mr;
  };
  for (const Row& row :
       {Row{"efa0", 0xefa0, 1, 0, 0, 0, 0, 0, 0, 0}, Row{"efa1", 0xefa1, 1, 0, 0, 0, 0, 0, 0, 0},
        Row{"efa2", 0xefa2, 1, 1, 1, 1, 0, 0, 0, 1}, Row{"efa3", 0xefa3, 2, 1, 1, 1, 0, 0, 1, 1},
        Row{"efa4", 0xefa4, 3, 1, 1, 1, 1, 1, 1, 1}}) {
    const Profile& p = *find_profile(row.name);
    EXPECT_EQ(p.pci_device, row.pci);
    EXPECT_EQ(p.api_version, row.api);
    EXPECT_TRUE(p.has(EFA_DEVICE_ATTR_RDMA_READ_MASK));
    EXPECT_TRUE(p.has(EFA_DEVICE_ATTR_RNR_RETRY_MASK));
    EXPECT_EQ(p.has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK), row.write);
    EXPECT_EQ(p.has(EFA_DEVICE_ATTR_DATA_POLLING_128_MASK), row.polling);
    EXPECT_EQ(p.has(EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK), row.unsolicited);
    EXPECT_EQ(p.has(EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK), row.counters);
    EXPECT_EQ(p.has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK), row.wide_ids);
    EXPECT_EQ(p.queue_attr_2, row.attr_2);
    EXPECT_EQ(p.alloc_mr, row.alloc_mr);
  }
}

TEST(Profiles, CarryTheLimitsOfTheirGeneration) {
  const Profile& efa0 = *find_profile("efa0");
  const Profile& efa3 = *find_profile("efa3");
  const Profile& efa4 = *find_profile("efa4");
  EXPECT_EQ(efa0.max_qp, 256u);
  EXPECT_EQ(efa4.max_qp, 1024u);
  EXPECT_EQ(efa0.max_cq, 512u);
  EXPECT_EQ(efa4.max_cq, 2048u);
  EXPECT_EQ(efa0.max_llq_size, 262144u);
  EXPECT_EQ(efa3.max_llq_size, 524288u);
  EXPECT_EQ(efa0.max_mr, 262144u);
  EXPECT_EQ(efa4.max_mr, 1048576u);
  EXPECT_EQ(efa0.max_pd, 256u);
  EXPECT_EQ(efa4.max_pd, 1024u);
  EXPECT_EQ(efa0.mtu, 8928u);
  EXPECT_EQ(efa3.mtu, 8760u);
  EXPECT_EQ(efa0.link_speed_gbps, 100);
  EXPECT_EQ(efa3.link_speed_gbps, 200);
  EXPECT_EQ(efa4.link_speed_gbps, 400);
  EXPECT_EQ(efa0.min_sq_depth, 0);
  EXPECT_EQ(efa3.min_sq_depth, 32);
  EXPECT_EQ(efa3.max_tx_batch, 16);
  EXPECT_EQ(efa0.max_event_counters, 0u);
  EXPECT_EQ(efa4.max_event_counters, 1024u);
}

TEST(Profiles, StayWithinWhatDoorbellsAndDriversCanHandle) {
  for (const Profile& p : profiles()) {
    EXPECT_LE(p.max_sq_depth, 32768u);
    EXPECT_LE(p.max_rq_depth, 32768u);
    EXPECT_LE(p.max_cq_depth, 32768u);
    EXPECT_LT(p.max_ah, 0xffffu);
    EXPECT_LE(p.max_mr, 1u << EFA_FRWR_KEY_GEN_SHIFT);
    EXPECT_GE(p.max_uar, 256u);
    EXPECT_NE(p.page_size_cap & 4096, 0u);
    EXPECT_GE(p.msix_vectors, 2);
    EXPECT_TRUE(std::has_single_bit(p.max_eq_depth));
  }
}

}  // namespace
}  // namespace efa::emu
