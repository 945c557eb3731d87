// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

std::vector<std::uint16_t> flushed_ids(Cq& cq) {
  std::vector<std::uint16_t> ids;
  for (const Cqe& cqe : cq.drain()) {
    EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_FLUSHED);
    ids.push_back(cqe.id());
  }
  return ids;
}

using Ids = std::vector<std::uint16_t>;

TEST(QueuePairState, ErrorFlushesWhatIsPostedOnBothQueues) {
  Pair pair;
  const Region to = pair.right().region(4096);
  // Under way, not yet fetched, and receives.
  pair.b.post(send_to(pair.to_a, 1).inlined("x"));
  pair.rig.settle();
  pair.b.post(send_to(pair.to_a, 2).inlined("x"));
  pair.b.post_recv(3, {{to, 1}, {to, 1}});
  pair.b.post_recv(4, to, 64);
  EXPECT_EQ(pair.b.modify(EFA_QP_STATE_ERR), kSuccess);
  EXPECT_EQ(flushed_ids(*pair.b.send_cq), (Ids{1, 2}));
  const auto receives = pair.b.recv_cq->drain();
  ASSERT_EQ(receives.size(), 2u);
  EXPECT_EQ(receives[0].id(), 3);
  EXPECT_EQ(receives[1].id(), 4);
  for (const Cqe& cqe : receives) {
    EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_FLUSHED);
    EXPECT_FALSE(cqe.is_send());
    EXPECT_EQ(cqe.qp(), pair.b.number);
    EXPECT_EQ(cqe.ah(), EFA_AH_INVALID);
  }
}

TEST(QueuePairState, ErrorFlushesWhatIsPostedLater) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.modify(EFA_QP_STATE_ERR);
  for (int round = 0; round < 3; ++round) {
    pair.b.post(send_to(pair.to_a, 7).inlined("x"));
    pair.b.post_recv(8, to, 64);
    pair.rig.settle();
    EXPECT_EQ(flushed_ids(*pair.b.send_cq), Ids{7});
    EXPECT_EQ(flushed_ids(*pair.b.recv_cq), Ids{8});
  }
}

TEST(QueuePairState, FlushedOperationsKeepTheirKind) {
  Pair pair;
  pair.a.modify(EFA_QP_STATE_ERR);
  pair.a.post(write_to(pair.to_b));
  pair.a.post(read_from(pair.to_b));
  Wqe broken = send_to(pair.to_b);
  efa_tx_meta_desc_set_comp_req(&broken.raw.meta, 0);
  pair.a.post(broken);
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 3u);
  EXPECT_EQ(cqes[0].op(), EFA_SEND_OP_TYPE_RDMA_WRITE);
  EXPECT_EQ(cqes[1].op(), EFA_SEND_OP_TYPE_RDMA_READ);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_FLUSHED);
}

TEST(QueuePairState, ErrorFlushesAFullSendQueue) {
  Pair pair("efa2", {.depth = 256});
  for (std::uint16_t i = 0; i < 256; ++i) pair.a.stage(send_to(pair.to_b, i).inlined("x"));
  pair.a.ring_sq();
  pair.a.modify(EFA_QP_STATE_ERR);
  EXPECT_EQ(flushed_ids(*pair.a.send_cq).size(), 256u);
}

TEST(QueuePairState, ErrorFlushesLongTransfersAndPacketsUnderWay) {
  const std::uint32_t length = 4 << 20;
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}));
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    pair.a.post(write_to(pair.to_b, 9).remote(remote, length).sge(local, length));
    pair.rig.pass();
    pair.a.modify(EFA_QP_STATE_ERR);
    EXPECT_EQ(flushed_ids(*pair.a.send_cq), Ids{9});
    pair.rig.finish();
    EXPECT_TRUE(pair.a.send_cq->drain().empty());
  }
}

TEST(QueuePairState, MessagesToAQueuePairInErrorHaveNoDestination) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.b.modify(EFA_QP_STATE_ERR);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST(QueuePairState, WaitingSendersLearnOfTheErrorAtOnce) {
  for (const auto state : {EFA_QP_STATE_ERR, EFA_QP_STATE_RESET}) {
    Pair pair;
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.rig.settle();
    pair.b.modify(state);
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  }
}

