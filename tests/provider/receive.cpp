// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Posting receives (spec verbs B7.8).
#include <array>

#include "doorbell_trap.hpp"
#include "station.hpp"

namespace efa::provider_test {
namespace {

class Receive : public ProviderTest {
 protected:
  Station self = station({.qp = {.recv_wr = 8, .recv_sge = 2}});
  Station sender = other_station();
  Destination to = self.from(sender);
  ibv_recv_wr* bad = nullptr;

  ibv_recv_wr request(std::uint64_t id, ibv_sge* sges, int count) {
    return {id, nullptr, sges, count};
  }
};

TEST_F(Receive, V160_needs_a_queue_pair_that_is_not_reset_and_not_broken) {
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  ibv_sge segment = self.sge(0, 64);
  ibv_recv_wr wr = request(1, &segment, 1);
  const auto post = [&] { return ibv_post_recv(qp.get(), &wr, &bad); };
  EXPECT_EQ(post(), EINVAL);
  ASSERT_EQ(to_init(qp.get()), 0);
  EXPECT_EQ(post(), 0);
  ASSERT_EQ(to_rtr(qp.get()), 0);
  EXPECT_EQ(post(), 0);
  ASSERT_EQ(to_rts(qp.get()), 0);
  EXPECT_EQ(post(), 0);
  ASSERT_EQ(to_state(qp.get(), IBV_QPS_ERR), 0);
  EXPECT_EQ(post(), EINVAL);
}

TEST_F(Receive, V161_takes_no_more_segments_than_agreed) {
  std::array<ibv_sge, 3> parts{self.sge(0, 16), self.sge(4096, 16), self.sge(8192, 16)};
  ibv_recv_wr wr = request(1, parts.data(), 3);
  EXPECT_EQ(ibv_post_recv(self.qp(), &wr, &bad), EINVAL);
  EXPECT_EQ(bad, &wr);
  wr.num_sge = 2;
  EXPECT_EQ(ibv_post_recv(self.qp(), &wr, &bad), 0);
  sender.fill(0, 32, 4);
  ASSERT_EQ(sender.post_send(2, to, 0, 32), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  EXPECT_SUCCESS(self.next_received(), 1u);
  EXPECT_TRUE(self.holds(0, 16, 4));
  EXPECT_EQ(std::memcmp(self.at(4096), sender.at(16), 16), 0);
}

TEST_F(Receive, V162_a_full_receive_queue_answers_ENOMEM) {
  ASSERT_EQ(self.post_receives(0, 8, 0, 64), 0);
  EXPECT_EQ(self.post_receive(8, 0, 64), ENOMEM);
  ASSERT_EQ(sender.post_send(1, to, 0, 64), 0);
  EXPECT_SUCCESS(self.next_received(), 0u);
  EXPECT_EQ(self.post_receive(8, 0, 64), 0);
  EXPECT_EQ(self.post_receive(9, 0, 64), ENOMEM);
}

TEST_F(Receive, V163_long_segments_are_cut_to_16_bits) {
  ASSERT_EQ(self.post_receive(1, 0, 1 << 20), 0);
  const std::uint16_t length = self.rings().receive_descriptor(0).length;
  // Older libraries store the low 16 bits (device-io I5).
  EXPECT_EQ(length, since(56, 65535, 0));
  if (length == 0) return;
  ASSERT_EQ(sender.post_send(2, to, 0, 8000), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  EXPECT_EQ(self.next_received().byte_len, 8000u);
}

TEST_F(Receive, V164_without_segments_takes_an_empty_message) {
  ibv_recv_wr wr = request(1, nullptr, 0);
  if (!ours()) {  // B11 P2: no descriptor is written, and the slot is gone
    const DoorbellTrap trap(self.rings().rq_doorbell());
    ASSERT_EQ(ibv_post_recv(self.qp(), &wr, &bad), 0);
    ASSERT_EQ(trap.values(), std::vector<std::uint32_t>{0});
    return;
  }
  ASSERT_EQ(ibv_post_recv(self.qp(), &wr, &bad), 0);
  const efa_rx_desc descriptor = self.rings().receive_descriptor(0);
  EXPECT_EQ(efa_rx_desc_first(&descriptor), 1u);
  EXPECT_EQ(efa_rx_desc_last(&descriptor), 1u);
  EXPECT_EQ(descriptor.length, 0);
  ibv_send_wr empty = sender.send_wr(2, to, nullptr, 0);
  ibv_send_wr* bad_send = nullptr;
  ASSERT_EQ(ibv_post_send(sender.qp(), &empty, &bad_send), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
  EXPECT_SUCCESS(self.next_received(), 1u);
  ASSERT_EQ(self.post_receives(0, 8, 0, 64), 0) << "no slot is lost";
}

TEST_F(Receive, V165_the_doorbell_counts_descriptors_and_is_always_rung) {
  std::array<ibv_sge, 3> parts{self.sge(0, 16), self.sge(4096, 16), self.sge(8192, 16)};
  std::array<ibv_recv_wr, 3> list{request(1, parts.data(), 2), request(2, parts.data(), 1),
                                  request(3, parts.data(), 3)};
  list[0].next = &list[1];
  list[1].next = &list[2];
  const DoorbellTrap trap(self.rings().rq_doorbell());
  EXPECT_EQ(ibv_post_recv(self.qp(), list.data(), &bad), EINVAL);
  EXPECT_EQ(bad, &list[2]);
  EXPECT_EQ(trap.values(), std::vector<std::uint32_t>{3});
  EXPECT_EQ(ibv_post_recv(self.qp(), &list[2], &bad), EINVAL);
  EXPECT_EQ(trap.values().back(), 3u);
}

TEST_F(Receive, V165_descriptors_are_complete_and_marked) {
  std::array<ibv_sge, 2> parts{self.sge(0, 100), self.sge(4096, 200)};
  ibv_recv_wr wr = request(1, parts.data(), 2);
  ASSERT_EQ(ibv_post_recv(self.qp(), &wr, &bad), 0);
  for (std::uint32_t i = 0; i < 2; ++i) {
    const efa_rx_desc descriptor = self.rings().receive_descriptor(i);
    EXPECT_EQ(efa_rx_desc_last(&descriptor), i == 1);
    EXPECT_EQ(efa_rx_desc_lkey(&descriptor), self.mr()->lkey);
    EXPECT_EQ(efa_rx_desc_addr(&descriptor), parts[i].addr);
    EXPECT_EQ(descriptor.length, parts[i].length);
  }
  const efa_rx_desc first = self.rings().receive_descriptor(0);
  EXPECT_EQ(efa_rx_desc_first(&first), 1u);
}

TEST_F(Receive, V166_datagrams_begin_behind_40_bytes) {
  Station from = station({.qp = {.transport = Transport::kUd}});
  Station here = other_station({.qp = {.transport = Transport::kUd}});
  const Destination there = here.from(from);
  from.fill(0, 100, 6);
  ASSERT_EQ(here.post_receive(1, 0, 140), 0);
  ASSERT_EQ(from.post_send(2, there, 0, 100), 0);
  EXPECT_SUCCESS(from.next_sent(), 2u);
  const ibv_wc received = here.next_received();
  EXPECT_SUCCESS(received, 1u);
  EXPECT_EQ(received.byte_len, 140u);
  EXPECT_TRUE(here.holds(40, 100, 6));
}

TEST_F(Receive, V167_a_list_is_posted_up_to_its_first_bad_request) {
  std::array<ibv_sge, 3> parts{self.sge(0, 64), self.sge(4096, 64), self.sge(8192, 64)};
  std::array<ibv_recv_wr, 3> list{request(1, parts.data(), 1), request(2, parts.data(), 3),
                                  request(3, parts.data(), 1)};
  list[0].next = &list[1];
  list[1].next = &list[2];
  EXPECT_EQ(ibv_post_recv(self.qp(), list.data(), &bad), EINVAL);
  EXPECT_EQ(bad, &list[1]);
  ASSERT_EQ(sender.post_send(7, to, 0, 64), 0);
  EXPECT_SUCCESS(sender.next_sent(), 7u);
  EXPECT_SUCCESS(self.next_received(), 1u);
  EXPECT_TRUE(self.idle());
}

}  // namespace
}  // namespace efa::provider_test
