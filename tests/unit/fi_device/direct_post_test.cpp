// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Calls of direct and datagram endpoints as work requests.
#include "opened.hpp"

namespace efa::fi::test {
namespace {

struct DirectPostTest : testing::Test {
  Opened on{Kind::direct};
  char buffer[9000] = "the quick brown fox jumps over the lazy dog";
  void* descriptor = &on.region;

  ssize_t send(size_t length) {
    return fi_send(on.ep, buffer, length, descriptor, on.peer, &contexts[0]);
  }
  ssize_t sendmsg(uint64_t flags, size_t length = 4) {
    iovec piece{buffer, length};
    const fi_msg msg{&piece, &descriptor, 1, on.peer, &contexts[1], 0x11223344};
    return fi_sendmsg(on.ep, &msg, flags);
  }
};

TEST_F(DirectPostTest, ASendIsOneRequestToThePeer) {
  on.enable();
  ASSERT_EQ(send(1000), 0);
  ASSERT_EQ(on.qp().sends.size(), 1U);
  const PostedSend& sent = on.qp().sends[0];
  EXPECT_EQ(sent.opcode, IBV_WR_SEND);
  EXPECT_EQ(sent.qpn, 7U);
  EXPECT_EQ(sent.qkey, 0x1234U);
  EXPECT_NE(sent.ah, nullptr);
  ASSERT_EQ(sent.segments.size(), 1U);
  EXPECT_EQ(sent.segments[0].addr, reinterpret_cast<uint64_t>(buffer));
  EXPECT_EQ(sent.segments[0].length, 1000U);
  EXPECT_EQ(sent.segments[0].lkey, 55U);
}

TEST_F(DirectPostTest, SmallOnesTravelInTheRequestAndNeedNoDescriptor) {
  on.enable();
  descriptor = nullptr;
  ASSERT_EQ(send(32), 0);
  EXPECT_TRUE(on.qp().sends[0].is_inline);
  EXPECT_EQ(on.qp().sends[0].inline_data, std::string(buffer, 32));
  EXPECT_EQ(send(33), -FI_EINVAL) << "the device cannot read unregistered memory";
  ASSERT_EQ(send(0), 0);
  EXPECT_EQ(on.qp().sends[1].inline_data, "");
}

TEST_F(DirectPostTest, SeveralPiecesAreOneMessage) {
  on.enable();
  iovec pieces[3] = {{buffer, 40}, {buffer + 100, 60}, {buffer, 1}};
  void* descriptors[3] = {&on.region, &on.region, &on.region};
  ASSERT_EQ(fi_sendv(on.ep, pieces, descriptors, 2, on.peer, &contexts[0]), 0);
  ASSERT_EQ(on.qp().sends[0].segments.size(), 2U);
  EXPECT_EQ(on.qp().sends[0].segments[1].addr, reinterpret_cast<uint64_t>(buffer + 100));
  EXPECT_EQ(fi_sendv(on.ep, pieces, descriptors, 3, on.peer, &contexts[0]), -FI_EINVAL);
  pieces[0].iov_len = 3;
  pieces[1].iov_len = 5;
  ASSERT_EQ(fi_sendv(on.ep, pieces, nullptr, 2, on.peer, &contexts[0]), 0);
  EXPECT_EQ(on.qp().sends[1].inline_data, "the" + std::string(buffer + 100, 5));
}

TEST_F(DirectPostTest, WhatCannotBeSentIsRefusedByTheTable) {
  on.enable();
  EXPECT_EQ(send(8929), -FI_EMSGSIZE);
  EXPECT_EQ(fi_send(on.ep, buffer, 4, nullptr, on.peer + 1, nullptr), -FI_EINVAL);
  EXPECT_EQ(fi_send(on.ep, buffer, 4, nullptr, FI_ADDR_UNSPEC, nullptr), -FI_EINVAL);
  EXPECT_EQ(fi_inject(on.ep, buffer, 33, on.peer), -FI_EOPNOTSUPP);
  EXPECT_EQ(sendmsg(FI_FENCE), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_tsend(on.ep, buffer, 4, nullptr, on.peer, 0, nullptr), -FI_ENOSYS);
  EXPECT_EQ(fi_cancel(&on.ep->fid, nullptr), -FI_ENOSYS);
  EXPECT_TRUE(on.qp().sends.empty());
}

TEST_F(DirectPostTest, ALoweredLimitOfInlineHolds) {
  on.enable();
  size_t limit = 8;
  ASSERT_EQ(fi_setopt(&on.ep->fid, FI_OPT_ENDPOINT, static_cast<int>(Option::inject_msg_size),
                      &limit, sizeof limit),
            0);
  EXPECT_EQ(fi_inject(on.ep, buffer, 9, on.peer), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_inject(on.ep, buffer, 8, on.peer), 0);
}

TEST_F(DirectPostTest, MemoryOfAnAcceleratorIsNotCopied) {
  on.enable();
  on.region.memory = rdm::MemoryType::kGpu;
  ASSERT_EQ(send(16), 0);
  EXPECT_FALSE(on.qp().sends[0].is_inline);
  EXPECT_EQ(sendmsg(FI_INJECT), -FI_EOPNOTSUPP);
}

TEST_F(DirectPostTest, DataComesAlong) {
  on.enable();
  ASSERT_EQ(fi_senddata(on.ep, buffer, 4, nullptr, 0xabcdef01, on.peer, &contexts[0]), 0);
  EXPECT_EQ(on.qp().sends[0].opcode, IBV_WR_SEND_WITH_IMM);
  EXPECT_EQ(on.qp().sends[0].immediate, 0xabcdef01U);
  ASSERT_EQ(fi_injectdata(on.ep, buffer, 4, 5, on.peer), 0);
  EXPECT_EQ(on.qp().sends[1].immediate, 5U);
}

TEST_F(DirectPostTest, MoreDelaysTheDoorbellUpToTheBatch) {
  on.enable();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(sendmsg(FI_MORE), 0);
  EXPECT_EQ(on.qp().doorbells, 0);
  ASSERT_EQ(sendmsg(0), 0);
  EXPECT_EQ(on.qp().doorbells, 1);
  EXPECT_EQ(on.qp().sends.size(), 4U);
  for (int i = 0; i < 32; ++i) ASSERT_EQ(sendmsg(FI_MORE), 0);
  EXPECT_EQ(on.qp().doorbells, 3) << "the device takes 16 at a time";
}

TEST_F(DirectPostTest, PollingEndsWhatMoreHeldBack) {
  on.enable();
  ASSERT_EQ(sendmsg(FI_MORE), 0);
  EXPECT_EQ(on.qp().doorbells, 0);
  fi_cq_data_entry entry;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), -FI_EAGAIN);
  EXPECT_EQ(on.qp().doorbells, 1) << "a libefa with locks holds the queue's in between";
  ASSERT_EQ(sendmsg(FI_MORE), 0);
  EXPECT_EQ(fi_cq_read(on.cq, nullptr, 0), -FI_EAGAIN);
  EXPECT_EQ(on.qp().doorbells, 2);
  EXPECT_EQ(on.qp().sends.size(), 2U);
}

