// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Counters of device-admin A9.14, as GET_STATS returns them.
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

efa_get_stats_resp get(Node& node, efa_get_stats_type type) {
  efa_get_stats_cmd cmd{};
  cmd.type = static_cast<std::uint8_t>(type);
  cmd.scope = EFA_GET_STATS_SCOPE_ALL;
  const auto answer = node.rig.execute<efa_get_stats_resp>(EFA_AQ_OPCODE_GET_STATS, cmd);
  EXPECT_TRUE(answer.ok());
  return answer.body;
}

TEST(Statistics, CountSendsAndReceivesWithTheirBytes) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 3; ++i) {
    pair.b.post_recv(i, to, 64);
    pair.a.post(send_to(pair.to_b).inlined("12345"));
  }
  pair.a.post(send_to({0x99, 0, 0}).inlined("not counted"));
  pair.rig.settle();
  const auto sent = get(pair.left(), EFA_GET_STATS_TYPE_MESSAGES).stats.messages_stats;
  EXPECT_EQ(sent.send_wrs, 3u);
  EXPECT_EQ(sent.send_bytes, 15u);
  EXPECT_EQ(sent.recv_wrs, 0u);
  const auto received = get(pair.right(), EFA_GET_STATS_TYPE_MESSAGES).stats.messages_stats;
  EXPECT_EQ(received.send_wrs, 0u);
  EXPECT_EQ(received.recv_wrs, 3u);
  EXPECT_EQ(received.recv_bytes, 15u);
  const auto left = get(pair.left(), EFA_GET_STATS_TYPE_BASIC).stats.basic_stats;
  EXPECT_EQ(left.tx_bytes, 15u);
  EXPECT_EQ(left.tx_pkts, 3u);
  EXPECT_EQ(left.rx_bytes, 0u);
  const auto right = get(pair.right(), EFA_GET_STATS_TYPE_BASIC).stats.basic_stats;
  EXPECT_EQ(right.rx_bytes, 15u);
  EXPECT_EQ(right.rx_pkts, 3u);
  EXPECT_EQ(right.tx_pkts, 0u);
}

TEST(Statistics, CountReadsAtBothEnds) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa2")
                      : impaired({.loss = 0.2, .duplicate = 0.3, .delay = kMicrosecond}));
    const std::uint32_t mtu = pair.left().rig.device.profile().mtu;
    const std::uint32_t length = 200 * mtu;
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    pair.a.post(read_from(pair.to_b).remote(remote, length).sge(local, length));
    pair.a.post(read_from(pair.to_b).remote(0x1000, 8, 0xfffff).sge(local, 8));
    pair.rig.finish();
    ASSERT_EQ(pair.a.send_cq->drain().size(), 2u);
    const auto reader = get(pair.left(), EFA_GET_STATS_TYPE_RDMA_READ).stats.rdma_read_stats;
    EXPECT_EQ(reader.read_wrs, 1u);
    EXPECT_EQ(reader.read_bytes, length);
    EXPECT_EQ(reader.read_wr_err, 1u);
    EXPECT_EQ(reader.read_resp_bytes, 0u);
    const auto server = get(pair.right(), EFA_GET_STATS_TYPE_RDMA_READ).stats.rdma_read_stats;
    EXPECT_EQ(server.read_wrs, 0u);
    EXPECT_EQ(server.read_resp_bytes, length);
    const auto left = get(pair.left(), EFA_GET_STATS_TYPE_BASIC).stats.basic_stats;
    const auto right = get(pair.right(), EFA_GET_STATS_TYPE_BASIC).stats.basic_stats;
    EXPECT_EQ(left.rx_bytes, length);
    EXPECT_EQ(left.rx_pkts, 200u);
    EXPECT_EQ(right.tx_bytes, length);
    EXPECT_EQ(right.tx_pkts, 200u);
    EXPECT_EQ(left.tx_bytes, 0u);
  }
}

TEST(Statistics, CountWritesAtBothEnds) {
  Pair pair;
  const std::uint32_t mtu = pair.left().rig.device.profile().mtu;
  const std::uint32_t length = 200 * mtu + 1;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
  pair.a.post(write_to(pair.to_b).remote(0x1000, 8, 0xfffff).sge(local, 8));
  pair.rig.settle();
  const auto writer = get(pair.left(), EFA_GET_STATS_TYPE_RDMA_WRITE).stats.rdma_write_stats;
  EXPECT_EQ(writer.write_wrs, 1u);
  EXPECT_EQ(writer.write_bytes, length);
  EXPECT_EQ(writer.write_wr_err, 1u);
  const auto target = get(pair.right(), EFA_GET_STATS_TYPE_RDMA_WRITE).stats.rdma_write_stats;
  EXPECT_EQ(target.write_recv_bytes, length);
  EXPECT_EQ(target.write_wrs, 0u);
  EXPECT_EQ(get(pair.right(), EFA_GET_STATS_TYPE_BASIC).stats.basic_stats.rx_pkts, 201u);
}

