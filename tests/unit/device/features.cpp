// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include <bit>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

Answer<efa_get_feature_resp> get(Rig& rig, unsigned id) {
  efa_get_feature_cmd cmd{};
  cmd.feature_common.feature_id = static_cast<std::uint8_t>(id);
  return rig.execute<efa_get_feature_resp>(EFA_AQ_OPCODE_GET_FEATURE, cmd);
}

efa_aq_completion_status set(Rig& rig, unsigned id) {
  efa_set_feature_cmd cmd{};
  cmd.feature_common.feature_id = static_cast<std::uint8_t>(id);
  return rig.execute<efa_set_feature_resp>(EFA_AQ_OPCODE_SET_FEATURE, cmd).status;
}

constexpr const char* kGenerations[] = {"efa0", "efa1", "efa2", "efa3", "efa4"};

TEST(GetFeature, DeviceAttrDescribesTheGeneration) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const auto attr = get(rig, EFA_FEATURE_ID_DEVICE_ATTR).body.device_attr;
    const Profile& profile = rig.device.profile();
    EXPECT_EQ(attr.supported_features, profile.queue_attr_2 ? 0x2feu : 0xfeu);
    EXPECT_EQ(attr.page_size_cap, 0xfffff000u);
    EXPECT_EQ(attr.admin_api_version, rig.device.api_version());
    EXPECT_EQ(attr.db_bar, 4);
    EXPECT_EQ(attr.phys_addr_width, 48);
    EXPECT_EQ(attr.virt_addr_width, 57);
    EXPECT_EQ(attr.device_caps, profile.device_caps);
    EXPECT_EQ(attr.max_rdma_size, 1u << 30);
    EXPECT_EQ(attr.max_link_speed_gbps, profile.link_speed_gbps);
    EXPECT_EQ(std::memcmp(&attr.guid, default_identity().guid.data(), 8), 0);
  }
}

TEST(GetFeature, QueueAttr1ListsTheLimits) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const auto attr = get(rig, EFA_FEATURE_ID_QUEUE_ATTR_1).body.queue_attr_1;
    const Profile& profile = rig.device.profile();
    EXPECT_EQ(attr.max_qp, profile.max_qp);
    EXPECT_EQ(attr.max_sq_depth, profile.max_sq_depth);
    EXPECT_EQ(attr.inline_buf_size, 32u);
    EXPECT_EQ(attr.max_rq_depth, profile.max_rq_depth);
    EXPECT_EQ(attr.max_cq, profile.max_cq);
    EXPECT_EQ(attr.max_cq_depth, profile.max_cq_depth);
    EXPECT_EQ(attr.sub_cqs_per_cq, 1);
    EXPECT_EQ(attr.min_sq_depth, profile.min_sq_depth);
    EXPECT_EQ(attr.max_wr_send_sges, 2);
    EXPECT_EQ(attr.max_wr_recv_sges, 3);
    EXPECT_EQ(attr.max_mr, profile.max_mr);
    EXPECT_EQ(attr.max_mr_pages, profile.max_mr_pages);
    EXPECT_EQ(attr.max_pd, profile.max_pd);
    EXPECT_EQ(attr.max_ah, profile.max_ah);
    EXPECT_EQ(attr.max_llq_size, profile.max_llq_size);
    EXPECT_EQ(attr.max_wr_rdma_sges, 1);
    EXPECT_EQ(attr.max_tx_batch, profile.max_tx_batch);
  }
}

TEST(GetFeature, QueueAttr2ExistsFromTheFourthGenerationOn) {
  Rig old("efa2");
  EXPECT_EQ(get(old, EFA_FEATURE_ID_QUEUE_ATTR_2).status, kUnsupported);
  Rig plain("efa3");
  const auto efa3 = get(plain, EFA_FEATURE_ID_QUEUE_ATTR_2).body.queue_attr_2;
  EXPECT_EQ(efa3.inline_buf_size_ex, 80);
  EXPECT_EQ(efa3.max_event_counters, 0u);
  EXPECT_EQ(efa3.supported_event_counter_qp_events, 0u);
  EXPECT_EQ(efa3.event_counter_max_val, 0u);
  Rig counting("efa4");
  const auto efa4 = get(counting, EFA_FEATURE_ID_QUEUE_ATTR_2).body.queue_attr_2;
  EXPECT_EQ(efa4.max_event_counters, 1024u);
  EXPECT_EQ(efa4.supported_event_counter_qp_events, 0x3ffu);
  EXPECT_EQ(efa4.event_counter_max_val, ~std::uint64_t{0});
}

TEST(GetFeature, EventQueueAttrAllowsOneEventPerCq) {
  for (const char* name : kGenerations) {
    Rig rig(name);
    const auto attr = get(rig, EFA_FEATURE_ID_EVENT_QUEUE_ATTR).body.event_queue_attr;
    EXPECT_EQ(attr.max_eq, 32u);
    EXPECT_GE(attr.max_eq_depth, rig.device.profile().max_cq);
    EXPECT_TRUE(std::has_single_bit(attr.max_eq_depth));
    EXPECT_LE(attr.max_eq_depth, 32768u);
    EXPECT_EQ(attr.event_bitmask, 1u);
  }
}

