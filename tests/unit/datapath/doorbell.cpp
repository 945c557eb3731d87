// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Counts on the doorbells, and what hosts can do wrong with rings and WQEs.
#include <gtest/gtest.h>

#include <set>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

TEST(Doorbell, OfTheSameValueIsNoWork) {
  Pair pair;
  pair.a.ring_sq();
  pair.b.ring_rq();
  EXPECT_FALSE(pair.rig.pass());
}

TEST(Doorbell, AnnouncesWhatWasStagedAndNoMore) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 6; ++i) {
    pair.b.post_recv(i, to, 64);
    pair.a.stage(send_to(pair.to_b, i).inlined("x"));
  }
  pair.a.ring_sq(2);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 2u);
  pair.a.ring_sq();
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 4u);
}

TEST(Doorbell, UpperHalfOfTheWordDoesNotCount) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.stage(send_to(pair.to_b).inlined("x"));
  *pair.left().rig.device.doorbell_word(pair.a.device_side().sq.db_offset) = 0xabcd0001;
  *pair.right().rig.device.doorbell_word(pair.b.device_side().rq.db_offset) = 0xabcd0001;
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(Doorbell, OfAFullSendQueueIsLegal) {
  Pair pair("efa2", {.depth = 128});
  for (std::uint16_t i = 0; i < 128; ++i) pair.a.stage(send_to({0x99, 0, 0}, i));
  pair.a.ring_sq();
  pair.rig.settle();
  std::set<std::uint16_t> ids;
  for (const Cqe& cqe : pair.a.send_cq->drain()) ids.insert(cqe.id());
  EXPECT_EQ(ids.size(), 128u);
}

TEST(Doorbell, BeyondTheSendQueueFailsTheQueuePair) {
  Pair pair("efa2", {.depth = 32});
  pair.a.ring_sq(33);
  pair.rig.settle();
  EXPECT_EQ(pair.a.state(), EFA_QP_STATE_ERR);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  // It works again after the usual way back.
  pair.a.modify(EFA_QP_STATE_RESET);
  pair.a.bring_up();
  pair.a.post(send_to({0x99, 0, 0}, 5));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().id(), 5);
}

TEST(Doorbell, GoingBackwardsFailsTheQueuePair) {
  Pair pair;
  for (int i = 0; i < 3; ++i) pair.a.post(send_to({0x99, 0, 0}));
  pair.rig.settle();
  pair.a.ring_sq(1);
  pair.rig.settle();
  EXPECT_EQ(pair.a.state(), EFA_QP_STATE_ERR);
}

TEST(Doorbell, BeyondTheReceiveQueueFailsTheQueuePair) {
  Pair pair("efa2", {.descriptors = 16});
  pair.b.ring_rq(17);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.b.state(), EFA_QP_STATE_ERR);
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST(Doorbell, BeyondTheReceiveQueueOfAQueuePairThatSendsToItself) {
  for (const auto type : {EFA_QP_TYPE_SRD, EFA_QP_TYPE_UD}) {
    FabricRig rig(1);
    Qp& self = rig[0].qp({.type = type, .descriptors = 16});
    const Address to = rig[0].address_of(self);
    for (std::uint16_t i = 0; i < 5; ++i) self.stage(send_to(to, i).inlined("x"));
    self.ring_rq(17);
    self.ring_sq();
    rig.finish();
    const auto cqes = self.send_cq->drain();
    ASSERT_EQ(cqes.size(), 5u);
    for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_FLUSHED);
    EXPECT_EQ(self.state(), EFA_QP_STATE_ERR);
  }
}

TEST(Doorbell, LargeBatchIsTakenInTurnsWithOtherQueues) {
  Pair pair("efa2", {.depth = 1024});
  Qp& other = pair.left().qp();
  for (int i = 0; i < 1024; ++i) pair.a.stage(send_to({0x99, 0, 0}));
  pair.a.ring_sq();
  other.post(send_to({0x99, 0, 0}));
  pair.rig.pass();
  EXPECT_EQ(other.send_cq->drain().size(), 1u);
  EXPECT_LT(pair.a.send_cq->drain().size(), 1024u);
}

TEST(Doorbell, BatchLimitCountsOnlyInStrictMode) {
  for (const bool strict : {false, true}) {
    FabricRig rig(1, "efa3", {.strict = strict});
    Qp& qp = rig[0].qp();
    for (int i = 0; i < 17; ++i) qp.stage(send_to({0x99, 0, 0}));
    qp.ring_sq(16);  // max_tx_batch
    rig.settle();
    EXPECT_EQ(qp.state(), EFA_QP_STATE_RTS);
    for (int i = 0; i < 16; ++i) qp.stage(send_to({0x99, 0, 0}));
    qp.ring_sq();
    rig.settle();
    EXPECT_EQ(qp.state(), strict ? EFA_QP_STATE_ERR : EFA_QP_STATE_RTS);
    EXPECT_EQ(qp.send_cq->drain().size(), 33u);
  }
}