TEST(Statistics, OfAWriteUnderDuplicationCountEachByteOnce) {
  Pair pair(impaired({.duplicate = 1.0, .delay = kMicrosecond}));
  const std::uint32_t length = 100'000;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  pair.a.post(write_to(pair.to_b).remote(remote, length).sge(local, length));
  pair.rig.finish();
  EXPECT_EQ(pair.right().stats().write_recv_bytes, length);
  EXPECT_EQ(pair.right().stats().rx_bytes, length);
  EXPECT_GE(pair.right().path.drops().duplicates, 12u);
}

TEST(Statistics, CountRetransmissions) {
  Pair pair(impaired({.loss = 0.5}), {.depth = 128, .descriptors = 256});
  const Region to = pair.right().region(4096);
  for (std::uint16_t i = 0; i < 100; ++i) {
    pair.b.post_recv(i, to, 64);
    pair.a.post(send_to(pair.to_b, i).inlined("12345678"));
  }
  pair.rig.finish();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 100u);
  const auto net = get(pair.left(), EFA_GET_STATS_TYPE_NETWORK).stats.network_stats;
  EXPECT_GT(net.retrans_pkts, 50u);
  EXPECT_EQ(net.retrans_bytes, 8 * net.retrans_pkts);
  EXPECT_GE(net.retrans_timeout_events, net.retrans_pkts);
  EXPECT_EQ(net.unresponsive_remote_events, 0u);
  EXPECT_EQ(pair.a.device_side().stats.retransmissions, net.retrans_pkts);
  EXPECT_EQ(pair.left().stats().tx_pkts, 100 + net.retrans_pkts);
}

TEST(Statistics, CountPeersThatDoNotAnswer) {
  Pair pair(impaired({.loss = 1.0}));
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.finish();
  EXPECT_EQ(
      get(pair.left(), EFA_GET_STATS_TYPE_NETWORK).stats.network_stats.unresponsive_remote_events,
      1u);
}

TEST(Statistics, OfQueuePairsTellWhoMovedWhat) {
  Pair pair;
  const Region local = pair.left().region(4096);
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.b.post_recv(2, to, 64);
  pair.a.post(send_to(pair.to_b).inlined("abc"));
  pair.a.post(read_from(pair.to_b).remote(to, 10).sge(local, 10));
  pair.a.post(write_to(pair.to_b).imm(1).remote(to, 20).sge(local, 20));
  pair.a.post(send_to({0x99, 0, 0}));
  pair.rig.settle();
  const QueuePairStats& a = pair.a.device_side().stats;
  EXPECT_EQ(a.sent_messages, 1u);
  EXPECT_EQ(a.sent_bytes, 3u);
  EXPECT_EQ(a.read_messages, 1u);
  EXPECT_EQ(a.read_bytes, 10u);
  EXPECT_EQ(a.written_messages, 1u);
  EXPECT_EQ(a.written_bytes, 20u);
  EXPECT_EQ(a.errors, 1u);
  const QueuePairStats& b = pair.b.device_side().stats;
  EXPECT_EQ(b.received_messages, 2u);
  EXPECT_EQ(b.received_bytes, 23u);
  EXPECT_EQ(pair.right().stats().recv_wrs, 2u);
  EXPECT_EQ(pair.right().stats().recv_bytes, 3u);  // those of the write count as written
}

// --- Event counters (A9.16)

struct Counter {
  Node& node;
  DmaAddr target;
  std::uint32_t handle;

  explicit Counter(Node& at) : node(at), target(at.rig.memory.allocate(8)) {
    efa_create_event_counter_cmd cmd{};
    cmd.uar = at.uar;
    cmd.paddr = target;
    const auto answer =
        at.rig.execute<efa_create_event_counter_resp>(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, cmd);
    EXPECT_TRUE(answer.ok());
    handle = answer.body.cntr_handle;
  }
  efa_aq_completion_status change(efa_aq_opcode opcode, const Qp& qp, std::uint32_t events) {
    efa_attach_detach_event_counter_cmd cmd{};
    cmd.cntr_handle = handle;
    cmd.attach_type = EFA_EVENT_COUNTER_ATTACH_TYPE_QP_EVENTS;
    cmd.qp_events.qp_handle = qp.handle;
    cmd.qp_events.events = events;
    return node.rig.execute<efa_attach_detach_event_counter_resp>(opcode, cmd).status;
  }
  void attach(const Qp& qp, std::uint32_t events) {
    EXPECT_EQ(change(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, qp, events), kSuccess);
  }
  std::uint64_t value() const { return node.rig.memory.at<std::uint64_t>(target); }
};

