// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include <set>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// Sends `count` inline messages from `a` to `b`, one at a time, each received and polled.
void ping(Pair& pair, const Region& to, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    pair.b.post_recv(static_cast<std::uint16_t>(i), to, 64);
    pair.a.post(send_to(pair.to_b, static_cast<std::uint16_t>(i)).inlined("x"));
    pair.rig.settle();
    ASSERT_EQ(pair.a.send_cq->only().id(), i);
    ASSERT_EQ(pair.b.recv_cq->only().id(), i);
  }
}

TEST(Completion, PhaseFlipsWithEveryWrapOfTheRing) {
  Pair pair;
  Cq& cq = pair.right().cq({.depth = 8});
  Qp& target = pair.right().qp({.send_cq = &cq, .recv_cq = &cq});
  const Region to = pair.right().region(4096);
  const Address address = pair.left().address_of(target);
  for (std::uint16_t i = 0; i < 50; ++i) {
    target.post_recv(i, to, 64);
    pair.a.post(send_to(address).inlined("x"));
    pair.rig.settle();
    const Cqe cqe = cq.only();
    ASSERT_EQ(cqe.id(), i);
    ASSERT_EQ(efa_cdesc_common_phase(&cqe.raw.base.common), i / 8 % 2 == 0 ? 1u : 0u);
  }
}

TEST(Completion, OfSixteenBytesHasNoneOfTheExtension) {
  FabricRig rig(2);
  Cq& narrow = rig[1].cq({.entry_size = sizeof(efa_rx_cdesc)});
  Qp& a = rig[0].qp();
  Qp& b = rig[1].qp({.send_cq = &narrow, .recv_cq = &narrow});
  const Region to = rig[1].region(4096);
  const Region remote = rig[1].region(100'000);
  const Region local = rig[0].region(100'000);
  rig[1].ah(rig[0]);
  for (std::uint16_t i = 0; i < 3; ++i) b.post_recv(i, to, 64);
  const Address to_b = rig[0].address_of(b);
  a.post(send_to(to_b).inlined("one"));
  a.post(write_to(to_b).imm(6).remote(remote, 100'000).sge(local, 100'000));
  a.post(send_to(to_b).inlined("three"));
  rig.settle();
  const auto cqes = narrow.drain();
  ASSERT_EQ(cqes.size(), 3u);
  EXPECT_EQ(cqes[0].length(), 3u);
  EXPECT_EQ(cqes[1].length(), 100'000u & 0xffff);
  EXPECT_EQ(cqes[2].length(), 5u);
}

TEST(Completion, UnusedBytesAreZero) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b, 0x1234).imm(5).inlined("x"));
  pair.rig.settle();
  const Cqe sent = pair.a.send_cq->only();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&sent.raw);
  for (std::size_t i = sizeof(efa_cdesc_common); i < sizeof sent.raw; ++i)
    EXPECT_EQ(bytes[i], 0) << "byte " << i;
  const Cqe received = pair.b.recv_cq->only();
  bytes = reinterpret_cast<const std::uint8_t*>(&received.raw);
  for (std::size_t i = sizeof(efa_rx_cdesc); i < sizeof received.raw; ++i)
    EXPECT_EQ(bytes[i], 0) << "byte " << i;
}

TEST(Completion, NamesTheReceiversOwnHandleForTheSender) {
  Pair pair;
  // Shifts the numbers so that the two devices' handles for one another differ.
  pair.right().ah(pair.right());
  const std::uint16_t own = pair.right().ah(pair.left());
  const Region to = pair.right().region(4096);
  ping(pair, to, 1);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().ah(), own);
}

TEST(Completion, OfAnUnknownSenderCarriesItsGid) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Cq& with = rig[1].cq({.source_address = true});
  Cq& without = rig[1].cq();
  Qp& b = rig[1].qp({.recv_cq = &with});
  Qp& c = rig[1].qp({.recv_cq = &without});
  const Region to = rig[1].region(4096);
  b.post_recv(1, to, 64);
  c.post_recv(1, to, 64);
  a.post(send_to(rig[0].address_of(b)).inlined("x"));
  a.post(send_to(rig[0].address_of(c)).inlined("x"));
  rig.settle();
  const Cqe told = with.only();
  EXPECT_EQ(told.ah(), EFA_AH_INVALID);
  EXPECT_EQ(told.source_gid(), rig[0].gid());
  const Cqe untold = without.only();
  EXPECT_EQ(untold.ah(), EFA_AH_INVALID);
  EXPECT_TRUE(untold.source_gid().is_zero());
}

