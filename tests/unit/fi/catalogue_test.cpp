// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The entries that nobody asked anything special of: spec libfabric-api 3.5.
#include "catalogue.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "machine.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

constexpr uint64_t kMessages =
    FI_MSG | FI_SEND | FI_RECV | FI_LOCAL_COMM | FI_REMOTE_COMM | FI_SOURCE;
constexpr uint64_t kRma = FI_RMA | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr int kThree = FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
constexpr uint64_t kOrder = FI_ORDER_SAS | FI_ORDER_ATOMIC_RAR | FI_ORDER_ATOMIC_RAW |
                            FI_ORDER_ATOMIC_WAR | FI_ORDER_ATOMIC_WAW;
constexpr uint64_t kFlags = FI_COMPLETION | FI_INJECT | FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE;

/// One column of the table.
struct Column {
  const char* name;
  const Release* release;
  Kind kind;
  Rdma rdma;
  uint64_t caps, mode, tx_flags, rx_flags, order;
  size_t inject, tx_iov, rma_iov, rx_iov, max_msg, prefix, raw, war, waw;
  uint64_t tag_format;
  fi_threading threading;
  fi_progress progress;
  fi_resource_mgmt management;
  fi_av_type av;
  int mr_mode;
  size_t cq_data;
  uint32_t protocol;
};

constexpr uint64_t kRdm =
    kMessages | kRma | FI_TAGGED | FI_ATOMIC | FI_MULTI_RECV | FI_DIRECTED_RECV;
constexpr uint64_t kTag = 0xaaaaaaaaaaaaaaaa;
constexpr uint64_t kContext = FI_CONTEXT2;
constexpr uint64_t kPrefix = FI_MSG_PREFIX;

const Column kColumns[] = {
    {"direct_2_1",
     &kRelease2_1,
     Kind::direct,
     Rdma::write,
     kMessages,
     kContext,
     kFlags,
     FI_COMPLETION,
     0,
     32,
     2,
     1,
     4,
     8928,
     0,
     0,
     0,
     0,
     0,
     FI_THREAD_SAFE,
     FI_PROGRESS_AUTO,
     FI_RM_ENABLED,
     FI_AV_TABLE,
     kThree | FI_MR_LOCAL,
     4,
     1},
    {"direct_rma_2_1",
     &kRelease2_1,
     Kind::direct,
     Rdma::unsolicited,
     kMessages | kRma,
     kContext,
     kFlags,
     FI_COMPLETION,
     0,
     32,
     2,
     1,
     4,
     0x40000000,
     0,
     0,
     0,
     0,
     0,
     FI_THREAD_SAFE,
     FI_PROGRESS_AUTO,
     FI_RM_ENABLED,
     FI_AV_TABLE,
     kThree | FI_MR_LOCAL,
     4,
     1},
    {"rdm_2_1",
     &kRelease2_1,
     Kind::rdm,
     Rdma::none,
     kRdm,
     0,
     kFlags,
     FI_MULTI_RECV | FI_COMPLETION,
     kOrder,
     4096,
     4,
     1,
     4,
     SIZE_MAX,
     0,
     8776,
     8776,
     8776,
     kTag,
     FI_THREAD_SAFE,
     FI_PROGRESS_MANUAL,
     FI_RM_ENABLED,
     FI_AV_TABLE,
     kThree,
     4,
     4},
    {"rdm_1_17",
     &kRelease1_17,
     Kind::rdm,
     Rdma::none,
     kRdm,
     0,
     kFlags,
     FI_MULTI_RECV | FI_COMPLETION,
     kOrder,
     3928,
     4,
     1,
     4,
     SIZE_MAX,
     0,
     8776,
     0,
     8928,
     kTag,
     FI_THREAD_SAFE,
     FI_PROGRESS_AUTO,
     FI_RM_ENABLED,
     FI_AV_TABLE,
     kThree,
     8,
     4},
    {"datagram_2_1",
     &kRelease2_1,
     Kind::datagram,
     Rdma::none,
     kMessages,
     kPrefix | kContext,
     FI_TRANSMIT_COMPLETE,
     0,
     0,
     32,
     2,
     0,
     4,
     8928,
     40,
     0,
     0,
     0,
     0,
     FI_THREAD_DOMAIN,
     FI_PROGRESS_AUTO,
     FI_RM_DISABLED,
     FI_AV_UNSPEC,
     kThree | FI_MR_LOCAL,
     4,
     1},
    {"datagram_1_17",
     &kRelease1_17,
     Kind::datagram,
     Rdma::none,
     kMessages,
     kPrefix,
     FI_TRANSMIT_COMPLETE,
     0,
     0,
     0,
     2,
     0,
     4,
     8928,
     40,
     8928,
     0,
     8928,
     0,
     FI_THREAD_DOMAIN,
     FI_PROGRESS_AUTO,
     FI_RM_DISABLED,
     FI_AV_UNSPEC,
     kThree | FI_MR_LOCAL,
     0,
     1},
};

