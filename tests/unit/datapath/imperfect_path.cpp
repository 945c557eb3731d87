// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages over paths that lose, reorder, duplicate and delay packets, and to peers that are gone.
#include <gtest/gtest.h>

#include "delivery_check.hpp"
#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// One of each impairment, then all together.
std::vector<std::pair<const char*, Impairment>> impairments() {
  return {
      {"loss", {.loss = 0.3}},
      {"reorder", {.reorder = 0.5}},
      {"duplicate", {.duplicate = 0.5}},
      {"delay", {.delay = 2 * kMillisecond}},
      {"jitter", {.jitter = 3 * kMillisecond}},
      {"bandwidth", {.bandwidth_gbps = 1}},
      {"all",
       {.loss = 0.1,
        .reorder = 0.3,
        .duplicate = 0.2,
        .delay = 50 * kMicrosecond,
        .jitter = 100 * kMicrosecond,
        .bandwidth_gbps = 10}},
  };
}

TEST(ImperfectPath, DeliversTwentyThousandMessagesExactlyOnce) {
  DeliveryCheck check(
      impaired({.loss = 0.05, .reorder = 0.1, .duplicate = 0.05, .jitter = 20 * kMicrosecond}, 7));
  check.run(20'000);
  EXPECT_GT(check.pair.right().path.drops().duplicates, 500u);
  EXPECT_GT(check.out_of_order(), 500u);
}

TEST(ImperfectPath, DeliversExactlyOnceUnderEachImpairment) {
  for (const auto& [name, impairment] : impairments()) {
    SCOPED_TRACE(name);
    DeliveryCheck check(impaired(impairment, 3));
    check.run(1'000);
  }
}

TEST(ImperfectPath, DeliversExactlyOnceThoughReceivesAreScarce) {
  DeliveryCheck check(
      impaired({.loss = 0.1, .reorder = 0.2, .duplicate = 0.2, .delay = 10 * kMicrosecond}, 5));
  check.receives = 8;
  check.run(3'000);
}

TEST(ImperfectPath, MovesRdmaBytesIntact) {
  const std::uint32_t length = 2'000'000;
  for (const auto& [name, impairment] : impairments()) {
    for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE}) {
      SCOPED_TRACE(name);
      Pair pair(impaired(impairment, 11));
      const Region local = pair.left().region(length);
      const Region remote = pair.right().region(length);
      (op == EFA_SEND_OP_TYPE_RDMA_READ ? remote : local).fill(3);
      for (int round = 0; round < 3; ++round) {
        pair.a.post(Wqe(op, pair.to_b).remote(remote, length).sge(local, length));
        pair.rig.finish();
        EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
        EXPECT_TRUE(local.same(remote, length));
      }
    }
  }
}

TEST(ImperfectPath, ImmediateComesOnceAndWhenAllBytesAreThere) {
  const std::uint32_t length = 500'000;
  for (const auto& [name, impairment] : impairments()) {
    SCOPED_TRACE(name);
    Pair pair(impaired(impairment, 13));
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    for (std::uint16_t round = 0; round < 10; ++round) {
      local.fill(static_cast<std::uint8_t>(round));
      pair.b.post_recv(round, remote, 64);
      pair.a.post(write_to(pair.to_b).imm(round).remote(remote, length).sge(local, length));
      bool seen = false;
      const auto look = [&] {
        const auto cqe = pair.b.recv_cq->poll();
        if (!cqe) return;
        EXPECT_FALSE(seen);
        seen = true;
        EXPECT_EQ(cqe->imm(), round);
        EXPECT_TRUE(local.same(remote, length));
      };
      while (pair.rig.step()) look();
      EXPECT_TRUE(seen);
      EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
    }
  }
}

TEST(ImperfectPath, ImmediateOfAWriteWaitsForAReceive) {
  Pair pair(impaired({.loss = 0.1, .reorder = 0.3, .duplicate = 0.3, .delay = kMicrosecond}));
  const std::uint32_t length = 300'000;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).imm(1).remote(remote, length).sge(local, length));
  pair.rig.advance(20 * kMillisecond);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.b.post_recv(1, remote, 64);
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.b.recv_cq->only().length(), length);
}

