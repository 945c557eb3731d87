// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

Topology with_fault(std::uint64_t first, std::uint64_t count) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].rnr.push_back({first, count});
  return topology;
}

TEST(ReceiverNotReady, EndsWithStatus10AfterExactlyTheRetries) {
  for (std::uint8_t retries = 0; retries < 7; ++retries) {
    Pair pair("efa2", {.rnr_retry = retries});
    pair.a.post(send_to(pair.to_b, retries).inlined("x"));
    const Nanoseconds backoff = pair.rig.fabric.topology().rnr_backoff;
    if (retries != 0) {
      pair.rig.advance(retries * backoff - 1);
      EXPECT_TRUE(pair.a.send_cq->drain().empty()) << unsigned{retries};
      pair.rig.advance(1);
    }
    pair.rig.settle();
    const Cqe cqe = pair.a.send_cq->only();
    EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
    EXPECT_EQ(cqe.id(), retries);
    EXPECT_EQ(pair.a.device_side().stats.rnr_retries, retries + 1u);
  }
}

TEST(ReceiverNotReady, EndsTheSameWayOnAnImperfectPath) {
  for (std::uint8_t retries = 0; retries < 7; ++retries) {
    Pair pair(impaired({.duplicate = 1.0, .delay = kMicrosecond}), {.rnr_retry = retries});
    pair.a.post(send_to(pair.to_b, retries).inlined("x"));
    // Every packet arrives twice; its copy is no retry.
    if (retries != 0) {
      pair.rig.advance(retries * pair.rig.fabric.topology().rnr_backoff);
      EXPECT_TRUE(pair.a.send_cq->drain().empty()) << unsigned{retries};
    }
    pair.rig.finish();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
    EXPECT_EQ(pair.a.device_side().stats.rnr_retries, retries + 1u);
  }
}

TEST(ReceiverNotReady, WaitsForeverByDefault) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.advance(600 * kSecond);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.b.post_recv(1, to, 64);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(ReceiverNotReady, ReceiveDoorbellWakesWaitersAtOnceInOrder) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (std::uint16_t id = 0; id < 10; ++id)
    pair.a.post(send_to(pair.to_b, id).inlined(std::to_string(id)));
  pair.rig.settle();
  for (std::uint16_t id = 0; id < 10; ++id) {
    pair.b.post_recv(id, to, 64);
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().id(), id);
    EXPECT_EQ(to.text(0, 1), std::to_string(id));
  }
  EXPECT_EQ(pair.rig.clock.now(), 0u);
}

TEST(ReceiverNotReady, WaiterGoesBeforeNewSenders) {
  FabricRig rig(3);
  Qp& first = rig[0].qp();
  Qp& second = rig[1].qp();
  Qp& target = rig[2].qp();
  const Region to = rig[2].region(4096);
  second.post(send_to(rig[1].address_of(target)).inlined("waiter"));
  rig.settle();
  first.post(send_to(rig[0].address_of(target)).inlined("latecomer"));
  target.post_recv(1, to, 64);
  rig.settle();  // looks at the newcomer's host first
  EXPECT_EQ(to.text(0, 6), "waiter");
  EXPECT_TRUE(first.send_cq->drain().empty());
}

TEST(ReceiverNotReady, FiniteRetriesAreNotUsedUpByDoorbells) {
  Pair pair("efa2", {.rnr_retry = 1});
  const Region to = pair.right().region(4096);
  pair.a.post(send_to(pair.to_b).inlined("long"));
  pair.rig.settle();
  pair.b.post_recv(1, to, 64);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(ReceiverNotReady, SendersThatGiveUpLeaveNothingBehind) {
  Pair pair("efa2", {.rnr_retry = 1});
  Qp& keeper = pair.left().qp();
  keeper.post(send_to(pair.left().address_of(pair.b)).inlined("k"));
  for (std::uint16_t i = 0; i < 200; ++i) {
    pair.a.post(send_to(pair.to_b, i).inlined("x"));
    pair.rig.advance(2 * kMillisecond);
    ASSERT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
  }
  EXPECT_EQ(pair.right().path.waiting(pair.b.number), 1u);
}

TEST(ReceiverNotReady, InjectedAtAnOperationHitsExactlyThat) {
  Pair pair(with_fault(3, 1), {.rnr_retry = 0});
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 6; ++i) pair.b.post_recv(i, to, 64);
  for (std::uint16_t i = 0; i < 5; ++i) pair.a.post(send_to(pair.to_b, i).inlined("x"));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 5u);
  for (const Cqe& cqe : cqes)
    EXPECT_EQ(cqe.status(), cqe.id() == 2 ? EFA_COMP_STATUS_REMOTE_ERROR_RNR : EFA_COMP_STATUS_OK);
}

TEST(ReceiverNotReady, InjectedIsRetriedAfterTheBackoffNotAtOnce) {
  Pair pair(with_fault(1, 2));
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.rig.advance(3 * pair.rig.fabric.topology().rnr_backoff - 1);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.rig.advance(1);
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(ReceiverNotReady, HoldsAWriteWithImmediateBeforeItsLastBytes) {
  Pair pair("efa2", {.rnr_retry = 0});
  const std::uint32_t length = 3 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).imm(1).remote(remote, length).sge(local, length));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
}

TEST(ReceiverNotReady, WriteWithImmediateContinuesWhenAReceiveComes) {
  Pair pair;
  const std::uint32_t length = 3 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  const Region to = pair.right().region(4096);
  local.fill(7);
  pair.a.post(write_to(pair.to_b).imm(1).remote(remote, length).sge(local, length));
  pair.rig.settle();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.b.post_recv(5, to, 64);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.b.recv_cq->only().length(), length);
  EXPECT_TRUE(local.same(remote, length));
}

TEST(ReceiverNotReady, StalledQueuePairDoesNotStopOthers) {
  Pair pair;
  Qp& other = pair.left().qp();
  Qp& ready = pair.right().qp();
  const Region to = pair.right().region(4096);
  for (int i = 0; i < 64; ++i) pair.a.post(send_to(pair.to_b).inlined("stalled"));
  ready.post_recv(1, to, 64);
  other.post(send_to(pair.left().address_of(ready)).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(other.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(ReceiverNotReady, LeavesRestBetweenRetries) {
  Pair pair;
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_FALSE(pair.rig.pass());
  EXPECT_GT(pair.rig.fabric.next_due(), pair.rig.clock.now());
}

}  // namespace
}  // namespace efa::emu::test
