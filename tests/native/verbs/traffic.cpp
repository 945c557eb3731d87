// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Messages that arrive: SRD and UD sends, immediates, inline data, scatter lists, RDMA reads
/// (device-io I2, I3, I5, I9).
#include <arpa/inet.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "rig.hpp"

namespace efa::verbs_test {
namespace {

constexpr std::size_t kGrh = 40;

/// One endpoint on each of two devices that know each other.
class TrafficTest : public VerbsTest {
 protected:
  QpOptions options{.recv_sges = 1, .inline_bytes = 32};
  Endpoint sender = endpoint(options);
  Endpoint receiver = other_endpoint(options);
  Destination to = receiver.from(sender);
  Destination back = sender.from(receiver);
};

TEST_F(TrafficTest, BringsEveryLengthUnchanged) {
  std::uint8_t seed = 1;
  for (const std::uint32_t length : {1u, 2u, 31u, 32u, 33u, 63u, 64u, 65u, 255u, 256u, 1023u, 4095u,
                                     4096u, 4097u, 8191u, 8192u, generation().mtu}) {
    const Part from{3, length}, into{100001, 9000};
    sender.fill(from, ++seed);
    ASSERT_EQ(receiver.post_receive(length, {into}), 0);
    ASSERT_EQ(sender.post_send(length, to, {from}), 0);
    EXPECT_SUCCESS(sender.next_sent(), length);
    const ibv_wc wc = receiver.next_received();
    EXPECT_SUCCESS(wc, length);
    EXPECT_EQ(wc.byte_len, length);
    EXPECT_EQ(wc.opcode, IBV_WC_RECV);
    EXPECT_EQ(wc.qp_num, receiver.qp()->qp_num);
    EXPECT_EQ(wc.src_qp, sender.qp()->qp_num);
    EXPECT_TRUE(receiver.holds({into.offset, length}, seed)) << length;
  }
}

TEST_F(TrafficTest, LeavesBytesAroundTheMessageAlone) {
  receiver.fill({0, 4096}, 9);
  sender.fill({0, 100}, 1);
  ASSERT_EQ(receiver.post_receive(1, {{1000, 500}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 100}}), 0);
  EXPECT_SUCCESS(receiver.next_received(), 1u);
  EXPECT_TRUE(receiver.holds({1000, 100}, 1));
  EXPECT_TRUE(receiver.holds({0, 1000}, 9));
  std::vector<std::uint8_t> after(receiver.at(1100), receiver.at(4096));
  receiver.fill({0, 4096}, 9);
  EXPECT_TRUE(std::equal(after.begin(), after.end(), receiver.at(1100)));
}

TEST_F(TrafficTest, CarriesImmediates) {
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 16}}, htonl(0xdeadbeef)), 0);
  const ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_NE(wc.wc_flags & IBV_WC_WITH_IMM, 0u);
  EXPECT_EQ(ntohl(wc.imm_data), 0xdeadbeefu);
}

TEST_F(TrafficTest, WithoutImmediateShowsNone) {
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 16}}), 0);
  const ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.wc_flags & IBV_WC_WITH_IMM, 0u);
}

TEST_F(TrafficTest, SendsInlineDataThatMayBeOverwrittenAtOnce) {
  for (std::uint32_t length = 0; length <= 32; ++length) {
    const auto seed = static_cast<std::uint8_t>(length + 1);
    sender.fill({0, 32}, seed);
    ASSERT_EQ(receiver.post_receive(length, {{64, 64}}), 0);
    ASSERT_EQ(sender.post_send(length, to, {{0, length}}, std::nullopt, true), 0);
    std::memset(sender.at(0), 0, 32);
    const ibv_wc wc = receiver.next_received();
    EXPECT_SUCCESS(wc, length);
    EXPECT_EQ(wc.byte_len, length);
    EXPECT_TRUE(receiver.holds({64, length}, seed));
    EXPECT_SUCCESS(sender.next_sent(), length);
  }
}

TEST_F(TrafficTest, GathersTwoSegments) {
  sender.fill({5000, 300}, 7);
  std::memmove(sender.at(9), sender.at(5000), 100);
  ASSERT_EQ(receiver.post_receive(1, {{0, 1000}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{9, 100}, {5100, 200}}), 0);
  const ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.byte_len, 300u);
  EXPECT_TRUE(receiver.holds({0, 300}, 7));
}