TEST(Completion, OfAKnownSenderCarriesNoGid) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Cq& with = rig[1].cq({.source_address = true});
  Qp& b = rig[1].qp({.recv_cq = &with});
  const std::uint16_t ah = rig[1].ah(rig[0]);
  const Region to = rig[1].region(4096);
  b.post_recv(1, to, 64);
  a.post(send_to(rig[0].address_of(b)).inlined("x"));
  rig.settle();
  const Cqe cqe = with.only();
  EXPECT_EQ(cqe.ah(), ah);
  EXPECT_TRUE(cqe.source_gid().is_zero());
}

TEST(Completion, HandleOfAnotherDomainIsNotTheReceivers) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Qp& b = rig[1].qp();
  rig[1].ah(rig[0].gid(), rig[1].rig.pd());
  const Region to = rig[1].region(4096);
  b.post_recv(1, to, 64);
  a.post(send_to(rig[0].address_of(b)).inlined("x"));
  rig.settle();
  EXPECT_EQ(b.recv_cq->only().ah(), EFA_AH_INVALID);
}

TEST(Completion, LengthOfAWriteHasAnUpperHalf) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  // The source address would lie on the same bytes.
  Cq& with = rig[1].cq({.source_address = true});
  Qp& b = rig[1].qp({.recv_cq = &with});
  Qp& elsewhere = rig[1].qp({.pd = rig[1].rig.pd()});
  (void)elsewhere;
  rig[1].ah(rig[0]);
  const std::uint32_t length = 0x123456;
  const Region local = rig[0].region(length);
  const Region remote = rig[1].region(length);
  b.post_recv(1, remote, 64);
  a.post(write_to(rig[0].address_of(b)).imm(0).remote(remote, length).sge(local, length));
  rig.settle();
  const Cqe cqe = with.only();
  EXPECT_EQ(cqe.raw.base.length, length & 0xffff);
  EXPECT_EQ(cqe.raw.u.rdma_write.length_hi, length >> 16);
}

TEST(Completion, Returns64BitRequestIds) {
  Pair pair("efa4", {.id64 = true});
  const Region to = pair.right().region(4096);
  const std::uint64_t id = 0xfedcba9876543210;
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).id64(id).inlined("x"));
  pair.a.post(Wqe(EFA_SEND_OP_TYPE_SEND, {0x7777, 1, 0}).id64(~id));  // fails
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_EQ(cqes[0].id64(), id);
  EXPECT_EQ(cqes[1].id64(), ~id);
  EXPECT_EQ(cqes[1].status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);
}

TEST(Completion, UpperHalfOfTheRequestIdNeedsTheFeature) {
  Pair pair("efa4");
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).id64(0x1111222233334444).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().id64(), 0x4444u);
}

TEST(Completion, GoesToTheSubQueueOfItsQueuePair) {
  FabricRig rig(2, "efa2", {.sub_cqs_per_cq = 4});
  Node& node = rig[0];
  const std::uint16_t depth = 8;
  efa_create_cq_cmd cmd = node.rig.cq_command(node.uar, depth);
  const DmaAddr ring = efa_mem_addr_get(&cmd.cq_ba);
  const std::uint16_t cq = node.rig.create_cq(cmd).body.cq_idx;
  std::set<std::uint16_t> used;
  for (int i = 0; i < 4; ++i) {
    const auto answer = node.rig.create_qp(node.rig.qp_command(node.pd, node.uar, cq));
    ASSERT_TRUE(answer.ok());
    node.rig.bring_up(answer.body.qp_handle);
    Wqe wqe = send_to({0xfff0, 0, 0}, 0x55);  // no such handle: completes at once
    std::memcpy(node.rig.llq.data() + answer.body.llq_descriptors_offset, &wqe.raw, 64);
    *node.rig.device.doorbell_word(answer.body.sq_db_offset) = 1;
    rig.settle();
    const std::uint16_t sub = answer.body.send_sub_cq_idx;
    const auto& cqe =
        node.rig.memory.at<efa_rx_cdesc_ex>(ring + sub * depth * sizeof(efa_rx_cdesc_ex));
    EXPECT_EQ(efa_cdesc_common_phase(&cqe.base.common), 1u);
    EXPECT_EQ(cqe.base.common.qp_num, answer.body.qp_num);
    used.insert(sub);
  }
  EXPECT_EQ(used.size(), 4u);
}

TEST(Completion, FullQueueOverwritesItsOldestEntry) {
  Pair pair("efa2", {.unsolicited = true});
  Cq& small = pair.right().cq({.depth = 4});
  Qp& target = pair.right().qp({.unsolicited = true, .recv_cq = &small});
  const Address to = pair.left().address_of(target);
  for (std::uint32_t i = 0; i < 6; ++i) pair.a.post(write_to(to).imm(i).remote(0, 0, 0));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 6u);
  EXPECT_EQ(small.device_side().cqes(), 6u);
  std::set<std::uint32_t> imms;
  for (unsigned slot = 0; slot < 4; ++slot)
    imms.insert(pair.right().rig.memory.at<efa_rx_cdesc_ex>(small.ring() + slot * 32).base.imm);
  EXPECT_EQ(imms, (std::set<std::uint32_t>{2, 3, 4, 5}));
}