TEST(ImperfectPath, LateCopyOfAPacketOverwritesNothing) {
  Pair pair(impaired({.duplicate = 1.0, .delay = kMicrosecond}));
  const Region local = pair.left().region(100'000);
  const Region remote = pair.right().region(100'000);
  std::memset(local.bytes(), 0x55, 100'000);
  pair.a.post(write_to(pair.to_b).remote(remote, 100'000).sge(local, 100'000));
  // The target sees the last byte and reuses the memory while copies are still on their way.
  while (remote.bytes()[99'999] == std::byte{0}) ASSERT_TRUE(pair.rig.step());
  const Region blank = pair.right().region(100'000);
  std::memcpy(remote.bytes(), blank.bytes(), 100'000);
  pair.rig.finish();
  EXPECT_TRUE(remote.same(blank, 100'000));
}

TEST(ImperfectPath, ErrorsComeBackOnce) {
  Pair pair(impaired({.loss = 0.3, .duplicate = 0.5, .delay = kMicrosecond}, 17));
  pair.b.post_recv(1, {{0x1000, 64, 0xfffff}});
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS);
  EXPECT_EQ(pair.b.recv_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST(ImperfectPath, DelayIsThatOfTheLink) {
  Pair pair(impaired({.delay = 5 * kMillisecond}));
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.advance(5 * kMillisecond - 1);
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  pair.rig.advance(1);
  EXPECT_EQ(pair.b.recv_cq->drain().size(), 1u);
  pair.rig.advance(5 * kMillisecond - 1);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.rig.advance(1);
  EXPECT_EQ(pair.a.send_cq->drain().size(), 1u);
  EXPECT_EQ(pair.left().stats().retrans_pkts, 0u) << "a slow link is no lossy link";
}

TEST(ImperfectPath, BandwidthIsThatOfTheLinkInTheDirectionOfTheData) {
  for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE}) {
    // The other direction is a thousand times slower: it carries only requests or answers.
    Topology topology = uniform_topology(2, 1, "efa2");
    const bool read = op == EFA_SEND_OP_TYPE_RDMA_READ;
    topology.links.push_back({"host0", "host1", {.bandwidth_gbps = read ? 0.008 : 8.0}});
    topology.links.push_back({"host1", "host0", {.bandwidth_gbps = read ? 8.0 : 0.008}});
    Pair pair(topology);
    const std::uint32_t length = 10'000'000;
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    pair.a.post(Wqe(op, pair.to_b).remote(remote, length).sge(local, length));
    while (pair.a.send_cq->drain().empty()) ASSERT_TRUE(pair.rig.step());
    EXPECT_NEAR(static_cast<double>(pair.rig.clock.now()), 10e6, 0.5e6);
    EXPECT_EQ(pair.left().stats().retrans_pkts, 0u);
  }
}

TEST(ImperfectPath, TransferMayTakeLongerThanTheTimeLimitWhileAnswersCome) {
  Topology topology = impaired({.loss = 0.1, .bandwidth_gbps = 1});
  topology.transport_timeout = 20 * kMillisecond;
  Pair pair(topology);
  const std::uint32_t length = 10'000'000;  // 80 ms on the link
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(ImperfectPath, BackToBackQueuePairsDoNotDisturbOneAnother) {
  Pair pair(impaired({.loss = 0.2, .reorder = 0.2}, 23));
  std::vector<std::pair<Qp*, Qp*>> flows;
  const Region to = pair.right().region(4096);
  for (int i = 0; i < 8; ++i) flows.emplace_back(&pair.left().qp(), &pair.right().qp());
  for (auto& [from, target] : flows) {
    const Address address = pair.left().address_of(*target);
    for (std::uint16_t i = 0; i < 50; ++i) {
      target->post_recv(i, to, 64);
      from->post(send_to(address, i).inlined("x"));
    }
  }
  pair.rig.finish();
  for (auto& [from, target] : flows) {
    EXPECT_EQ(from->send_cq->drain().size(), 50u);
    const auto received = target->recv_cq->drain();
    EXPECT_EQ(received.size(), 50u);
    for (const Cqe& cqe : received) EXPECT_EQ(cqe.source_qp(), from->number);
  }
}

// --- Nobody answers

void expect_all_end(Pair& pair, efa_comp_status status, Nanoseconds after) {
  const std::uint32_t length = 1 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  const Region receives = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 8; ++i) pair.b.post_recv(i, receives, 64);
  pair.a.post(send_to(pair.to_b, 1).inlined("x"));
  pair.a.post(send_to(pair.to_b, 2).imm(5).sge(local, 100));
  pair.a.post(write_to(pair.to_b, 3).remote(remote, length).sge(local, length));
  pair.a.post(write_to(pair.to_b, 4).imm(7).remote(remote, length).sge(local, length));
  pair.a.post(read_from(pair.to_b, 5).remote(remote, length).sge(local, length));
  pair.a.post(read_from(pair.to_b, 6).remote(remote, 0).sge(local, 0));
  pair.rig.advance(after - 1);
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.rig.advance(1);
  const auto cqes = pair.a.send_cq->drain();
  EXPECT_EQ(cqes.size(), 6u);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), status) << cqe.id();
  EXPECT_EQ(pair.a.state(), EFA_QP_STATE_RTS);
  pair.rig.finish();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
}

TEST(Unreachable, TotalLossEndsEveryOperationInTime) {
  for (const Nanoseconds limit : {2 * kSecond, 50 * kMillisecond, kMillisecond}) {
    Topology topology = impaired({.loss = 1.0});
    topology.transport_timeout = limit;
    Pair pair(topology);
    expect_all_end(pair, EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE, limit);
    EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  }
}

TEST(Unreachable, HostThatIsDeafFromTheStartWasNeverHeard) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].unresponsive = true;
  Pair pair(topology);
  expect_all_end(pair, EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE, topology.transport_timeout);
}

TEST(Unreachable, HostThatGoesDeafLaterWasHeard) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].unresponsive = true;
  topology.hosts[1].unresponsive_after = kSecond;
  Pair pair(topology);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(9, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.advance(kSecond);
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  pair.b.recv_cq->drain();
  expect_all_end(pair, EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE, topology.transport_timeout);
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
}

TEST(Unreachable, WaitForAReceiveEndsWhenTheHostGoesDeaf) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].unresponsive = true;
  topology.hosts[1].unresponsive_after = kSecond;
  Pair pair(topology);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE);
  EXPECT_GE(pair.rig.clock.now(), kSecond + topology.transport_timeout);
  EXPECT_LE(pair.rig.clock.now(), kSecond + topology.transport_timeout + 100 * kMillisecond);
}

