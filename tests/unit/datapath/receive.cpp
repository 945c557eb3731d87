// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

TEST(Receive, ScattersOverItsDescriptorsInOrder) {
  Pair pair;
  const Region to = pair.right().region(3 * 4096);
  pair.b.post_recv(9, {{to, 4}, {to, 3, 4096}, {to, 100, 8192}});
  pair.a.post(send_to(pair.to_b).inlined("aaaabbbccccc"));
  pair.rig.settle();
  const Cqe cqe = pair.b.recv_cq->only();
  EXPECT_EQ(cqe.id(), 9);
  EXPECT_EQ(cqe.length(), 12u);
  EXPECT_EQ(to.text(0, 5), std::string("aaaa\0", 5));
  EXPECT_EQ(to.text(4096, 4), std::string("bbb\0", 4));
  EXPECT_EQ(to.text(8192, 5), "ccccc");
}

TEST(Receive, BoundariesAreFoundByLastWhenFirstIsOnEveryDescriptor) {
  Pair pair;
  const Region to = pair.right().region(4 * 4096);
  pair.b.stage_recv(5, {{to, 2}, {to, 64, 4096}}, true);
  pair.b.stage_recv(6, {{to, 2, 8192}, {to, 64, 3 * 4096}}, true);
  pair.b.ring_rq();
  pair.a.post(send_to(pair.to_b).inlined("one"));
  pair.a.post(send_to(pair.to_b).inlined("two"));
  pair.rig.settle();
  const auto cqes = pair.b.recv_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_EQ(cqes[0].id(), 5);
  EXPECT_EQ(cqes[1].id(), 6);
  EXPECT_EQ(to.text(0, 2) + to.text(4096, 1), "one");
  EXPECT_EQ(to.text(8192, 2) + to.text(3 * 4096, 1), "two");
}

TEST(Receive, IdOfTheFirstDescriptorCounts) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.stage_recv(5, {{to, 2}, {to, 64, 64}});
  auto& second = pair.right().rig.memory.at<efa_rx_desc>(pair.b.rq_ring() + sizeof(efa_rx_desc));
  second.req_id = 77;
  pair.b.ring_rq();
  pair.a.post(send_to(pair.to_b).inlined("abc"));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().id(), 5);
}

TEST(Receive, WqeOfManyDescriptorsWrapsAroundTheRing) {
  Pair pair("efa2", {.descriptors = 4});
  const Region to = pair.right().region(4096);
  for (int round = 0; round < 9; ++round) {
    pair.b.post_recv(static_cast<std::uint16_t>(round), {{to, 1}, {to, 1, 1}, {to, 62, 2}});
    pair.a.post(send_to(pair.to_b).inlined("wrap" + std::to_string(round)));
    pair.rig.settle();
    ASSERT_EQ(pair.b.recv_cq->only().id(), round);
    EXPECT_EQ(to.text(0, 5), "wrap" + std::to_string(round));
  }
}

TEST(Receive, SkipsEmptyBuffersWhateverTheirKey) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, {{0, 0, 0xffffff}, {to, 64}, {0, 0, 0}});
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(Receive, ThatIsTooSmallStaysPostedForAShorterMessage) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(4, {{to, 2}, {to, 1, 64}});
  pair.a.post(send_to(pair.to_b, 1).inlined("long"));
  pair.a.post(send_to(pair.to_b, 2).inlined("fit"));
  pair.rig.settle();
  const auto sent = pair.a.send_cq->drain();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH);
  EXPECT_EQ(sent[1].status(), EFA_COMP_STATUS_OK);
  const Cqe received = pair.b.recv_cq->only();
  EXPECT_EQ(received.id(), 4);
  EXPECT_EQ(received.length(), 3u);
}

TEST(Receive, SpansPagesThatAreNotAdjacentInHostMemory) {
  Pair pair;
  Node& right = pair.right();
  // Two pages in reverse order, presented as one region.
  const DmaAddr pages = right.rig.memory.allocate(8192);
  efa_reg_mr_cmd cmd = right.rig.mr_command(right.pd, 0x7000'0000, 8192);
  cmd.pbl.inline_pbl_array[0] = pages + 4096;
  cmd.pbl.inline_pbl_array[1] = pages;
  const auto key = right.rig.reg_mr(cmd).body.l_key;
  const Region from = pair.left().region(4096);
  from.fill(5);
  pair.b.post_recv(1, {{0x7000'0000 + 4000, 4096, key}});
  pair.a.post(send_to(pair.to_b).sge(from, 4096));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(std::memcmp(&right.rig.memory.at<std::byte>(pages + 4096 + 4000), from.bytes(), 96), 0);
  EXPECT_EQ(std::memcmp(&right.rig.memory.at<std::byte>(pages), from.bytes() + 96, 4000), 0);
}

TEST(Receive, FullRingOfReceivesIsUsable) {
  Pair pair("efa2", {.descriptors = 8});
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 8; ++i) pair.b.stage_recv(i, {{to, 64}});
  pair.b.ring_rq();
  for (std::uint16_t i = 0; i < 8; ++i) pair.a.post(send_to(pair.to_b, i).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 8u);
  EXPECT_EQ(pair.b.recv_cq->drain().size(), 8u);
}

TEST(Receive, WqeWhoseEndIsNotPostedYetIsNotThere) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.stage_recv(1, {{to, 2}, {to, 64, 64}});
  pair.b.ring_rq(1);
  pair.a.post(send_to(pair.to_b).inlined("abc"));
  pair.rig.settle();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.b.ring_rq(2);
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(Receive, RingWithoutAnyEndFailsTheQueuePair) {
  Pair pair("efa2", {.descriptors = 4});
  const Region to = pair.right().region(4096);
  pair.b.stage_recv(1, {{to, 1}, {to, 1}, {to, 1}, {to, 1}});
  auto& last = pair.right().rig.memory.at<efa_rx_desc>(pair.b.rq_ring() + 3 * sizeof(efa_rx_desc));
  efa_rx_desc_set_last(&last, 0);
  pair.b.ring_rq();
  pair.a.post(send_to(pair.to_b).inlined("abc"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_EQ(pair.b.state(), EFA_QP_STATE_ERR);
}

TEST(Receive, RingThatIsNotMappedAnyMoreFailsTheQueuePair) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.right().rig.memory.hide(pair.b.rq_ring(), 4096);
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.a.post(send_to(pair.to_b, 2).inlined("x"));
  pair.rig.settle();
  for (const Cqe& cqe : pair.a.send_cq->drain())
    EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_EQ(pair.b.state(), EFA_QP_STATE_ERR);
}

TEST(Receive, QueuesOfDifferentQueuePairsFillOneCompletionQueue) {
  Pair pair;
  Cq& shared = pair.right().cq({.depth = 256});
  Qp& one = pair.right().qp({.recv_cq = &shared});
  Qp& two = pair.right().qp({.recv_cq = &shared});
  const Region to = pair.right().region(4096);
  one.post_recv(1, to, 64);
  two.post_recv(2, to, 64);
  pair.a.post(send_to(pair.left().address_of(two)).inlined("x"));
  pair.a.post(send_to(pair.left().address_of(one)).inlined("x"));
  pair.rig.settle();
  const auto cqes = shared.drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_EQ(cqes[0].qp(), two.number);
  EXPECT_EQ(cqes[1].qp(), one.number);
}

}  // namespace
}  // namespace efa::emu::test