TEST_F(TrafficTest, ScattersOverAllReceiveSegments) {
  const efadv_device_attr limits = efa_attributes();
  Endpoint many = other_endpoint({.recv_sges = limits.max_rq_sge});
  const Destination to_many = many.from(sender);
  sender.fill({0, 1000}, 3);
  std::vector<Part> parts;
  for (std::uint32_t i = 0; i < limits.max_rq_sge; ++i) parts.push_back({10000 - i * 1000, 400});
  ASSERT_EQ(many.post_receive(1, parts), 0);
  const std::uint32_t length = std::min(1000u, 400u * limits.max_rq_sge);
  ASSERT_EQ(sender.post_send(1, to_many, {{0, length}}), 0);
  EXPECT_SUCCESS(many.next_received(), 1u);
  std::vector<std::uint8_t> joined;
  for (const Part& part : parts)
    joined.insert(joined.end(), many.at(part.offset), many.at(part.offset) + part.length);
  EXPECT_TRUE(std::equal(joined.begin(), joined.begin() + length, sender.at(0)));
}

TEST_F(TrafficTest, BringsMessagesOfNoBytes) {
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.byte_len, 0u);
  ASSERT_EQ(receiver.post_receive(2, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(2, to, {{0, 0}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 2u);
  EXPECT_EQ(wc.byte_len, 0u);
}

TEST_F(TrafficTest, KnowsTheSenderByAnAddressHandleOfTheReceiver) {
  efadv_cq_init_attr efa{};
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 16;
  attr.wc_flags = IBV_WC_EX_WITH_SRC_QP | IBV_WC_EX_WITH_SLID;
  efa.wc_flags = EFADV_WC_EX_WITH_SGID;
  ibv_cq_ex* extended = efadv_create_cq(other_context.get(), &attr, &efa, sizeof(efa));
  ASSERT_NE(extended, nullptr);
  const Cq cq(ibv_cq_ex_to_cq(extended));
  const Pd lonely(ibv_alloc_pd(other_context.get()));
  const Qp qp(try_create_qp(other_context.get(), lonely.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  ASSERT_EQ(to_init(qp.get()), 0);
  ASSERT_EQ(to_rtr(qp.get()), 0);
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(lonely.get(), buffer.data(), buffer.size(), IBV_ACCESS_LOCAL_WRITE));
  const Destination to_lonely{to.ah, qp->qp_num};

  const auto receive = [&] {
    ibv_sge sge{reinterpret_cast<std::uint64_t>(buffer.data()), 64, mr->lkey};
    ibv_recv_wr wr{1, nullptr, &sge, 1}, *bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
    ASSERT_EQ(sender.post_send(1, to_lonely, {{0, 8}}), 0);
    ibv_poll_cq_attr poll{};
    ASSERT_TRUE(wait_until([&] { return ibv_start_poll(extended, &poll) == 0; }));
    EXPECT_EQ(extended->status, IBV_WC_SUCCESS);
    EXPECT_EQ(ibv_wc_read_src_qp(extended), sender.qp()->qp_num);
  };
  receive();
  ibv_gid source{};
  EXPECT_EQ(efadv_wc_read_sgid(efadv_cq_from_ibv_cq_ex(extended), &source), 0);
  const ibv_gid expected = gid_of(context.get());
  EXPECT_EQ(std::memcmp(&source, &expected, sizeof(source)), 0);
  ibv_end_poll(extended);

  const Ah known(try_create_ah(lonely.get(), expected));
  efadv_ah_attr number{};
  ASSERT_EQ(efadv_query_ah(known.get(), &number, sizeof(number)), 0);
  receive();
  EXPECT_EQ(ibv_wc_read_slid(extended), number.ahn);
  ibv_end_poll(extended);
}

TEST_F(TrafficTest, DeliversEveryMessageOfALongStreamOnce) {
  constexpr std::uint64_t kMessages = 5000;
  constexpr std::uint32_t kBytes = 256;
  constexpr std::uint64_t kSlots = 64;
  const auto slot = [](std::uint64_t n) { return static_cast<std::size_t>(n % kSlots) * kBytes; };
  std::set<std::uint64_t> missing;
  for (std::uint64_t n = 0; n < kMessages; ++n) missing.insert(missing.end(), n);
  std::uint64_t receives = 0, sends = 0, sent = 0;
  for (; receives < kSlots; ++receives)
    ASSERT_EQ(receiver.post_receive(receives, {{slot(receives), kBytes}}), 0);
  ASSERT_TRUE(wait_until([&] {
    ibv_wc wc;
    while (sends < kMessages && sends - sent < kSlots) {
      std::memcpy(sender.at(slot(sends)), &sends, sizeof(sends));
      EXPECT_EQ(sender.post_send(sends, to, {{slot(sends), kBytes}}), 0);
      ++sends;
    }
    while (ibv_poll_cq(sender.send_cq(), 1, &wc) == 1) {
      EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
      ++sent;
    }
    while (ibv_poll_cq(receiver.recv_cq(), 1, &wc) == 1) {
      EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
      std::uint64_t number;
      std::memcpy(&number, receiver.at(slot(wc.wr_id)), sizeof(number));
      EXPECT_EQ(missing.erase(number), 1u) << number;
      EXPECT_EQ(receiver.post_receive(wc.wr_id, {{slot(wc.wr_id), kBytes}}), 0);
    }
    return sent == kMessages && missing.empty();
  })) << missing.size()
      << " missing";
}

TEST_F(TrafficTest, FillsTheSendQueueToTheLastSlot) {
  Endpoint narrow = endpoint({.send_depth = 32});
  const Destination to_receiver = receiver.from(narrow);
  // Nothing is received, so that nothing completes (RNR is retried for ever).
  for (std::uint64_t i = 0; i < 32; ++i)
    ASSERT_EQ(narrow.post_send(i, to_receiver, {{0, 8}}), 0) << i;
  EXPECT_EQ(narrow.post_send(32, to_receiver, {{0, 8}}), ENOMEM);
  for (std::uint64_t i = 0; i < 32; ++i) ASSERT_EQ(receiver.post_receive(i, {{0, 64}}), 0);
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 32; ++i) {
    const ibv_wc wc = narrow.next_sent();
    EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
    ids.insert(wc.wr_id);
  }
  EXPECT_EQ(ids.size(), 32u);
}

TEST_F(TrafficTest, WaitsForAReceiveAsLongAsItTakes) {
  sender.fill({0, 64}, 5);
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
  // Messages to somebody else pass the one that waits.
  Endpoint third = other_endpoint();
  const Destination to_third = third.from(sender);
  for (std::uint64_t i = 2; i < 50; ++i) {
    ASSERT_EQ(third.post_receive(i, {{0, 64}}), 0);
    ASSERT_EQ(sender.post_send(i, to_third, {{0, 64}}), 0);
    EXPECT_SUCCESS(sender.next_sent(), i);
  }
  EXPECT_TRUE(sender.idle());
  ASSERT_EQ(receiver.post_receive(7, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  EXPECT_SUCCESS(receiver.next_received(), 7u);
  EXPECT_TRUE(receiver.holds({0, 64}, 5));
}

TEST_F(TrafficTest, ReadsRemoteMemoryOfAnyLength) {
  std::uint64_t id = 0;
  for (const std::uint32_t length : {1u, 64u, 4097u, 8928u, 65537u, 1u << 19}) {
    const auto seed = static_cast<std::uint8_t>(++id);
    receiver.fill({77, length}, seed);
    std::memset(sender.at(0), 0, Endpoint::kBufferBytes);
    ASSERT_EQ(sender.post_read(id, to, receiver.mr()->rkey, receiver.address(77),
                               sender.sge({13, length})),
              0);
    EXPECT_SUCCESS(sender.next_sent(), id);
    EXPECT_TRUE(sender.holds({13, length}, seed)) << length;
    EXPECT_EQ(*sender.at(12), 0);
    EXPECT_EQ(*sender.at(13 + length), 0);
  }
  EXPECT_TRUE(receiver.idle());
}

TEST_F(TrafficTest, ReadsNothingWithAnyKey) {
  ASSERT_EQ(sender.post_read(1, to, 0xffffff, 1, {1, 0, 0xffffff}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
}

TEST_F(TrafficTest, GoesBothWaysAtOnce) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(receiver.post_receive(i, {{0, 64}}), 0);
    ASSERT_EQ(sender.post_receive(i, {{0, 64}}), 0);
    ASSERT_EQ(sender.post_send(i, to, {{4096, 64}}), 0);
    ASSERT_EQ(receiver.post_send(i, back, {{4096, 64}}), 0);
    EXPECT_SUCCESS(sender.next_sent(), i);
    EXPECT_SUCCESS(receiver.next_sent(), i);
    EXPECT_SUCCESS(sender.next_received(), i);
    EXPECT_SUCCESS(receiver.next_received(), i);
  }
}

class DatagramTest : public VerbsTest {
 protected:
  QpOptions options{.transport = Transport::kUd, .inline_bytes = 32};
  Endpoint sender = endpoint(options);
  Endpoint receiver = other_endpoint(options);
  Destination to = receiver.from(sender);

  /// A datagram after which everything sent before has arrived or is lost.
  void expect_next(std::uint64_t id) {
    ASSERT_EQ(receiver.post_receive(id, {{0, 4096}}), 0);
    ASSERT_EQ(sender.post_send(id, to, {{0, 64}}), 0);
    EXPECT_SUCCESS(sender.next_sent(), id);
    EXPECT_SUCCESS(receiver.next_received(), id);
    EXPECT_TRUE(receiver.idle());
  }
};

TEST_F(DatagramTest, ArriveBehindAGlobalRouteHeader) {
  sender.fill({0, 500}, 3);
  ASSERT_EQ(receiver.post_receive(1, {{1000, 4096}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 500}}, htonl(17)), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  const ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.byte_len, 500 + kGrh);
  EXPECT_EQ(wc.src_qp, sender.qp()->qp_num);
  EXPECT_EQ(ntohl(wc.imm_data), 17u);
  EXPECT_TRUE(receiver.holds({1000 + kGrh, 500}, 3));
  ibv_grh header;
  std::memcpy(&header, receiver.at(1000), sizeof(header));
  const ibv_gid source = gid_of(context.get()), destination = gid_of(other_context.get());
  EXPECT_EQ(std::memcmp(&header.sgid, &source, sizeof(source)), 0);
  EXPECT_EQ(std::memcmp(&header.dgid, &destination, sizeof(destination)), 0);
  EXPECT_EQ(ntohl(header.version_tclass_flow) >> 28, 6u);
}

TEST_F(DatagramTest, MayBeEmptyOrAsLongAsTheMtu) {
  std::uint64_t id = 0;
  for (const std::uint32_t length : {0u, 1u, 32u, 4096u}) {
    ASSERT_EQ(receiver.post_receive(++id, {{0, 8192}}), 0);
    ASSERT_EQ(sender.post_send(id, to, {{0, length}}), 0);
    EXPECT_SUCCESS(sender.next_sent(), id);
    const ibv_wc wc = receiver.next_received();
    EXPECT_SUCCESS(wc, id);
    EXPECT_EQ(wc.byte_len, length + kGrh);
  }
}

TEST_F(DatagramTest, WithoutAReceiveAreLost) {
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  expect_next(2);
}

TEST_F(DatagramTest, WithAnotherQkeyAreLost) {
  ASSERT_EQ(receiver.post_receive(1, {{0, 4096}}), 0);
  Destination wrong = to;
  wrong.qkey = kQkey + 1;
  ASSERT_EQ(sender.post_send(1, wrong, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  ASSERT_EQ(sender.post_send(2, to, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  EXPECT_SUCCESS(receiver.next_received(), 1u);
  EXPECT_TRUE(receiver.idle());
}

TEST_F(DatagramTest, ToNobodyAreLost) {
  Destination nobody = to;
  nobody.qpn = 0xfffe;
  ASSERT_EQ(sender.post_send(1, nobody, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  expect_next(2);
}

TEST_F(DatagramTest, WithoutRoomForTheHeaderAreLost) {
  ASSERT_EQ(receiver.post_receive(1, {{0, 100}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 61}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  ASSERT_EQ(sender.post_send(2, to, {{0, 60}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  const ibv_wc wc = receiver.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.byte_len, 100u);
}

TEST_F(DatagramTest, DoNotReachAQueuePairOfTheOtherTransport) {
  Endpoint srd = other_endpoint();
  ASSERT_EQ(srd.post_receive(1, {{0, 4096}}), 0);
  const Destination crossed = srd.from(sender);
  ASSERT_EQ(sender.post_send(1, crossed, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  EXPECT_TRUE(srd.idle());
}

}  // namespace
}  // namespace efa::verbs_test