TEST_F(DirectPostTest, TwoEndpointsOfAQueueDoNotHoldBackTogether) {
  on.enable();
  fid_ep* const first = on.ep;
  ASSERT_EQ(sendmsg(FI_MORE), 0);
  ASSERT_EQ(on.open_endpoint(), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &on.cq->fid, FI_TRANSMIT | FI_RECV), 0);
  ASSERT_EQ(fi_ep_bind(on.ep, &on.av->fid, 0), 0);
  ASSERT_EQ(fi_enable(on.ep), 0);
  ASSERT_EQ(sendmsg(FI_MORE), 0);
  EXPECT_EQ(fake().qps[0]->sends.size(), 1U);
  EXPECT_EQ(fake().qps[1]->sends.size(), 0U);
  EXPECT_EQ(fi_close(&first->fid), 0);
  fi_cq_data_entry entry;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), -FI_EAGAIN);
  EXPECT_EQ(on.qp().sends.size(), 1U);
}

TEST_F(DirectPostTest, AFullQueueSaysAgainAndLosesNothing) {
  on.info->tx_attr->size = 4;
  on.enable();
  for (int i = 0; i < 4; ++i) ASSERT_EQ(sendmsg(i == 3 ? FI_MORE : 0), 0);
  EXPECT_EQ(sendmsg(0), -FI_EAGAIN);
  EXPECT_EQ(on.qp().sends.size(), 4U) << "what FI_MORE held back is sent";
  EXPECT_EQ(sendmsg(0), -FI_EAGAIN);
  on.complete_send(0);
  fi_cq_data_entry entry;
  ASSERT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
  EXPECT_EQ(sendmsg(0), 0);
}

