// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What endpoints of all kinds share: binding, enabling, names, options.
#include "opened.hpp"

namespace efa::fi::test {
namespace {

struct EndpointTest : testing::Test {
  Opened on{Kind::direct};
};

TEST_F(EndpointTest, BindingChecksWhatItGets) {
  ASSERT_EQ(on.open_cq(FI_CQ_FORMAT_MSG), 0);
  on.open_av();
  ASSERT_EQ(on.open_endpoint(), 0);
  fid* const cq = &on.cq->fid;
  EXPECT_EQ(fi_ep_bind(on.ep, cq, 0), -FI_EINVAL) << "no direction";
  EXPECT_EQ(fi_ep_bind(on.ep, cq, FI_TRANSMIT | FI_READ), -FI_EINVAL);
  EXPECT_EQ(fi_ep_bind(on.ep, cq, FI_TRANSMIT | FI_SELECTIVE_COMPLETION), 0);
  EXPECT_EQ(fi_ep_bind(on.ep, cq, FI_TRANSMIT), -FI_EINVAL) << "one for each direction";
  EXPECT_EQ(fi_ep_bind(on.ep, cq, FI_RECV), 0);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.av->fid, 0), 0);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.av->fid, 0), -FI_EINVAL);
  EXPECT_TRUE(Endpoint::of(on.ep).tx_selective);
  EXPECT_FALSE(Endpoint::of(on.ep).rx_selective);
  EXPECT_EQ(fi_close(cq), -FI_EBUSY);
  fid shared_context{.fclass = FI_CLASS_SRX_CTX, .context = nullptr, .ops = nullptr};
  EXPECT_EQ(fi_ep_bind(on.ep, &shared_context, 0), -FI_EINVAL);
}

TEST_F(EndpointTest, ThingsOfOtherDomainsCannotBeBound) {
  ASSERT_EQ(on.open_endpoint(), 0);
  fi_cntr_attr attributes{};
  fid_cntr* counter = nullptr;
  ASSERT_EQ(open_counter(on.domain.get(), &attributes, &counter, nullptr), 0);
  EXPECT_EQ(fi_ep_bind(on.ep, &counter->fid, 0), -FI_EINVAL);
  EXPECT_EQ(fi_ep_bind(on.ep, &counter->fid, FI_SEND | FI_MSG), -FI_EINVAL);
  Counter::of(counter).domain = nullptr;
  EXPECT_EQ(fi_ep_bind(on.ep, &counter->fid, FI_SEND), -FI_EINVAL);
  Counter::of(counter).domain = on.domain.get();
  EXPECT_EQ(fi_ep_bind(on.ep, &counter->fid, FI_SEND | FI_RECV), 0);
  EXPECT_EQ(fi_ep_bind(on.ep, &counter->fid, FI_RECV), -FI_EINVAL);
  EXPECT_EQ(fi_close(&on.ep->fid), 0);
  on.ep = nullptr;
  EXPECT_EQ(fi_close(&counter->fid), 0);
}

TEST_F(EndpointTest, EnablingNeedsQueuesForWhatItCanAndAnAv) {
  ASSERT_EQ(on.open_cq(FI_CQ_FORMAT_MSG), 0);
  on.open_av();
  ASSERT_EQ(on.open_endpoint(), 0);
  EXPECT_EQ(fi_enable(on.ep), -FI_ENOCQ);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.cq->fid, FI_TRANSMIT), 0);
  EXPECT_EQ(fi_enable(on.ep), -FI_ENOCQ);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.cq->fid, FI_RECV), 0);
  EXPECT_EQ(fi_enable(on.ep), -FI_ENOAV);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.av->fid, 0), 0);
  EXPECT_TRUE(fake().qps.empty());
  EXPECT_EQ(fi_enable(on.ep), 0);
  EXPECT_EQ(fake().qps.size(), 1U);
  EXPECT_EQ(fi_enable(on.ep), -FI_EOPBADSTATE);
  EXPECT_EQ(fi_ep_bind(on.ep, &on.cq->fid, FI_RECV), -FI_EOPBADSTATE);
}

TEST_F(EndpointTest, BeforeItIsEnabledItRefusesToWork) {
  ASSERT_EQ(on.open_endpoint(), 0);
  EXPECT_EQ(fi_send(on.ep, nullptr, 0, nullptr, 0, nullptr), -FI_EOPBADSTATE);
  EXPECT_EQ(fi_read(on.ep, nullptr, 0, nullptr, 0, 0, 0, nullptr), -FI_EOPBADSTATE);
}