TEST(Unreachable, LongTransferEndsWhenTheHostGoesDeaf) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].unresponsive = true;
  topology.hosts[1].unresponsive_after = kSecond;
  Pair pair(topology);
  const std::uint32_t length = 16 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
  pair.rig.pass();
  pair.rig.clock.advance(kSecond);
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE);
}

TEST(Unreachable, DeafHostHearsNoAnswersEither) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[0].unresponsive = true;
  Pair pair(topology);
  expect_all_end(pair, EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE, topology.transport_timeout);
}

TEST(Unreachable, LossOfAnswersOnlyDeliversAtMostOnce) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.links.push_back({"host1", "host0", {.loss = 1.0}});
  Pair pair(topology);
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 8; ++i) pair.b.post_recv(i, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE);
  EXPECT_EQ(pair.b.recv_cq->drain().size(), 1u);
}

TEST(Unreachable, SecurityGroupThatForbidsTheTraffic) {
  Topology topology = uniform_topology(3, 1, "efa2");
  topology.groups.push_back({"closed", {"closed"}, {"closed"}});
  topology.hosts[1].groups = {"closed"};
  topology.hosts[2].groups = {"closed"};
  FabricRig rig(topology);
  Qp& outside = rig[0].qp();
  Qp& datagrams = rig[0].qp({.type = EFA_QP_TYPE_UD});
  Qp& inside = rig[1].qp();
  Qp& target = rig[2].qp();
  Qp& ud_target = rig[2].qp({.type = EFA_QP_TYPE_UD});
  const Region to = rig[2].region(4096);
  target.post_recv(1, to, 64);
  ud_target.post_recv(1, to, 64);
  inside.post(send_to(rig[1].address_of(target)).inlined("x"));
  outside.post(send_to(rig[0].address_of(target)).inlined("x"));
  datagrams.post(send_to(rig[0].address_of(ud_target)).inlined("x"));
  rig.finish();
  EXPECT_EQ(inside.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(outside.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE);
  EXPECT_EQ(datagrams.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_TRUE(ud_target.recv_cq->drain().empty());
  EXPECT_EQ(target.recv_cq->drain().size(), 1u);
  EXPECT_GT(rig.fabric.packets_denied, 0u);
  EXPECT_EQ(rig[0].path.drops().unreachable, 1u);
}

TEST(Unreachable, OtherPeersAreNotHeldUp) {
  Topology topology = uniform_topology(3, 1, "efa2");
  topology.links.push_back({"host0", "host1", {.loss = 1.0}});
  FabricRig rig(topology);
  Qp& a = rig[0].qp();
  Qp& lost = rig[1].qp();
  Qp& found = rig[2].qp();
  const Region to = rig[2].region(4096);
  found.post_recv(1, to, 64);
  a.post(send_to(rig[0].address_of(lost), 1).inlined("x"));
  a.post(send_to(rig[0].address_of(found), 2).inlined("x"));
  rig.settle();
  EXPECT_EQ(a.send_cq->only().id(), 2);
}

// --- Replay

/// Everything that can be observed of a run, with times.
std::vector<std::string> trace(std::uint64_t seed) {
  Pair pair(impaired({.loss = 0.1,
                      .reorder = 0.2,
                      .duplicate = 0.1,
                      .delay = kMicrosecond,
                      .jitter = 50 * kMicrosecond},
                     seed),
            {.depth = 256, .descriptors = 1024});
  const Region to = pair.right().region(4096);
  const Region local = pair.left().region(100'000);
  const Region remote = pair.right().region(100'000);
  for (std::uint16_t i = 0; i < 100; ++i) {
    pair.b.post_recv(i, to, 64);
    pair.a.post(send_to(pair.to_b, i).inlined("x"));
  }
  for (std::uint16_t i = 100; i < 110; ++i)
    pair.a.post(read_from(pair.to_b, i).remote(remote, 100'000).sge(local, 100'000));
  std::vector<std::string> lines;
  const auto look = [&](const char* what, Cq& cq) {
    for (const Cqe& cqe : cq.drain())
      lines.push_back(std::to_string(pair.rig.clock.now()) + " " + what + " " +
                      std::to_string(cqe.id()) + " " + std::to_string(cqe.status()));
  };
  while (pair.rig.step()) {
    look("sent", *pair.a.send_cq);
    look("received", *pair.b.recv_cq);
  }
  lines.push_back(std::to_string(pair.left().stats().retrans_pkts));
  return lines;
}

TEST(Replay, SameSeedGivesTheSameRun) {
  const auto first = trace(42);
  EXPECT_EQ(first.size(), 211u);
  EXPECT_EQ(trace(42), first);
}

TEST(Replay, OtherSeedGivesAnotherRun) {
  EXPECT_NE(trace(42), trace(43));
}

}  // namespace
}  // namespace efa::emu::test