TEST_F(DirectPostTest, ARefusedBatchGivesItsPlacesBack) {
  on.info->tx_attr->size = 2;
  on.enable();
  for (int i = 0; i < 5; ++i) {
    on.qp().refuse = EINVAL;
    ASSERT_EQ(sendmsg(0), -FI_EINVAL);
  }
  on.qp().refuse = ENOMEM;
  EXPECT_EQ(sendmsg(0), -FI_EAGAIN);
  EXPECT_EQ(sendmsg(0), 0);
  EXPECT_EQ(sendmsg(0), 0);
}

TEST_F(DirectPostTest, AReceiveIsOneRequestWithTheApplicationsBuffers) {
  on.enable();
  ASSERT_EQ(fi_recv(on.ep, buffer, 500, descriptor, FI_ADDR_UNSPEC, &contexts[0]), 0);
  iovec pieces[5] = {{buffer, 10}, {buffer + 20, 10}, {buffer, 1}, {buffer, 1}, {buffer, 1}};
  void* descriptors[5] = {descriptor, descriptor, descriptor, descriptor, descriptor};
  ASSERT_EQ(fi_recvv(on.ep, pieces, descriptors, 4, FI_ADDR_UNSPEC, &contexts[1]), 0);
  ASSERT_EQ(on.qp().receives.size(), 2U);
  EXPECT_EQ(on.qp().receives[0].id, reinterpret_cast<uint64_t>(&contexts[0]));
  EXPECT_EQ(on.qp().receives[0].segments[0].length, 500U);
  EXPECT_EQ(on.qp().receives[1].segments.size(), 4U);
  EXPECT_EQ(fi_recvv(on.ep, pieces, descriptors, 5, FI_ADDR_UNSPEC, nullptr), -FI_EINVAL);
  EXPECT_EQ(fi_recv(on.ep, buffer, 500, nullptr, FI_ADDR_UNSPEC, nullptr), -FI_EINVAL);
  EXPECT_EQ(fi_recv(on.ep, nullptr, 0, nullptr, FI_ADDR_UNSPEC, nullptr), 0);
  EXPECT_EQ(on.qp().receives[2].segments.size(), 1U) << "the device wants a descriptor";
}

TEST_F(DirectPostTest, MoreHoldsReceivesBackToo) {
  on.info->rx_attr->size = 4;
  on.enable();
  iovec piece{buffer, 100};
  const auto post = [&](int number, uint64_t flags) {
    const fi_msg msg{&piece, &descriptor, 1, FI_ADDR_UNSPEC, &contexts[number], 0};
    return fi_recvmsg(on.ep, &msg, flags);
  };
  ASSERT_EQ(post(0, FI_MORE), 0);
  ASSERT_EQ(post(1, FI_MORE), 0);
  EXPECT_EQ(on.qp().receive_doorbells, 0);
  ASSERT_EQ(post(2, 0), 0);
  EXPECT_EQ(on.qp().receive_doorbells, 1);
  ASSERT_EQ(on.qp().receives.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(on.qp().receives[i].id, reinterpret_cast<uint64_t>(&contexts[i]));
    EXPECT_EQ(on.qp().receives[i].segments[0].length, 100U);
  }
  ASSERT_EQ(post(3, FI_MORE), 0);
  EXPECT_EQ(post(4, 0), -FI_EAGAIN);
  EXPECT_EQ(on.qp().receives.size(), 4U) << "what FI_MORE held back is posted";
  EXPECT_EQ(post(4, FI_MULTI_RECV), -FI_EOPNOTSUPP);
}