constexpr std::uint32_t bit(efa_event_counter_qp_event event) {
  return 1u << event;
}

TEST(EventCounter, FollowsEveryKindOfEvent) {
  for (const bool perfect : {true, false}) {
    Pair pair(perfect ? uniform_topology(2, 1, "efa4")
                      : impaired({.duplicate = 1.0, .delay = kMicrosecond}, 1, "efa4"));
    std::vector<Counter> left;
    std::vector<Counter> right;
    for (unsigned event = 0; event < 10; ++event) {
      left.emplace_back(pair.left()).attach(pair.a, 1u << event);
      right.emplace_back(pair.right()).attach(pair.b, 1u << event);
    }
    const Region local = pair.left().region(100'000);
    const Region remote = pair.right().region(100'000);
    for (std::uint16_t i = 0; i < 3; ++i) pair.b.post_recv(i, remote, 64);
    pair.b.post_recv(4, {{0x1000, 64, 0xfffff}});
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.rig.finish();
    pair.a.post(write_to(pair.to_b).imm(3).remote(remote, 90'000).sge(local, 90'000));
    pair.rig.finish();
    pair.a.post(send_to(pair.to_b).inlined("into the bad buffer"));
    for (int i = 0; i < 4; ++i)
      pair.a.post(read_from(pair.to_b).remote(remote, 90'000).sge(local, 90'000));
    for (int i = 0; i < 5; ++i)
      pair.a.post(read_from(pair.to_b).remote(0x1000, 8, 0xfffff).sge(local, 8));
    for (int i = 0; i < 6; ++i) pair.a.post(write_to(pair.to_b).remote(remote, 8).sge(local, 8));
    for (int i = 0; i < 7; ++i)
      pair.a.post(write_to(pair.to_b).remote(0x1000, 8, 0xfffff).sge(local, 8));
    pair.rig.finish();

    const std::vector<std::uint64_t> at_left{2, 1, 0, 0, 4, 5, 7, 7, 0, 0};
    const std::vector<std::uint64_t> at_right{0, 0, 3, 1, 0, 0, 0, 0, 4, 7};
    for (unsigned event = 0; event < 10; ++event) {
      EXPECT_EQ(left[event].value(), at_left[event]) << "requester, event " << event;
      EXPECT_EQ(right[event].value(), at_right[event]) << "responder, event " << event;
    }
  }
}

TEST(EventCounter, MayServeSeveralKindsAndQueuePairs) {
  Pair pair("efa4");
  Qp& other = pair.left().qp();
  Counter counter(pair.left());
  counter.attach(pair.a, bit(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP) |
                             bit(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR));
  counter.attach(other, bit(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR));
  for (Qp* qp : {&pair.a, &other}) qp->post(send_to({0x99, 0, 0}));
  pair.rig.settle();
  EXPECT_EQ(counter.value(), 2u);
}

TEST(EventCounter, StopsWhenDetachedOrTheQueuePairIsGone) {
  Pair pair("efa4");
  Qp& other = pair.left().qp();
  Counter counter(pair.left());
  const auto events = bit(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR);
  counter.attach(pair.a, events);
  counter.attach(other, events);
  EXPECT_EQ(counter.change(EFA_AQ_OPCODE_DETACH_EVENT_COUNTER, pair.a, events), kSuccess);
  other.destroy();
  pair.a.post(send_to({0x99, 0, 0}));
  pair.rig.settle();
  EXPECT_EQ(counter.value(), 0u);
}

TEST(EventCounter, CountsFlushedWorkAsErrors) {
  Pair pair("efa4");
  Counter sends(pair.left());
  Counter receives(pair.left());
  sends.attach(pair.a, bit(EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR));
  receives.attach(pair.a, bit(EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP_ERR));
  const Region at_a = pair.left().region(4096);
  pair.a.post_recv(1, at_a, 64);
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.a.modify(EFA_QP_STATE_ERR);
  EXPECT_EQ(sends.value(), 1u);
  EXPECT_EQ(receives.value(), 1u);
}

}  // namespace
}  // namespace efa::emu::test