TEST(QueuePairState, BeforeRtrNothingIsDelivered) {
  Pair pair;
  Qp& late = pair.right().raw_qp({});
  const Region to = pair.right().region(4096);
  const Address address = pair.left().address_of(late);
  const auto attempt = [&] {
    pair.a.post(send_to(address).inlined("x"));
    pair.rig.settle();
    return pair.a.send_cq->only().status();
  };
  EXPECT_EQ(attempt(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  late.modify(EFA_QP_STATE_INIT);
  late.post_recv(1, to, 64);  // may be posted from INIT on
  EXPECT_EQ(attempt(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  late.modify(EFA_QP_STATE_RTR);
  EXPECT_EQ(attempt(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(late.recv_cq->only().id(), 1);
}

TEST(QueuePairState, BeforeRtsNothingIsSent) {
  Pair pair;
  Qp& late = pair.left().raw_qp({});
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  late.modify(EFA_QP_STATE_INIT);
  late.modify(EFA_QP_STATE_RTR);
  late.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_TRUE(late.send_cq->drain().empty());
  late.modify(EFA_QP_STATE_RTS);
  pair.rig.settle();
  EXPECT_EQ(late.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(QueuePairState, ResetForgetsWithoutCompletionsAndStartsOver) {
  Pair pair;
  const Region to = pair.right().region(4096);
  const Region at_a = pair.left().region(4096);
  for (int i = 0; i < 5; ++i) pair.a.post(send_to(pair.to_b).inlined("old"));
  pair.a.post_recv(1, at_a, 64);
  pair.rig.settle();
  pair.a.modify(EFA_QP_STATE_RESET);
  for (int i = 0; i < 5; ++i) pair.b.post_recv(2, to, 64);
  pair.rig.finish();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  EXPECT_TRUE(pair.a.recv_cq->drain().empty());
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());

  pair.a.bring_up();
  pair.a.post(send_to(pair.to_b, 99).inlined("new"));
  pair.a.post_recv(3, at_a, 64);
  pair.b.post(send_to(pair.to_a).inlined("back"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().id(), 99);
  EXPECT_EQ(to.text(0, 3), "new");
  EXPECT_EQ(pair.a.recv_cq->only().id(), 3);
}

TEST(QueuePairState, CyclesThroughErrorAndResetMayRepeat) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (std::uint16_t round = 0; round < 20; ++round) {
    pair.b.post_recv(round, to, 64);
    pair.a.post(send_to(pair.to_b, round).inlined("x"));
    pair.rig.settle();
    ASSERT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
    ASSERT_EQ(pair.b.recv_cq->only().id(), round);
    for (Qp* qp : {&pair.a, &pair.b}) {
      ASSERT_EQ(qp->modify(EFA_QP_STATE_ERR), kSuccess);
      ASSERT_EQ(qp->modify(EFA_QP_STATE_RESET), kSuccess);
      qp->bring_up();
    }
  }
}

TEST(QueuePairState, SqdFinishesWhatStartedAndHoldsTheRest) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.rig.settle();  // waits for a receive
  ASSERT_EQ(pair.a.modify(EFA_QP_STATE_SQD), kSuccess);
  EXPECT_EQ(pair.a.query().sq_draining, 1);
  pair.a.post(send_to(pair.to_b, 2).inlined("x"));
  pair.b.post_recv(1, to, 64);
  pair.b.post_recv(2, to, 64);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().id(), 1);
  EXPECT_EQ(pair.a.query().sq_draining, 0);
  ASSERT_EQ(pair.a.modify(EFA_QP_STATE_RTS), kSuccess);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().id(), 2);
}

TEST(QueuePairState, SqdStillReceives) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.modify(EFA_QP_STATE_SQD);
  EXPECT_EQ(pair.b.query().sq_draining, 0);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(QueuePairState, ErrorOutOfSqdFlushesWhatWasHeld) {
  Pair pair;
  pair.a.modify(EFA_QP_STATE_SQD);
  pair.a.post(send_to(pair.to_b, 5).inlined("x"));
  pair.rig.settle();
  pair.a.modify(EFA_QP_STATE_ERR);
  EXPECT_EQ(flushed_ids(*pair.a.send_cq), Ids{5});
  EXPECT_EQ(pair.a.query().sq_draining, 0);
}

TEST(QueuePairState, ErrorsOfSingleOperationsChangeNoState) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.a.post(send_to({0x1234, pair.b.number, kQkey}).inlined("x"));
  pair.a.post(send_to(pair.to_b).sge(0, 8, 0xffffff));
  pair.a.post(send_to({pair.to_b.ah, 0xffff, kQkey}).inlined("x"));
  pair.a.post(Wqe(7, pair.to_b));
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b, 5).inlined("x"));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 5u);
  EXPECT_EQ(cqes[4].status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.a.state(), EFA_QP_STATE_RTS);
}