TEST_F(DirectPostTest, RemoteMemoryIsReadAndWrittenByOneRequest) {
  on.enable();
  ASSERT_EQ(fi_read(on.ep, buffer, 5000, descriptor, on.peer, 0x1000, 0x99, &contexts[0]), 0);
  ASSERT_EQ(fi_write(on.ep, buffer, 8, descriptor, on.peer, 0x2000, 0x98, &contexts[1]), 0);
  ASSERT_EQ(fi_writedata(on.ep, buffer, 8, descriptor, 0x77, on.peer, 0x3000, 0x97, &contexts[2]),
            0);
  const auto& sends = on.qp().sends;
  ASSERT_EQ(sends.size(), 3U);
  EXPECT_EQ(sends[0].opcode, IBV_WR_RDMA_READ);
  EXPECT_EQ(sends[0].rkey, 0x99U);
  EXPECT_EQ(sends[0].remote, 0x1000U);
  EXPECT_EQ(sends[0].segments[0].length, 5000U);
  EXPECT_EQ(sends[1].opcode, IBV_WR_RDMA_WRITE);
  EXPECT_EQ(sends[2].opcode, IBV_WR_RDMA_WRITE_WITH_IMM);
  EXPECT_EQ(sends[2].immediate, 0x77U);
}

TEST_F(DirectPostTest, RemoteMemoryHasItsLimits) {
  on.enable();
  const auto write = [&](size_t length, uint64_t key) {
    return fi_write(on.ep, buffer, length, descriptor, on.peer, 0x2000, key, nullptr);
  };
  EXPECT_EQ(write(0x40000001, 1), -FI_EINVAL);
  EXPECT_EQ(write(4, uint64_t{1} << 32), -FI_EINVAL) << "no key of a device";
  EXPECT_EQ(fi_write(on.ep, buffer, 4, nullptr, on.peer, 0, 1, nullptr), -FI_EINVAL);
  iovec pieces[2] = {{buffer, 4}, {buffer, 4}};
  void* descriptors[2] = {descriptor, descriptor};
  EXPECT_EQ(fi_writev(on.ep, pieces, descriptors, 2, on.peer, 0, 1, nullptr), -FI_EINVAL);
  EXPECT_TRUE(on.qp().sends.empty());
  ASSERT_EQ(fi_write(on.ep, nullptr, 0, nullptr, on.peer, 0x2000, 1, nullptr), 0);
  ASSERT_EQ(on.qp().sends[0].segments.size(), 1U);
  EXPECT_EQ(on.qp().sends[0].segments[0].length, 0U);
  EXPECT_EQ(on.qp().sends[0].segments[0].lkey, 77U) << "a segment of registered memory";
}

TEST_F(DirectPostTest, WithoutTheCapabilityThereIsNoRma) {
  on.info->caps &= ~uint64_t{FI_RMA | FI_READ | FI_WRITE};
  on.enable();
  EXPECT_EQ(fi_write(on.ep, buffer, 4, descriptor, on.peer, 0, 1, nullptr), -FI_EOPNOTSUPP);
}

TEST_F(DirectPostTest, AnInjectedWriteIsACopyUntilItIsDone) {
  on.enable();
  std::string text = "abcdefgh";
  ASSERT_EQ(fi_inject_write(on.ep, text.data(), 8, on.peer, 0x2000, 3), 0);
  text = "xxxxxxxx";
  const ibv_sge first = on.qp().sends[0].segments[0];
  EXPECT_EQ(std::string(reinterpret_cast<char*>(first.addr), 8), "abcdefgh");
  int posted = 1;
  while (fi_inject_write(on.ep, text.data(), 8, on.peer, 0x2000, 3) == 0) ++posted;
  EXPECT_EQ(posted, 255);
  fi_cq_data_entry entry;
  on.complete_send(0);
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), -FI_EAGAIN) << "injects complete in silence";
  ASSERT_EQ(fi_inject_write(on.ep, text.data(), 8, on.peer, 0x2000, 3), 0);
  EXPECT_EQ(on.qp().sends.back().segments[0].addr, first.addr) << "its copy's place is free again";
  EXPECT_EQ(fi_inject_write(on.ep, text.data(), 33, on.peer, 0x2000, 3), -FI_EOPNOTSUPP);
}