TEST(Completion, RingThatIsNotMappedAnyMoreHarmsNobodyElse) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.right().rig.memory.hide(pair.b.recv_cq->ring(), 4096);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

// --- Events

struct Armed {
  explicit Armed(const std::string& generation = "efa2")
      : pair(generation),
        eq(pair.right().rig.eq(3)),
        cq(pair.right().cq({.depth = 64, .eq = eq})),
        target(pair.right().qp({.recv_cq = &cq})),
        to(pair.right().region(4096)),
        address(pair.left().address_of(target)) {
    pair.right().rig.device.write_register(EFA_REG_EQ_DB,
                                           efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  }

  void message() {
    target.post_recv(0, to, 64);
    pair.a.post(send_to(address).inlined("x"));
    pair.rig.settle();
  }
  std::size_t events() { return pair.right().rig.interrupts.count(3); }
  void rearm_eq() {
    pair.right().rig.device.write_register(EFA_REG_EQ_DB,
                                           efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1));
  }

  Pair pair;
  std::uint16_t eq;
  Cq& cq;
  Qp& target;
  Region to;
  Address address;
};

TEST(CompletionEvent, FollowsTheFirstCompletionAfterArming) {
  Armed armed;
  armed.cq.doorbell(true, 0);
  armed.pair.rig.settle();
  EXPECT_EQ(armed.events(), 0u);
  armed.message();
  EXPECT_EQ(armed.events(), 1u);
  armed.rearm_eq();
  armed.message();
  EXPECT_EQ(armed.events(), 1u) << "one arm, one event";
}

TEST(CompletionEvent, DoesNotComeUnasked) {
  Armed armed;
  armed.message();
  armed.message();
  EXPECT_EQ(armed.events(), 0u);
}

TEST(CompletionEvent, ComesAtOnceIfCompletionsWereMissed) {
  Armed armed;
  armed.message();
  armed.cq.doorbell(true, 0);  // reports 0 consumed
  armed.pair.rig.settle();
  EXPECT_EQ(armed.events(), 1u);
}

TEST(CompletionEvent, IsArmedAgainWithTheNextCommandNumber) {
  Armed armed;
  for (std::uint32_t sn = 0; sn < 9; ++sn) {
    armed.cq.drain();
    armed.cq.doorbell(true, sn);
    armed.pair.rig.settle();
    EXPECT_EQ(armed.events(), sn);
    armed.message();
    EXPECT_EQ(armed.events(), sn + 1);
    armed.rearm_eq();
  }
}

TEST(CompletionEvent, StaleCommandNumberArmsNothing) {
  Armed armed;
  armed.cq.doorbell(true, 0);
  armed.message();
  armed.rearm_eq();
  armed.cq.drain();
  armed.cq.doorbell(true, 0);  // its event is already out
  armed.message();
  EXPECT_EQ(armed.events(), 1u);
}

TEST(CompletionEvent, SurvivesAConsumerReportThatHidTheArming) {
  Armed armed;
  armed.cq.doorbell(true, 0);
  armed.message();
  armed.rearm_eq();
  armed.cq.drain();
  // Both stores happen before the engine looks: it sees only the second.
  armed.cq.doorbell(true, 1);
  armed.cq.doorbell(false, 1);
  armed.message();
  EXPECT_EQ(armed.events(), 2u);
}

TEST(CompletionEvent, ReportWithoutArmingDoesNotDisarm) {
  Armed armed;
  armed.cq.doorbell(true, 0);
  armed.pair.rig.settle();
  armed.cq.doorbell(false, 0);
  armed.pair.rig.settle();
  armed.message();
  EXPECT_EQ(armed.events(), 1u);
}

TEST(CompletionEvent, LaggingConsumerIndexOnlyMakesItEarly) {
  Armed armed;
  armed.message();
  armed.message();
  (void)armed.cq.poll();  // the other one was dropped without being counted
  armed.cq.doorbell(true, 0);
  armed.pair.rig.settle();
  EXPECT_EQ(armed.events(), 1u);
}

TEST(CompletionEvent, EntryOfTheEventQueueFollowsTheCompletion) {
  Armed armed;
  armed.cq.doorbell(true, 0);
  armed.message();
  EXPECT_TRUE(armed.cq.poll().has_value());
}

}  // namespace
}  // namespace efa::emu::test