TEST_F(EndpointTest, TheNameIsTheAddressOnceThereIsAQueuePair) {
  ASSERT_EQ(on.open_endpoint(), 0);
  Address name;
  size_t size = sizeof name;
  ASSERT_EQ(fi_getname(&on.ep->fid, &name, &size), 0);
  EXPECT_EQ(name.gid, recorded_device().gid);
  EXPECT_EQ(name.qpn, 0);
  fi_close(&on.ep->fid);
  on.ep = nullptr;
  on.enable();
  size = 8;
  EXPECT_EQ(fi_getname(&on.ep->fid, &name, &size), -FI_ETOOSMALL);
  EXPECT_EQ(size, 32U);
  ASSERT_EQ(fi_getname(&on.ep->fid, &name, &size), 0);
  EXPECT_EQ(name.qpn, on.qpn());
  EXPECT_EQ(name.connid & 0x80000000U, 0U) << "privileged";
  EXPECT_EQ(name.connid, on.qp().states[0].qkey);
}

TEST_F(EndpointTest, TheQueuePairGoesToReadyToSend) {
  on.enable();
  const FakeQp& qp = on.qp();
  ASSERT_EQ(qp.states.size(), 3U);
  EXPECT_EQ(qp.states[0].qp_state, IBV_QPS_INIT);
  EXPECT_EQ(qp.states[0].port_num, 1);
  EXPECT_EQ(qp.states[1].qp_state, IBV_QPS_RTR);
  EXPECT_EQ(qp.states[2].qp_state, IBV_QPS_RTS);
  EXPECT_EQ(qp.states[2].rnr_retry, 7) << "direct endpoints wait for receives for ever";
  EXPECT_TRUE(qp.masks[2] & IBV_QP_RNR_RETRY);
  EXPECT_EQ(qp.attributes.qp_type, IBV_QPT_DRIVER);
  EXPECT_EQ(qp.attributes.cap.max_send_wr, 4096U);
  EXPECT_EQ(qp.attributes.cap.max_recv_wr, 8192U);
  EXPECT_EQ(qp.attributes.cap.max_recv_sge, 4U);
  EXPECT_TRUE(qp.attributes.send_ops_flags & IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM);
  EXPECT_EQ(qp.efa_attributes.flags, EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV);
  EXPECT_EQ(qp.efa_attributes.sl, 0);
}

TEST_F(EndpointTest, TrafficOfLowLatencyHasAServiceLevel) {
  on.info->tx_attr->tclass = FI_TC_LOW_LATENCY;
  on.enable();
  EXPECT_EQ(on.qp().efa_attributes.sl, 8);
}

TEST_F(EndpointTest, WithoutServiceLevelsOnlyTheseAreGivenUp) {
  on.info->tx_attr->tclass = FI_TC_LOW_LATENCY;
  fake().service_levels = false;
  on.enable();
  EXPECT_EQ(on.qp().efa_attributes.sl, 0);
  EXPECT_NE(on.qp().efa_attributes.flags, 0);
}

TEST_F(EndpointTest, OlderLibrariesGetAQueuePairWithoutWhatTheyLack) {
  fake().qp_flags = 0;
  fake().operations &= ~uint64_t{IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM};
  on.enable();
  EXPECT_FALSE(Endpoint::of(on.ep).unsolicited);
  EXPECT_EQ(
      Endpoint::of(on.ep).qp_operations,
      uint64_t{IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM | IBV_QP_EX_WITH_RDMA_READ});
}

TEST_F(EndpointTest, AQueueThatCannotTellThemGetsNoUnsolicitedWrites) {
  fake().cq_fields = EFADV_WC_EX_WITH_SGID;
  on.enable();
  EXPECT_EQ(on.qp().efa_attributes.flags, 0);
}

TEST_F(EndpointTest, RnrRetriesAreSetBeforeEnabling) {
  ASSERT_EQ(on.open_endpoint(), 0);
  const int option = static_cast<int>(Option::rnr_retry);
  size_t retries = 3;
  EXPECT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, sizeof retries), 0);
  EXPECT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, 4), -FI_EINVAL);
  EXPECT_EQ(fi_setopt(&on.ep->fid, 99, option, &retries, sizeof retries), -FI_ENOPROTOOPT);
  retries = 8;
  EXPECT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, sizeof retries), -FI_EINVAL);
  size_t size = 4;
  EXPECT_EQ(fi_getopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, &size), -FI_ETOOSMALL);
  EXPECT_EQ(size, sizeof retries);
  EXPECT_EQ(fi_getopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, &size), 0);
  EXPECT_EQ(retries, 3U);
  fake().device_caps = 0;
  EXPECT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, option, &retries, size), -FI_ENOSYS);
}

