// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

constexpr std::string_view kEighty =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&/()=?+*~-_.,;";
static_assert(kEighty.size() == EFA_INLINE_128);

TEST(Send, ArrivesWithItsBytesAndCompletesOnBothSides) {
  Pair pair;
  const Region from = pair.left().region(4096);
  const Region to = pair.right().region(4096);
  from.put("hello");
  pair.b.post_recv(7, to, 4096);
  pair.a.post(send_to(pair.to_b, 3).sge(from, 5));
  pair.rig.settle();

  const Cqe sent = pair.a.send_cq->only();
  EXPECT_EQ(sent.status(), EFA_COMP_STATUS_OK);
  EXPECT_TRUE(sent.is_send());
  EXPECT_EQ(sent.op(), EFA_SEND_OP_TYPE_SEND);
  EXPECT_EQ(sent.id(), 3);
  EXPECT_EQ(sent.qp(), pair.a.number);
  EXPECT_FALSE(sent.has_imm());
  EXPECT_FALSE(sent.unsolicited());

  const Cqe received = pair.b.recv_cq->only();
  EXPECT_EQ(received.status(), EFA_COMP_STATUS_OK);
  EXPECT_FALSE(received.is_send());
  EXPECT_EQ(received.op(), EFA_SEND_OP_TYPE_SEND);
  EXPECT_EQ(received.id(), 7);
  EXPECT_EQ(received.qp(), pair.b.number);
  EXPECT_EQ(received.length(), 5u);
  EXPECT_EQ(received.source_qp(), pair.a.number);
  EXPECT_FALSE(received.has_imm());
  EXPECT_EQ(to.text(0, 5), "hello");
}

TEST(Send, CarriesItsImmediateValueAsANumber) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).imm(0x12345678).inlined("x"));
  pair.rig.settle();
  EXPECT_FALSE(pair.a.send_cq->only().has_imm());
  const Cqe received = pair.b.recv_cq->only();
  EXPECT_TRUE(received.has_imm());
  EXPECT_EQ(received.imm(), 0x12345678u);
}

TEST(Send, WithoutImmediateReportsNone) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  Wqe wqe = send_to(pair.to_b).inlined("x");
  wqe.raw.meta.immediate_data = 99;  // not announced by has_imm
  pair.a.post(wqe);
  pair.rig.settle();
  const Cqe received = pair.b.recv_cq->only();
  EXPECT_FALSE(received.has_imm());
  EXPECT_EQ(received.imm(), 0u);
}

TEST(Send, InlineUsesAllOfANarrowWqe) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined(kEighty.substr(0, EFA_INLINE_64)));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.b.recv_cq->only().length(), 32u);
  EXPECT_EQ(to.text(0, 33), std::string(kEighty.substr(0, 32)) + '\0');
}

TEST(Send, InlineUsesEightyBytesOfAWideWqe) {
  Pair pair("efa3", {.wide = true});
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 128);
  pair.a.post(send_to(pair.to_b).inlined(kEighty));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(to.text(0, 80), kEighty);
}

TEST(Send, MoreInlineBytesThanTheWqeHoldsIsBadLength) {
  Pair pair("efa3", {.wide = true});
  Qp& narrow = pair.left().qp();
  Wqe wqe = send_to(pair.to_b).inlined("x");
  wqe.raw.meta.length = 33;
  narrow.post(wqe);
  wqe.raw.meta.length = 81;
  pair.a.post(wqe);
  pair.rig.settle();
  EXPECT_EQ(narrow.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST(Send, GathersTwoSgesInOrder) {
  for (const bool wide : {false, true}) {
    Pair pair("efa3", {.wide = wide});
    const Region from = pair.left().region(8192);
    const Region to = pair.right().region(4096);
    from.put("first", 100);
    from.put("second", 5000);
    pair.b.post_recv(1, to, 64);
    pair.a.post(send_to(pair.to_b).sge(from, 5, 100).sge(from, 6, 5000));
    pair.rig.settle();
    EXPECT_EQ(pair.b.recv_cq->only().length(), 11u);
    EXPECT_EQ(to.text(0, 11), "firstsecond");
  }
}

TEST(Send, SkipsAnEmptySge) {
  Pair pair;
  const Region from = pair.left().region(4096);
  const Region to = pair.right().region(4096);
  from.put("body");
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).sge(0, 0, 0).sge(from, 4));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(to.text(0, 4), "body");
}