TEST(Doorbell, BatchLimitCountsWholeWqes) {
  FabricRig rig(1, "efa3", {.strict = true});
  Qp& wide = rig[0].qp({.wide = true});
  for (int i = 0; i < 8; ++i) wide.stage(send_to({0x99, 0, 0}));
  wide.ring_sq();
  rig.settle();
  EXPECT_EQ(wide.state(), EFA_QP_STATE_RTS);
  for (int i = 0; i < 9; ++i) wide.stage(send_to({0x99, 0, 0}));
  wide.ring_sq();
  rig.settle();
  EXPECT_EQ(wide.state(), EFA_QP_STATE_ERR);
}

TEST(Doorbell, CountsWrapAround) {
  Pair pair("efa2", {.depth = 256, .descriptors = 256});
  Cq& cq = pair.right().cq({.depth = 64});
  Qp& target = pair.right().qp({.depth = 256, .descriptors = 256, .recv_cq = &cq});
  const Region to = pair.right().region(4096);
  const Address address = pair.left().address_of(target);
  std::uint32_t sent = 0;
  std::uint32_t received = 0;
  while (sent < 70'000) {
    for (int i = 0; i < 32; ++i) {
      target.stage_recv(static_cast<std::uint16_t>(sent + i), {{to, 64}});
      pair.a.stage(send_to(address, static_cast<std::uint16_t>(sent + i)).inlined("x"));
    }
    sent += 32;
    target.ring_rq();
    pair.a.ring_sq();
    pair.rig.settle();
    for (const Cqe& cqe : cq.drain()) ASSERT_EQ(cqe.id(), static_cast<std::uint16_t>(received++));
    ASSERT_EQ(pair.a.send_cq->drain().size(), 32u);
  }
  EXPECT_EQ(received, sent);
}

TEST(Doorbell, DeepestQueuesWork) {
  FabricRig rig(2);
  Cq& cq = rig[1].cq({.depth = 32768});
  Qp& a = rig[0].qp({.depth = 4096, .send_cq = &rig[0].cq({.depth = 4096})});
  Qp& b = rig[1].qp({.descriptors = 32768, .recv_cq = &cq});
  const Region to = rig[1].region(4096);
  for (std::uint32_t i = 0; i < 32768; ++i) b.stage_recv(static_cast<std::uint16_t>(i), {{to, 64}});
  b.ring_rq();
  const Address address = rig[0].address_of(b);
  for (int round = 0; round < 8; ++round) {
    for (std::uint32_t i = 0; i < 4096; ++i) a.stage(send_to(address).inlined("x"));
    a.ring_sq();
    rig.settle();
    ASSERT_EQ(a.send_cq->drain().size(), 4096u);
  }
  const auto cqes = cq.drain();
  ASSERT_EQ(cqes.size(), 32768u);
  for (std::uint32_t i = 0; i < 32768; ++i) ASSERT_EQ(cqes[i].id(), i);
}

// --- Malformed WQEs

TEST(MalformedWqe, CompletesWithItsOwnIdAndOperation) {
  Pair pair;
  Wqe wqe = write_to(pair.to_b, 0xbeef);
  efa_tx_meta_desc_set_first(&wqe.raw.meta, 0);
  pair.a.post(wqe);
  pair.rig.settle();
  const Cqe cqe = pair.a.send_cq->only();
  EXPECT_EQ(cqe.id(), 0xbeef);
  EXPECT_EQ(cqe.op(), EFA_SEND_OP_TYPE_RDMA_WRITE);
  EXPECT_EQ(pair.a.state(), EFA_QP_STATE_RTS);
}

TEST(MalformedWqe, WithMoreSgesThanThereAreIsBadLength) {
  Pair pair;
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  for (const std::uint16_t count : {3, 4, 100, 0xffff}) {
    Wqe send = send_to(pair.to_b).sge(local, 1);
    send.raw.meta.length = count;
    pair.a.post(send);
    Wqe read = read_from(pair.to_b).remote(remote, 1).sge(local, 1);
    read.raw.meta.length = count == 3 ? 2 : count;
    pair.a.post(read);
  }
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 8u);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST(MalformedWqe, IgnoredFieldsMayHoldAnything) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  Wqe wqe = send_to(pair.to_b, 3).inlined("x");
  efa_tx_meta_desc& meta = wqe.raw.meta;
  efa_tx_meta_desc_set_phase(&meta, 1);
  efa_tx_meta_desc_set_meta_extension(&meta, 1);
  meta.ctrl2 |= 0xe2;  // reserved bits
  meta.ctrl3 = 0xff;
  meta.reserved = 0xff;
  std::memset(meta.reserved2, 0xff, sizeof meta.reserved2);
  std::memset(meta.req_id_ex, 0xff, sizeof meta.req_id_ex);
  pair.a.post(wqe);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(MalformedWqe, AllOnesAndAllZeroesComplete) {
  for (const int value : {0x00, 0xff}) {
    Pair pair("efa3", {.wide = true});
    Wqe wqe = send_to(pair.to_b);
    std::memset(static_cast<void*>(&wqe.raw), value, sizeof wqe.raw);
    pair.a.post(wqe);
    pair.rig.settle();
    EXPECT_NE(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  }
}

}  // namespace
}  // namespace efa::emu::test
