// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "datapath/grh.hpp"
#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

constexpr Qp::Options kUd{.type = EFA_QP_TYPE_UD};

TEST(Datagram, LiesBehindFortyBytesOfHeaderThatCountAsReceived) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(3, to, 200);
  pair.a.post(send_to(pair.to_b, 1).imm(5).inlined("payload"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  const Cqe cqe = pair.b.recv_cq->only();
  EXPECT_EQ(cqe.length(), 47u);
  EXPECT_EQ(cqe.imm(), 5u);
  EXPECT_EQ(cqe.source_qp(), pair.a.number);
  EXPECT_EQ(to.text(40, 7), "payload");
}

TEST(Datagram, HeaderNamesBothEnds) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(3, to, 200);
  pair.a.post(send_to(pair.to_b).inlined("12345"));
  pair.rig.settle();
  const auto* grh = reinterpret_cast<const std::uint8_t*>(to.bytes());
  EXPECT_EQ(grh[0] >> 4, 6);
  EXPECT_EQ(grh[4] << 8 | grh[5], 5);
  EXPECT_EQ(std::memcmp(grh + 8, pair.left().gid().raw.data(), 16), 0);
  EXPECT_EQ(std::memcmp(grh + 24, pair.right().gid().raw.data(), 16), 0);
}

TEST(Datagram, HeaderMaySpreadOverSeveralBuffers) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(3, {{to, 40}, {to, 4, 100}, {to, 100, 200}});
  pair.a.post(send_to(pair.to_b).inlined("headtail"));
  pair.rig.settle();
  EXPECT_EQ(to.text(100, 4), "head");
  EXPECT_EQ(to.text(200, 4), "tail");
}

TEST(Datagram, OfTheMtuFitsWithItsHeader) {
  Pair pair("efa2", kUd);
  const std::uint32_t mtu = pair.left().rig.device.profile().mtu;
  const Region from = pair.left().region(2 * mtu);
  const Region to = pair.right().region(2 * mtu);
  from.fill(3);
  pair.b.post_recv(3, to, static_cast<std::uint16_t>(mtu + kGrhBytes));
  pair.a.post(send_to(pair.to_b).sge(from, mtu / 2).sge(from, mtu - mtu / 2, mtu / 2));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().length(), mtu + kGrhBytes);
  EXPECT_EQ(std::memcmp(to.bytes() + kGrhBytes, from.bytes(), mtu), 0);
}

TEST(Datagram, OfNoBytesIsOnlyTheHeader) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(3, to, 40);
  pair.a.post(send_to(pair.to_b));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().length(), 40u);
}

TEST(Datagram, WithoutReceiveIsDroppedAndCounted) {
  Pair pair("efa2", kUd);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.right().path.drops().no_receive, 1u);
  EXPECT_EQ(pair.right().stats().rx_drops, 1u);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.rig.finish();
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
}

TEST(Datagram, ThatDoesNotFitIsDroppedAndTheReceiveStays) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 44);
  pair.a.post(send_to(pair.to_b).inlined("12345"));
  pair.a.post(send_to(pair.to_b).inlined("1234"));
  pair.rig.settle();
  EXPECT_EQ(pair.right().path.drops().receive_too_small, 1u);
  EXPECT_EQ(pair.right().stats().rx_drops, 1u);
  EXPECT_EQ(pair.b.recv_cq->only().length(), 44u);
  for (const Cqe& cqe : pair.a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
}

TEST(Datagram, WithTheWrongQkeyIsDroppedAndCounted) {
  Pair pair("efa2", kUd);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  Address wrong = pair.to_b;
  ++wrong.qkey;
  pair.a.post(send_to(wrong).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.right().stats().qkey_viol, 1u);
  EXPECT_EQ(pair.right().stats().rx_drops, 1u);
  EXPECT_EQ(pair.right().path.drops().bad_qkey, 1u);
}

TEST(Datagram, ToNobodyIsDroppedAndSucceeds) {
  Pair pair("efa2", kUd);
  const std::uint16_t ah = pair.left().ah(Gid::from_mac({2, 0, 0, 0, 0, 99}));
  pair.a.post(send_to({ah, 1, kQkey}).inlined("x"));
  pair.a.post(send_to({pair.to_b.ah, 0xfff0, kQkey}).inlined("x"));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.left().path.drops().unreachable, 1u);
  EXPECT_EQ(pair.right().path.drops().no_queue_pair, 1u);
}

TEST(Datagram, ToAReceiveThatMayNotBeWrittenSucceedsForTheSender) {
  Pair pair("efa2", kUd);
  pair.b.post_recv(6, {{0x1000, 64, 0xfffff}});
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.b.recv_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  EXPECT_EQ(pair.right().path.drops().bad_receive_buffer, 1u);
}

TEST(Datagram, NeedsNoHandleAtTheReceiver) {
  FabricRig rig(2);
  Qp& a = rig[0].qp(kUd);
  Qp& b = rig[1].qp(kUd);
  const Region to = rig[1].region(4096);
  b.post_recv(1, to, 64);
  a.post(send_to(rig[0].address_of(b)).inlined("x"));
  rig.settle();
  EXPECT_EQ(b.recv_cq->only().ah(), EFA_AH_INVALID);
}

TEST(Datagram, SenderFaultShowsAtTheSender) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}), kUd);
    const Region to = pair.right().region(4096);
    const Region from = pair.left().region(4096);
    pair.b.post_recv(1, to, 64);
    pair.a.post(send_to(pair.to_b).sge(0x1000, 8, 0xfffff));
    pair.left().rig.memory.hide(from.addr, 4096);
    pair.a.post(send_to(pair.to_b).sge(from, 8));
    pair.rig.finish();
    for (const Cqe& cqe : pair.a.send_cq->drain())
      EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
    EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  }
}

TEST(Datagram, UnderWayKeepsTheBytesItWasSentWith) {
  Pair pair(impaired({.delay = kMillisecond}), kUd);
  const Region from = pair.left().region(4096);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.b.post_recv(2, to, 64, 1024);
  from.put("before");
  pair.a.post(send_to(pair.to_b).sge(from, 6));
  pair.a.post(send_to(pair.to_b).inlined("inline"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 2u);
  from.put("after!");
  pair.a.destroy();
  pair.rig.advance(kMillisecond);
  EXPECT_EQ(pair.b.recv_cq->drain().size(), 2u);
  EXPECT_EQ(to.text(40, 6), "before");
  EXPECT_EQ(to.text(1024 + 40, 6), "inline");
}

TEST(Datagram, MayBeLostOrDuplicated) {
  for (const double chance : {0.0, 0.3}) {
    Pair pair(impaired({.loss = chance, .duplicate = 0.5 - chance}),
              {.type = EFA_QP_TYPE_UD, .depth = 256, .descriptors = 1024});
    const Region to = pair.right().region(4096);
    for (std::uint16_t i = 0; i < 512; ++i) pair.b.post_recv(i, to, 64);
    for (std::uint16_t i = 0; i < 200; ++i) pair.a.post(send_to(pair.to_b, i).inlined("x"));
    pair.rig.finish();
    EXPECT_EQ(pair.a.send_cq->drain().size(), 200u);
    const std::size_t received = pair.b.recv_cq->drain().size();
    if (chance == 0)
      EXPECT_GT(received, 250u);
    else
      EXPECT_LT(received, 200u);
  }
}

}  // namespace
}  // namespace efa::emu::test