class Templates : public testing::TestWithParam<Column> {
 protected:
  Catalogue catalogue = machine(*GetParam().release, GetParam().rdma);
  const fi_info& info = entry(catalogue, GetParam().kind);
};

TEST_P(Templates, SayWhatTheyCan) {
  EXPECT_EQ(info.caps, GetParam().caps);
  EXPECT_EQ(info.mode, GetParam().mode);
  EXPECT_EQ(info.tx_attr->mode, GetParam().mode);
  EXPECT_EQ(info.domain_attr->caps, FI_LOCAL_COMM | FI_REMOTE_COMM);
  EXPECT_EQ(info.tx_attr->op_flags, GetParam().tx_flags);
  EXPECT_EQ(info.rx_attr->op_flags, GetParam().rx_flags);
  EXPECT_EQ(info.tx_attr->msg_order, GetParam().order);
  EXPECT_EQ(info.rx_attr->msg_order, GetParam().order);
}

TEST_P(Templates, HaveTheLimitsOfTheDeviceOrTheProtocol) {
  EXPECT_EQ(info.tx_attr->inject_size, GetParam().inject);
  EXPECT_EQ(info.tx_attr->size, 4096u);
  EXPECT_EQ(info.rx_attr->size, 8192u);
  EXPECT_EQ(info.tx_attr->iov_limit, GetParam().tx_iov);
  EXPECT_EQ(info.tx_attr->rma_iov_limit, GetParam().rma_iov);
  EXPECT_EQ(info.rx_attr->iov_limit, GetParam().rx_iov);
  EXPECT_EQ(info.ep_attr->max_msg_size, GetParam().max_msg);
  EXPECT_EQ(info.ep_attr->msg_prefix_size, GetParam().prefix);
  EXPECT_EQ(info.ep_attr->max_order_raw_size, GetParam().raw);
  EXPECT_EQ(info.ep_attr->max_order_war_size, GetParam().war);
  EXPECT_EQ(info.ep_attr->max_order_waw_size, GetParam().waw);
  EXPECT_EQ(info.ep_attr->mem_tag_format, GetParam().tag_format);
}

TEST_P(Templates, DescribeTheDomain) {
  const fi_domain_attr& domain = *info.domain_attr;
  EXPECT_EQ(domain.threading, GetParam().threading);
  EXPECT_EQ(domain.control_progress, GetParam().progress);
  EXPECT_EQ(domain.data_progress, GetParam().progress);
  EXPECT_EQ(domain.resource_mgmt, GetParam().management);
  EXPECT_EQ(domain.av_type, GetParam().av);
  EXPECT_EQ(domain.mr_mode, GetParam().mr_mode);
  EXPECT_EQ(domain.cq_data_size, GetParam().cq_data);
  EXPECT_EQ(domain.mr_key_size, 4u);
  EXPECT_EQ(domain.cq_cnt, 512u);
  EXPECT_EQ(domain.ep_cnt, 256u);
  EXPECT_EQ(domain.cntr_cnt, 0u);
  EXPECT_EQ(domain.tx_ctx_cnt, 256u);
  EXPECT_EQ(domain.rx_ctx_cnt, 256u);
  EXPECT_EQ(domain.max_ep_tx_ctx, 1u);
  EXPECT_EQ(domain.max_ep_srx_ctx, 0u);
  EXPECT_EQ(domain.mr_iov_limit, 1u);
  EXPECT_EQ(domain.mr_cnt, 131072u);
}

TEST_P(Templates, AreNamedAfterDeviceAndFabric) {
  const bool datagram = GetParam().kind == Kind::datagram;
  EXPECT_STREQ(info.domain_attr->name, datagram ? "efa_0-dgrm" : "efa_0-rdm");
  EXPECT_STREQ(info.fabric_attr->name, GetParam().kind == Kind::direct ? "efa-direct" : "efa");
  EXPECT_EQ(info.ep_attr->type, datagram ? FI_EP_DGRAM : FI_EP_RDM);
  EXPECT_EQ(info.ep_attr->protocol, static_cast<uint32_t>(FI_PROTO_EFA));
  EXPECT_EQ(info.ep_attr->protocol_version, GetParam().protocol);
}