TEST(GetFeature, NetworkAttrCarriesTheGidAndTheMtu) {
  Rig rig;
  const auto attr = get(rig, EFA_FEATURE_ID_NETWORK_ATTR).body.network_attr;
  EXPECT_EQ(std::memcmp(attr.addr, default_identity().gid.raw.data(), 16), 0);
  EXPECT_EQ(attr.mtu, 8928u);
}

TEST(GetFeature, HardwareHintsAreZero) {
  Rig rig;
  const auto answer = get(rig, EFA_FEATURE_ID_HW_HINTS);
  EXPECT_TRUE(answer.ok());
  for (const std::uint32_t word : answer.body.raw) EXPECT_EQ(word, 0u);
}

TEST(GetFeature, AnswersByDirectionAndSupport) {
  Rig rig("efa2");
  EXPECT_EQ(get(rig, EFA_FEATURE_ID_HOST_INFO).status, kIllegal);
  for (const unsigned id : {0u, 8u, 9u, 10u, 63u, 64u, 255u})
    EXPECT_EQ(get(rig, id).status, kUnsupported) << id;
}

TEST(SetFeature, AnswersByDirectionAndSupport) {
  Rig rig("efa2");
  for (const unsigned id : {1u, 3u, 4u, 5u, 7u}) EXPECT_EQ(set(rig, id), kIllegal) << id;
  for (const unsigned id : {0u, 8u, 9u, 10u, 64u, 255u})
    EXPECT_EQ(set(rig, id), kUnsupported) << id;
  Rig newer("efa3");
  EXPECT_EQ(set(newer, EFA_FEATURE_ID_QUEUE_ATTR_2), kIllegal);
}

TEST(SetFeature, AenqConfigEnablesSupportedGroups) {
  Rig rig;
  const auto before = get(rig, EFA_FEATURE_ID_AENQ_CONFIG).body.aenq_config;
  EXPECT_EQ(before.supported_groups, 0x1eu);
  EXPECT_EQ(before.enabled_groups, 0u);
  efa_set_feature_cmd cmd{};
  cmd.feature_common.feature_id = EFA_FEATURE_ID_AENQ_CONFIG;
  cmd.aenq.enabled_groups = 0x1e;
  EXPECT_TRUE(rig.execute<efa_set_feature_resp>(EFA_AQ_OPCODE_SET_FEATURE, cmd).ok());
  EXPECT_EQ(get(rig, EFA_FEATURE_ID_AENQ_CONFIG).body.aenq_config.enabled_groups, 0x1eu);
  cmd.aenq.enabled_groups = 0x20;
  EXPECT_EQ(rig.execute<efa_set_feature_resp>(EFA_AQ_OPCODE_SET_FEATURE, cmd).status, kIllegal);
  EXPECT_EQ(get(rig, EFA_FEATURE_ID_AENQ_CONFIG).body.aenq_config.enabled_groups, 0x1eu);
}

efa_set_feature_cmd host_info_command(Rig& rig) {
  efa_set_feature_cmd cmd{};
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
  cmd.feature_common.feature_id = EFA_FEATURE_ID_HOST_INFO;
  cmd.control_buffer.length = sizeof(efa_host_info);
  const DmaAddr buffer = rig.memory.allocate(sizeof(efa_host_info));
  efa_mem_addr_set(&cmd.control_buffer.address, buffer);
  auto& info = rig.memory.at<efa_host_info>(buffer);
  std::strcpy(info.os_dist_str, "6.1.0-test");
  info.driver_ver = 0x03010067;
  return cmd;
}

efa_aq_completion_status set_host_info(Rig& rig, const efa_set_feature_cmd& cmd) {
  return rig.execute<efa_set_feature_resp>(EFA_AQ_OPCODE_SET_FEATURE, cmd).status;
}

TEST(SetFeature, HostInfoIsKeptForInspection) {
  Rig rig;
  EXPECT_FALSE(rig.device.host_info());
  EXPECT_EQ(set_host_info(rig, host_info_command(rig)), kSuccess);
  ASSERT_TRUE(rig.device.host_info());
  EXPECT_STREQ(rig.device.host_info()->os_dist_str, "6.1.0-test");
  EXPECT_EQ(efa_host_info_driver_module_type(&*rig.device.host_info()), 'g');
}

TEST(SetFeature, HostInfoNeedsAReachableBufferOfFullLength) {
  Rig rig;
  efa_set_feature_cmd cmd = host_info_command(rig);
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 0);
  EXPECT_EQ(set_host_info(rig, cmd), kIllegal);
  cmd = host_info_command(rig);
  cmd.control_buffer.length = sizeof(efa_host_info) - 1;
  EXPECT_EQ(set_host_info(rig, cmd), kIllegal);
  cmd = host_info_command(rig);
  efa_mem_addr_set(&cmd.control_buffer.address, ArrayMemory::kUnmapped);
  EXPECT_EQ(set_host_info(rig, cmd), kIllegal);
  EXPECT_FALSE(rig.device.host_info());
}

}  // namespace
}  // namespace efa::emu::test