TEST(Send, OfNoBytesIsAMessage) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (std::uint16_t id = 0; id < 3; ++id) pair.b.post_recv(id, to, 64);
  pair.a.post(send_to(pair.to_b));
  pair.a.post(send_to(pair.to_b).inlined(""));
  pair.a.post(send_to(pair.to_b).sge(0, 0, 0));
  pair.rig.settle();
  for (const Cqe& cqe : pair.a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  const auto received = pair.b.recv_cq->drain();
  ASSERT_EQ(received.size(), 3u);
  for (const Cqe& cqe : received) EXPECT_EQ(cqe.length(), 0u);
}

TEST(Send, OfTheMtuPassesAndOfOneByteMoreDoesNot) {
  Pair pair;
  const std::uint32_t mtu = pair.left().rig.device.profile().mtu;
  const Region from = pair.left().region(2 * mtu);
  const Region to = pair.right().region(2 * mtu);
  from.fill(3);
  pair.b.post_recv(1, to, static_cast<std::uint16_t>(mtu));
  pair.a.post(send_to(pair.to_b, 1).sge(from, mtu));
  pair.a.post(send_to(pair.to_b, 2).sge(from, mtu).sge(from, 1));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_EQ(cqes[0].status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(cqes[1].status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_TRUE(from.same(to, mtu));
  EXPECT_EQ(pair.b.recv_cq->only().length(), mtu);
}

TEST(Send, TotalsThatOverflow32BitsAreBadLength) {
  Pair pair;
  pair.a.post(send_to(pair.to_b).sge(0, 0xffffffff, 0).sge(0, 2, 0));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST(Send, ReachesTheQueuePairItNamesAmongMany) {
  Pair pair;
  std::vector<Qp*> targets;
  for (int i = 0; i < 5; ++i) targets.push_back(&pair.right().qp());
  const Region to = pair.right().region(4096);
  for (Qp* qp : targets) qp->post_recv(1, to, 64);
  pair.a.post(send_to(pair.left().address_of(*targets[3])).inlined("x"));
  pair.rig.settle();
  for (std::size_t i = 0; i < targets.size(); ++i)
    EXPECT_EQ(targets[i]->recv_cq->drain().size(), i == 3 ? 1u : 0u);
}

TEST(Send, GoesToSeveralHostsFromOneQueuePair) {
  FabricRig rig(4);
  Qp& sender = rig[0].qp();
  std::vector<Qp*> targets;
  for (unsigned i = 1; i < 4; ++i) {
    targets.push_back(&rig[i].qp());
    const Region to = rig[i].region(4096);
    targets.back()->post_recv(static_cast<std::uint16_t>(i), to, 64);
    sender.post(send_to(rig[0].address_of(*targets.back())).inlined("x"));
  }
  rig.settle();
  EXPECT_EQ(sender.send_cq->drain().size(), 3u);
  for (Qp* qp : targets) EXPECT_EQ(qp->recv_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(Send, WorksBetweenAllGenerations) {
  for (const char* name : {"efa0", "efa1", "efa2", "efa3", "efa4"}) {
    Topology topology = uniform_topology(2, 1, name);
    topology.hosts[1].generation = "efa0";
    Pair pair(topology);
    const Region to = pair.right().region(4096);
    pair.b.post_recv(1, to, 64);
    pair.a.post(send_to(pair.to_b).inlined(name));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK) << name;
    EXPECT_EQ(to.text(0, 4), name);
  }
}

}  // namespace
}  // namespace efa::emu::test