TEST_P(Templates, HaveTheAddressOfTheDevice) {
  Address address;
  ASSERT_EQ(info.src_addrlen, sizeof address);
  std::memcpy(&address, info.src_addr, sizeof address);
  EXPECT_EQ(address, (Address{.gid = recorded_device().gid}));
  EXPECT_EQ(info.addr_format, static_cast<uint32_t>(FI_ADDR_EFA));
}

INSTANTIATE_TEST_SUITE_P(Columns, Templates, testing::ValuesIn(kColumns),
                         [](const auto& column) { return std::string(column.param.name); });

std::string order_of(const Release& release) {
  Device second = recorded_device();
  second.name = "efa_1";
  const Catalogue catalogue = make_catalogue(release, {recorded_device(), second}, {}, 1);
  std::string text;
  for (const Template& one : catalogue.templates)
    text += std::string(one.info->fabric_attr->name) + ":" + one.info->domain_attr->name + " ";
  return text;
}

TEST(Catalogue, AllDevicesOfOneKindComeBeforeTheNextKind) {
  EXPECT_EQ(order_of(kRelease1_17), "efa:efa_0-rdm efa:efa_1-rdm efa:efa_0-dgrm efa:efa_1-dgrm ");
  EXPECT_EQ(order_of(kRelease2_1),
            "efa-direct:efa_0-rdm efa-direct:efa_1-rdm "
            "efa:efa_0-rdm efa:efa_1-rdm efa:efa_0-dgrm efa:efa_1-dgrm ");
}

TEST(Catalogue, ContextsAreAThousandAtMost) {
  Device device = recorded_device();
  device.max_qp = 2000;
  const Catalogue catalogue = make_catalogue(kRelease1_17, {device}, {}, 1);
  EXPECT_EQ(entry(catalogue, Kind::rdm).domain_attr->ep_cnt, 2000u);
  EXPECT_EQ(entry(catalogue, Kind::rdm).domain_attr->tx_ctx_cnt, 1024u);
}

TEST(Catalogue, DepthsArePowersOfTwoThatTheDeviceHas) {
  Device device = recorded_device();
  device.max_sq_wr = 1000;
  device.max_rq_wr = 5000;
  device.max_rq_sge = 3;
  const Catalogue own = make_catalogue(kRelease1_17, {device}, {}, 1);
  EXPECT_EQ(entry(own, Kind::rdm).tx_attr->size, 512u);
  EXPECT_EQ(entry(own, Kind::rdm).rx_attr->size, 1024u);
  const Catalogue wanted = make_catalogue(kRelease1_17, {device}, {.tx = 64, .rx = 100000}, 1);
  EXPECT_EQ(entry(wanted, Kind::datagram).tx_attr->size, 64u);
  EXPECT_EQ(entry(wanted, Kind::datagram).rx_attr->size, 1024u);
}

TEST(Device, IsChosenByItsWholeName) {
  EXPECT_TRUE(chosen("", "efa_0"));
  EXPECT_TRUE(chosen("all", "efa_0"));
  EXPECT_TRUE(chosen("efa_1,efa_0", "efa_0"));
  EXPECT_FALSE(chosen("efa_1", "efa_0"));
  EXPECT_FALSE(chosen("efa_01", "efa_0"));
  EXPECT_FALSE(chosen("efa_", "efa_0"));
}

TEST(Release, OneBuildIsForTheReleasesOfOneLayout) {
  EXPECT_EQ(abi_class(FI_VERSION(1, 16)), AbiClass::unknown);
  EXPECT_EQ(abi_class(FI_VERSION(1, 17)), AbiClass::v1_17);
  EXPECT_EQ(abi_class(FI_VERSION(1, 19)), AbiClass::v1_17);
  EXPECT_EQ(abi_class(FI_VERSION(1, 20)), AbiClass::unknown);
  EXPECT_EQ(abi_class(FI_VERSION(2, 1)), AbiClass::v2_0);
  EXPECT_EQ(abi_class(FI_VERSION(2, 5)), AbiClass::unknown);
}

}  // namespace