TEST_F(DirectPostTest, AnInjectedWriteByMessageStillCompletes) {
  on.enable();
  iovec piece{buffer, 8};
  fi_rma_iov remote{0x2000, 8, 3};
  const fi_msg_rma msg{&piece, &descriptor, 1, on.peer, &remote, 1, &contexts[5], 0};
  ASSERT_EQ(fi_writemsg(on.ep, &msg, FI_INJECT), 0);
  EXPECT_NE(on.qp().sends[0].segments[0].addr, reinterpret_cast<uint64_t>(buffer));
  on.complete_send(0);
  fi_cq_data_entry entry;
  ASSERT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
  EXPECT_EQ(entry.op_context, &contexts[5]);
  EXPECT_EQ(entry.flags, FI_RMA | FI_WRITE);
}

// ---- Datagrams ---------------------------------------------------------------------------------

struct DatagramPostTest : testing::Test {
  Opened on{Kind::datagram};
  char buffer[9000] = {};
};

TEST_F(DatagramPostTest, TheQueuePairIsUdWithKeyZero) {
  on.enable();
  EXPECT_EQ(on.qp().attributes.qp_type, IBV_QPT_UD);
  EXPECT_EQ(on.qp().states[0].qkey, 0U);
  EXPECT_FALSE(on.qp().masks[2] & IBV_QP_RNR_RETRY);
  Address name;
  size_t size = sizeof name;
  ASSERT_EQ(fi_getname(&on.ep->fid, &name, &size), 0);
  EXPECT_EQ(name.connid, 0U);
}

TEST_F(DatagramPostTest, ThePrefixIsNotSent) {
  on.enable();
  ASSERT_EQ(fi_send(on.ep, buffer, 40 + 100, &on.region, on.peer, nullptr), 0);
  EXPECT_EQ(on.qp().sends[0].segments[0].addr, reinterpret_cast<uint64_t>(buffer + 40));
  EXPECT_EQ(on.qp().sends[0].segments[0].length, 100U);
  EXPECT_EQ(fi_send(on.ep, buffer, 39, &on.region, on.peer, nullptr), -FI_EINVAL);
  EXPECT_EQ(fi_send(on.ep, buffer, 40 + 8928, &on.region, on.peer, nullptr), 0);
  EXPECT_EQ(fi_send(on.ep, buffer, 40 + 8929, &on.region, on.peer, nullptr), -FI_EMSGSIZE);
  iovec pieces[2] = {{buffer, 50}, {buffer + 100, 60}};
  void* descriptors[2] = {&on.region, &on.region};
  ASSERT_EQ(fi_sendv(on.ep, pieces, descriptors, 2, on.peer, nullptr), 0);
  EXPECT_EQ(on.qp().sends.back().segments[0].length, 10U);
  EXPECT_EQ(on.qp().sends.back().segments[1].length, 60U);
  pieces[0].iov_len = 39;
  EXPECT_EQ(fi_sendv(on.ep, pieces, descriptors, 2, on.peer, nullptr), -FI_EINVAL);
}

TEST_F(DatagramPostTest, ReceivesKeepTheirWholeBuffer) {
  on.enable();
  ASSERT_EQ(fi_recv(on.ep, buffer, 1000, &on.region, FI_ADDR_UNSPEC, nullptr), 0);
  EXPECT_EQ(on.qp().receives[0].segments[0].addr, reinterpret_cast<uint64_t>(buffer));
  EXPECT_EQ(on.qp().receives[0].segments[0].length, 1000U);
}

TEST_F(DatagramPostTest, ThereIsNoRemoteMemory) {
  on.enable();
  EXPECT_EQ(fi_write(on.ep, buffer, 4, &on.region, on.peer, 0, 1, nullptr), -FI_ENOSYS);
}

}  // namespace
}  // namespace efa::fi::test
