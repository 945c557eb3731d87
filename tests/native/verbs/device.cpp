// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Device, port, GID and P_Key queries (verbs A1, A6).
#include "rig.hpp"

namespace efa::verbs_test {
namespace {

constexpr std::uint32_t kAmazon = 0x1d0f;

class DeviceTest : public VerbsTest {};

TEST_F(DeviceTest, IsAnUnspecifiedNodeOfTheEfaDriver) {
  EXPECT_EQ(context->device->node_type, IBV_NODE_UNSPECIFIED);
  EXPECT_EQ(context->device->transport_type, IBV_TRANSPORT_UNSPECIFIED);
  EXPECT_GE(context->num_comp_vectors, 1);
}

TEST_F(DeviceTest, HasTheNodeGuidThatTheDeviceListShows) {
  EXPECT_EQ(attributes().node_guid, ibv_get_device_guid(context->device));
  EXPECT_NE(attributes().node_guid, 0u);
}

TEST_F(DeviceTest, DiffersFromItsSiblingInGuidAndGid) {
  EXPECT_NE(ibv_get_device_guid(context->device), ibv_get_device_guid(other_context->device));
  const ibv_gid mine = gid_of(context.get()), other = gid_of(other_context.get());
  EXPECT_NE(std::memcmp(&mine, &other, sizeof(mine)), 0);
}

TEST_F(DeviceTest, HasTheIdentityAndLimitsOfItsGeneration) {
  const ibv_device_attr attr = attributes();
  EXPECT_EQ(attr.vendor_id, kAmazon);
  EXPECT_EQ(attr.vendor_part_id, generation().part_id);
  EXPECT_EQ(attr.phys_port_cnt, 1);
  EXPECT_EQ(attr.max_pkeys, 1);
  EXPECT_EQ(attr.max_qp, generation().max_qp);
  EXPECT_EQ(attr.max_cq, generation().max_cq);
  EXPECT_EQ(attr.max_pd, generation().max_pd);
  EXPECT_GE(attr.max_qp_wr, 1000);
  EXPECT_GE(attr.max_cqe, 1024);
  EXPECT_EQ(attr.max_sge, 2);
  EXPECT_EQ(attr.max_sge_rd, 1);
  EXPECT_NE(attr.page_size_cap & 4096, 0u);
}

TEST_F(DeviceTest, OffersNothingThatEfaDoesNotHave) {
  const ibv_device_attr attr = attributes();
  EXPECT_EQ(attr.atomic_cap, IBV_ATOMIC_NONE);
  EXPECT_EQ(attr.device_cap_flags, 0u);
  EXPECT_EQ(attr.max_srq, 0);
  EXPECT_EQ(attr.max_mw, 0);
  EXPECT_EQ(attr.max_qp_rd_atom, 0);
  EXPECT_EQ(attr.sys_image_guid, 0u);
}

TEST_F(DeviceTest, AnswersTheExtendedQueryLikeThePlainOne) {
  ibv_device_attr_ex extended{};
  ASSERT_EQ(ibv_query_device_ex(context.get(), nullptr, &extended), 0);
  const ibv_device_attr plain = attributes();
  EXPECT_EQ(extended.orig_attr.node_guid, plain.node_guid);
  EXPECT_EQ(extended.orig_attr.max_qp, plain.max_qp);
  EXPECT_EQ(extended.orig_attr.max_mr_size, plain.max_mr_size);
  EXPECT_EQ(extended.phys_port_cnt_ex, 1u);
  EXPECT_EQ(extended.odp_caps.general_caps, 0u);
}

TEST_F(DeviceTest, TellsItsOwnAttributes) {
  const efadv_device_attr efa = efa_attributes();
  EXPECT_EQ(efa.max_sq_sge, 2);
  EXPECT_GE(efa.max_rq_sge, 1);
  EXPECT_EQ(efa.inline_buf_size, 32);
  EXPECT_GE(efa.max_sq_wr, 1000u);
  EXPECT_GE(efa.max_rq_wr, 1000u);
  EXPECT_GE(efa.max_rdma_size, 1u << 20);
  constexpr std::uint32_t kEveryGeneration = EFADV_DEVICE_ATTR_CAPS_RDMA_READ |
                                             EFADV_DEVICE_ATTR_CAPS_RNR_RETRY |
                                             EFADV_DEVICE_ATTR_CAPS_CQ_WITH_SGID;
  EXPECT_EQ(efa.device_caps & kEveryGeneration, kEveryGeneration);
}

TEST_F(DeviceTest, HasAnActivePort) {
  ibv_port_attr port{};
  ASSERT_EQ(ibv_query_port(context.get(), 1, &port), 0);
  EXPECT_EQ(port.state, IBV_PORT_ACTIVE);
  EXPECT_EQ(port.phys_state, 5);
  EXPECT_EQ(port.link_layer, IBV_LINK_LAYER_UNSPECIFIED);
  EXPECT_EQ(port.max_msg_sz, generation().mtu);
  EXPECT_EQ(port.active_mtu, IBV_MTU_4096);
  EXPECT_EQ(port.max_mtu, IBV_MTU_4096);
  EXPECT_EQ(port.gid_tbl_len, 1);
  EXPECT_EQ(port.pkey_tbl_len, 1);
  EXPECT_EQ(port.lmc, 1);
  EXPECT_EQ(port.lid, 0);
  EXPECT_EQ(port.port_cap_flags, 0u);
  EXPECT_NE(port.active_speed, 0);
  EXPECT_NE(port.active_width, 0);
}

TEST_F(DeviceTest, HasNoPortButNumberOne) {
  ibv_port_attr port{};
  EXPECT_EQ(ibv_query_port(context.get(), 0, &port), EINVAL);
  EXPECT_EQ(ibv_query_port(context.get(), 2, &port), EINVAL);
}

TEST_F(DeviceTest, GivesTheSameGidInEveryQuery) {
  const ibv_gid gid = gid_of(context.get());
  ibv_gid_entry entry{};
  ASSERT_EQ(ibv_query_gid_ex(context.get(), 1, 0, &entry, 0), 0);
  EXPECT_EQ(std::memcmp(&entry.gid, &gid, sizeof(gid)), 0);
  EXPECT_EQ(entry.gid_index, 0u);
  EXPECT_EQ(entry.port_num, 1u);
  ibv_gid_entry table[4]{};
  ASSERT_EQ(ibv_query_gid_table(context.get(), table, std::size(table), 0), 1);
  EXPECT_EQ(std::memcmp(&table[0].gid, &gid, sizeof(gid)), 0);
}

TEST_F(DeviceTest, HasALinkLocalGid) {
  const ibv_gid gid = gid_of(context.get());
  EXPECT_EQ(gid.raw[0], 0xfe);
  EXPECT_EQ(gid.raw[1], 0x80);
}

TEST_F(DeviceTest, RefusesGidQueriesBeyondItsTable) {
  ibv_gid_entry entry{};
  EXPECT_NE(ibv_query_gid_ex(context.get(), 1, 1, &entry, 0), 0);
  EXPECT_NE(ibv_query_gid_ex(context.get(), 2, 0, &entry, 0), 0);
  EXPECT_NE(ibv_query_gid_ex(context.get(), 1, 0, &entry, 1), 0);
}

TEST_F(DeviceTest, HasOneFullMemberPkey) {
  __be16 pkey = 0;
  ASSERT_EQ(ibv_query_pkey(context.get(), 1, 0, &pkey), 0);
  EXPECT_EQ(pkey, 0xffff);
  EXPECT_NE(ibv_query_pkey(context.get(), 1, 1, &pkey), 0);
  EXPECT_EQ(ibv_get_pkey_index(context.get(), 1, 0xffff), 0);
}

TEST_F(DeviceTest, OpensManyTimesAtOnce) {
  std::vector<Context> more;
  for (int i = 0; i < 20; ++i) more.push_back(open_device());
  for (const Context& one : more) {
    const ibv_gid gid = gid_of(one.get()), expected = gid_of(context.get());
    EXPECT_EQ(std::memcmp(&gid, &expected, sizeof(gid)), 0);
  }
}

}  // namespace
}  // namespace efa::verbs_test