TEST_F(EndpointTest, DirectOptionsAreThoseOfTheSpecification) {
  ASSERT_EQ(on.open_endpoint(), 0);
  const auto set = [&](Option option, auto value) {
    return fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, static_cast<int>(option), &value, sizeof value);
  };
  const auto get = [&](Option option, auto& value) {
    size_t size = sizeof value;
    return fi_getopt(&on.ep->fid, FI_OPT_ENDPOINT, static_cast<int>(option), &value, &size);
  };
  size_t number = 0;
  int p2p = 0;
  bool yes = true;
  EXPECT_EQ(set(Option::min_multi_recv, size_t{64}), -FI_ENOPROTOOPT);
  EXPECT_EQ(set(Option::hmem_p2p, int{FI_HMEM_P2P_DISABLED}), -FI_EOPNOTSUPP);
  EXPECT_EQ(set(Option::hmem_p2p, int{FI_HMEM_P2P_ENABLED}), 0);
  EXPECT_EQ(set(Option::hmem_p2p, 44), -FI_EINVAL);
  EXPECT_EQ(get(Option::hmem_p2p, p2p), 0);
  EXPECT_EQ(p2p, FI_HMEM_P2P_REQUIRED);
  EXPECT_EQ(set(Option::cuda_api_permitted, false), 0);
  EXPECT_EQ(set(Option::shared_memory_permitted, true), 0);
  EXPECT_EQ(set(Option::max_msg_size, size_t{8929}), -FI_EINVAL);
  EXPECT_EQ(set(Option::max_msg_size, size_t{100}), 0);
  EXPECT_EQ(get(Option::max_msg_size, number), 0);
  EXPECT_EQ(number, 100U);
  EXPECT_EQ(get(Option::max_rma_size, number), 0);
  EXPECT_EQ(number, 0x40000000U);
  EXPECT_EQ(set(Option::max_tagged_size, size_t{1}), -FI_ENOPROTOOPT);
  EXPECT_EQ(set(Option::inject_msg_size, size_t{33}), -FI_EINVAL);
  EXPECT_EQ(set(Option::inject_msg_size, size_t{8}), 0);
  EXPECT_EQ(get(Option::emulated_write, yes), 0);
  EXPECT_FALSE(yes);
  EXPECT_EQ(get(Option::emulated_atomics, yes), -FI_ENOPROTOOPT);
  EXPECT_EQ(set(Option::use_device_rdma, false), -FI_EOPNOTSUPP) << "FI_RMA needs it";
  EXPECT_EQ(set(Option::use_device_rdma, true), 0);
  EXPECT_EQ(set(Option::homogeneous_peers, true), 0);
  EXPECT_EQ(set(Option::use_unsolicited_write_recv, false), -FI_EOPNOTSUPP);
  EXPECT_EQ(set(static_cast<Option>(999), size_t{1}), -FI_ENOPROTOOPT);
}

TEST_F(EndpointTest, OrderOfDataIsAskedOfAQueuePair) {
  ASSERT_EQ(on.open_endpoint(), 0);
  const auto set = [&](bool wanted) {
    return fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, static_cast<int>(Option::write_in_order_128),
                     &wanted, sizeof wanted);
  };
  EXPECT_EQ(set(true), -FI_EOPNOTSUPP);
  EXPECT_EQ(set(false), 0);
  fake().in_order = 1 << 1;
  EXPECT_EQ(set(true), 0);
  EXPECT_TRUE(fake().qps.empty() && fake().cqs.empty()) << "what was made for the question is gone";
}

TEST(RdmEndpointTest, OrderOfDataIsAskedOfAQueuePairThatNeedsTheDomainsLock) {
  Opened on{Kind::rdm};
  ASSERT_EQ(on.open_endpoint(), 0);
  fake().in_order = 1 << 1;
  const bool wanted = true;
  EXPECT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, static_cast<int>(Option::write_in_order_128),
                      &wanted, sizeof wanted),
            0);
}

TEST_F(EndpointTest, OperationFlagsCanBeReadAndChanged) {
  on.enable();
  uint64_t flags = FI_TRANSMIT;
  EXPECT_EQ(fi_control(&on.ep->fid, FI_GETOPSFLAG, &flags), 0);
  EXPECT_EQ(flags, on.info->tx_attr->op_flags);
  flags = FI_TRANSMIT | FI_COMPLETION;
  EXPECT_EQ(fi_control(&on.ep->fid, FI_SETOPSFLAG, &flags), 0);
  flags = FI_TRANSMIT;
  EXPECT_EQ(fi_control(&on.ep->fid, FI_GETOPSFLAG, &flags), 0);
  EXPECT_EQ(flags, FI_COMPLETION);
  flags = FI_TRANSMIT | FI_RECV;
  EXPECT_EQ(fi_control(&on.ep->fid, FI_GETOPSFLAG, &flags), -FI_EINVAL);
  EXPECT_EQ(fi_control(&on.ep->fid, FI_BACKLOG, &flags), -FI_ENOSYS);
}

TEST_F(EndpointTest, InfosOfAnotherKindAreRefused) {
  on.info->ep_attr->type = FI_EP_DGRAM;
  EXPECT_EQ(on.open_endpoint(), -FI_EINVAL);
  Opened rdm(Kind::rdm);
  rdm.info->mode |= FI_RX_CQ_DATA;
  EXPECT_EQ(rdm.open_endpoint(), -FI_EINVAL);
}

}  // namespace
}  // namespace efa::fi::test