// --- Destruction

TEST(QueuePairDestruction, OfTheSenderLeavesNoCompletionAndNoDelivery) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}));
    const Region to = pair.right().region(4096);
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.rig.settle();
    pair.a.destroy();
    pair.b.post_recv(1, to, 64);
    pair.rig.finish();
    EXPECT_TRUE(pair.a.send_cq->drain().empty());
    EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  }
}

TEST(QueuePairDestruction, OfTheTargetEndsWaitingAndPassingMessages) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}));
    const std::uint32_t length = 4 << 20;
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
    pair.rig.pass();
    pair.b.destroy();
    pair.rig.finish();
    const auto cqes = pair.a.send_cq->drain();
    ASSERT_EQ(cqes.size(), 2u);
    for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  }
}

TEST(QueuePairDestruction, WithWorkAtBothEndsIsQuiet) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (int i = 0; i < 20; ++i) {
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.b.post(send_to(pair.to_a).inlined("y"));
  }
  pair.rig.settle();
  pair.a.post_recv(1, to, 64);
  pair.a.destroy();
  pair.b.destroy();
  pair.rig.finish();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  const auto cqes = pair.b.send_cq->drain();
  EXPECT_EQ(cqes.size(), 20u);  // a went first: b's messages had no destination
  EXPECT_EQ(pair.left().path.queue_pairs().size(), 1u);
}

TEST(QueuePairDestruction, NumberOfADestroyedQueuePairReceivesNothing) {
  Pair pair;
  pair.b.destroy();
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST(QueuePairDestruction, KeepsTheTrafficForTheReport) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("four"));
  pair.rig.settle();
  const std::uint16_t number = pair.a.number;
  pair.a.destroy();
  pair.left().rig.device.reset();
  pair.right().rig.device.reset();
  const auto left = pair.left().path.queue_pairs();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].number, number);
  EXPECT_EQ(left[0].stats.sent_bytes, 4u);
  const auto right = pair.right().path.queue_pairs();
  ASSERT_EQ(right.size(), 1u);
  EXPECT_EQ(right[0].stats.received_bytes, 4u);
}

// --- Address handles

TEST(AddressHandleUse, DestructionEndsOutstandingWork) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}));
    const Region to = pair.right().region(4096);
    pair.a.post(send_to(pair.to_b, 1).inlined("x"));
    pair.rig.settle();
    ASSERT_EQ(pair.left().rig.destroy_ah(pair.to_b.ah, pair.left().pd), kSuccess);
    EXPECT_EQ(flushed_ids(*pair.a.send_cq), Ids{1});
    EXPECT_EQ(pair.a.state(), EFA_QP_STATE_RTS);
    pair.b.post_recv(1, to, 64);
    pair.rig.finish();
    EXPECT_TRUE(pair.b.recv_cq->drain().empty());
    pair.a.post(send_to(pair.to_b, 2).inlined("x"));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);
  }
}

TEST(AddressHandleUse, DestructionOfOneOfTwoReferencesEndsNothing) {
  Pair pair;
  pair.left().ah(pair.right());
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.rig.settle();
  pair.left().rig.destroy_ah(pair.to_b.ah, pair.left().pd);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
}

TEST(AddressHandleUse, DestructionInAnotherDomainEndsNothing) {
  Pair pair;
  const std::uint16_t other = pair.left().rig.pd();
  const std::uint16_t ah = pair.left().ah(pair.right().gid(), other);
  EXPECT_EQ(ah, pair.to_b.ah);
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.rig.settle();
  pair.left().rig.destroy_ah(ah, other);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
}

// --- Reset of the device

TEST(DeviceReset, OfThePeerAbortsWhatWasOnItsWay) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2") : impaired({.delay = kMillisecond}));
    const std::uint32_t length = 8 << 20;
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.a.post(read_from(pair.to_b).remote(remote, length).sge(local, length));
    pair.rig.pass();
    pair.right().rig.device.reset();
    pair.rig.finish();
    const auto cqes = pair.a.send_cq->drain();
    ASSERT_EQ(cqes.size(), 2u);
    for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_REMOTE_ERROR_ABORT);
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.rig.finish();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  }
}

TEST(DeviceReset, LeavesNoWorkAndNoCompletions) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  pair.left().rig.device.reset();
  pair.b.post_recv(1, to, 64);
  pair.rig.finish();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  EXPECT_FALSE(pair.left().path.watching());
}

}  // namespace
}  // namespace efa::emu::test
