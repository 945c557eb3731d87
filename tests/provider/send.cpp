// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The classic send interface (spec verbs B7.7, V130 - V138, V152, V153) and what both interfaces
/// do with the send queue.
#include <sys/mman.h>

#include <array>
#include <map>
#include <random>

#include "doorbell_trap.hpp"
#include "station.hpp"

namespace efa::provider_test {
namespace {

class Send : public ProviderTest {
 protected:
  Station self = station();
  Station peer = other_station({.qp = {.recv_wr = 256}, .cqe = 256});
  Destination to = peer.from(self);
  ibv_sge segment = self.sge(0, 64);
  ibv_send_wr* bad = nullptr;

  ibv_send_wr request(std::uint64_t id = 1) { return self.send_wr(id, to, &segment, 1); }
  int post(ibv_send_wr wr) {
    const int error = ibv_post_send(self.qp(), &wr, &bad);
    EXPECT_EQ(error != 0, bad == &wr);
    bad = nullptr;
    return error;
  }
  std::uint32_t depth() { return self.caps().max_send_wr; }
  /// Sends that find no receive stay in the queue.
  void fill_queue() {
    for (std::uint64_t id = 0; id < depth(); ++id) ASSERT_EQ(post(request(id)), 0) << id;
  }
};

TEST_F(Send, V130_knows_sends_with_and_without_immediate_value_alone) {
  for (int opcode = IBV_WR_RDMA_WRITE; opcode <= IBV_WR_DRIVER1; ++opcode) {
    ibv_send_wr wr = request();
    wr.opcode = static_cast<ibv_wr_opcode>(opcode);
    const bool send = opcode == IBV_WR_SEND || opcode == IBV_WR_SEND_WITH_IMM;
    EXPECT_EQ(post(wr), send ? 0 : EINVAL) << opcode;
    if (!send) continue;
    ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
    EXPECT_SUCCESS(self.next_sent(), 1u);
  }
}

TEST_F(Send, V131_needs_a_queue_pair_that_is_ready_or_drains) {
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  ibv_send_wr wr = request();
  const auto post_here = [&] { return ibv_post_send(qp.get(), &wr, &bad); };
  EXPECT_EQ(post_here(), EINVAL);
  ASSERT_EQ(to_init(qp.get()), 0);
  EXPECT_EQ(post_here(), EINVAL);
  ASSERT_EQ(to_rtr(qp.get()), 0);
  EXPECT_EQ(post_here(), EINVAL);
  ASSERT_EQ(to_rts(qp.get()), 0);
  EXPECT_EQ(post_here(), 0);
  ASSERT_EQ(to_state(qp.get(), IBV_QPS_SQD), 0);
  EXPECT_EQ(post_here(), 0);
  ASSERT_EQ(to_state(qp.get(), IBV_QPS_ERR), 0);
  EXPECT_EQ(post_here(), EINVAL);
}

TEST_F(Send, V132_is_always_signaled) {
  Station explicit_signals = station({.qp = {.signal_all = false}});
  ibv_send_wr wr = request();
  wr.send_flags = 0;
  EXPECT_EQ(ibv_post_send(explicit_signals.qp(), &wr, &bad), EINVAL);
  wr.send_flags = IBV_SEND_SIGNALED;
  EXPECT_EQ(ibv_post_send(explicit_signals.qp(), &wr, &bad), 0);
  wr.send_flags = 0;
  EXPECT_EQ(post(wr), 0) << "sq_sig_all";
  ASSERT_EQ(peer.post_receives(1, 2, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 1u);
  EXPECT_SUCCESS(explicit_signals.next_sent(), 1u);
}

TEST_F(Send, V133_takes_no_other_flags) {
  for (const unsigned flag : {IBV_SEND_FENCE, IBV_SEND_SOLICITED, IBV_SEND_IP_CSUM}) {
    ibv_send_wr wr = request();
    wr.send_flags = IBV_SEND_SIGNALED | flag;
    EXPECT_EQ(post(wr), EINVAL) << flag;
  }
}

TEST_F(Send, V134_a_full_send_queue_answers_ENOMEM) {
  fill_queue();
  EXPECT_EQ(post(request()), ENOMEM);
  EXPECT_EQ(post(request()), ENOMEM);
  // One completion makes room for one.
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  EXPECT_EQ(self.next_sent().status, IBV_WC_SUCCESS);
  EXPECT_EQ(post(request()), 0);
  EXPECT_EQ(post(request()), ENOMEM);
}

TEST_F(Send, V135_segments_and_inline_bytes_have_limits) {
  Station two = station({.qp = {.send_sge = 2, .inline_data = 32}});
  std::array<ibv_sge, 3> parts{two.sge(0, 16), two.sge(4096, 16), two.sge(8192, 16)};
  ibv_send_wr wr = two.send_wr(1, to, parts.data(), 3);
  EXPECT_EQ(ibv_post_send(two.qp(), &wr, &bad), EINVAL);
  wr.num_sge = 2;
  wr.send_flags |= IBV_SEND_INLINE;
  EXPECT_EQ(ibv_post_send(two.qp(), &wr, &bad), 0) << "16 + 16";
  parts[1].length = 17;
  EXPECT_EQ(ibv_post_send(two.qp(), &wr, &bad), EINVAL) << "16 + 17";
  EXPECT_EQ(bad, &wr);
  two.fill(0, 16, 3);
  ASSERT_EQ(peer.post_receive(9, 0, 64), 0);
  EXPECT_SUCCESS(two.next_sent(), 1u);
  EXPECT_EQ(peer.next_received().byte_len, 32u);
}

TEST_F(Send, V135_inline_data_are_taken_at_once) {
  Station small = station({.qp = {.inline_data = 32}});
  const Destination there = peer.from(small);
  small.fill(0, 32, 7);
  ibv_sge part = small.sge(0, 32);
  part.lkey = 0;  // not looked at
  ibv_send_wr wr = small.send_wr(1, there, &part, 1);
  wr.send_flags |= IBV_SEND_INLINE;
  ASSERT_EQ(ibv_post_send(small.qp(), &wr, &bad), 0);
  small.fill(0, 32, 8);
  ASSERT_EQ(peer.post_receive(2, 0, 64), 0);
  EXPECT_SUCCESS(small.next_sent(), 1u);
  EXPECT_SUCCESS(peer.next_received(), 2u);
  EXPECT_TRUE(peer.holds(0, 32, 7));
}

TEST_F(Send, V136_a_list_is_posted_up_to_its_first_bad_request) {
  std::array<ibv_send_wr, 3> list{request(1), request(2), request(3)};
  list[0].next = &list[1];
  list[1].next = &list[2];
  list[1].opcode = IBV_WR_RDMA_READ;
  ASSERT_EQ(peer.post_receives(0, 3, 0, 64), 0);
  EXPECT_EQ(ibv_post_send(self.qp(), list.data(), &bad), EINVAL);
  EXPECT_EQ(bad, &list[1]);
  EXPECT_SUCCESS(self.next_sent(), 1u);
  EXPECT_TRUE(self.idle());
}

TEST_F(Send, V137_the_doorbell_is_rung_once_after_complete_requests) {
  // Receivers are missing, so that nothing moves in between.
  std::array<ibv_send_wr, 3> list{request(1), request(2), request(3)};
  list[0].next = &list[1];
  list[1].next = &list[2];
  std::array<efa_tx_meta_desc, 3> seen{};
  std::vector<std::uint32_t> values;
  {
    const DoorbellTrap trap(self.rings().sq_doorbell(), [&](const DoorbellTrap::Store&) {
      for (std::uint32_t i = 0; i < 3; ++i) seen[i] = self.rings().send_meta(i, 64);
    });
    ASSERT_EQ(ibv_post_send(self.qp(), list.data(), &bad), 0);
    values = trap.values();
  }
  ASSERT_EQ(values, std::vector<std::uint32_t>{3});
  for (const efa_tx_meta_desc& meta : seen) {
    EXPECT_EQ(efa_tx_meta_desc_meta_desc(&meta), 1);
    EXPECT_EQ(efa_tx_meta_desc_first(&meta), 1);
    EXPECT_EQ(efa_tx_meta_desc_last(&meta), 1);
    EXPECT_EQ(efa_tx_meta_desc_comp_req(&meta), 1);
    EXPECT_EQ(meta.dest_qp_num, to.qpn);
    EXPECT_EQ(meta.qkey, to.qkey);
    EXPECT_EQ(meta.length, 1);
    EXPECT_EQ(efa_tx_meta_desc_op_type(&meta), EFA_SEND_OP_TYPE_SEND);
  }
}

TEST_F(Send, V137_a_whole_request_has_no_stale_bytes) {
  ibv_send_wr wr = request();
  wr.opcode = IBV_WR_SEND_WITH_IMM;
  wr.imm_data = htobe32(0x01020304);
  ASSERT_EQ(post(wr), 0);
  const efa_tx_wqe_128 wqe = self.rings().send_wqe(0, 64);
  EXPECT_EQ(efa_tx_meta_desc_has_imm(&wqe.meta), 1);
  EXPECT_EQ(wqe.meta.immediate_data, 0x01020304u);
  EXPECT_EQ(efa_tx_meta_desc_inline_msg(&wqe.meta), 0);
  EXPECT_EQ(efa_tx_meta_desc_meta_extension(&wqe.meta), 0);
  EXPECT_EQ(wqe.meta.ctrl3, 0);
  EXPECT_EQ(wqe.meta.reserved, 0);
  for (const std::uint16_t word : wqe.meta.reserved2) EXPECT_EQ(word, 0);
  EXPECT_EQ(wqe.data.sgl[0].length, 64u);
  EXPECT_EQ(efa_tx_buf_desc_lkey(&wqe.data.sgl[0]), self.mr()->lkey);
  EXPECT_EQ(efa_tx_buf_desc_addr(&wqe.data.sgl[0]), self.address(0));
}

/// Doorbell values while `count` requests are posted as one list.
std::vector<std::uint32_t> doorbells_of_list(Station& self, const Destination& to, int count) {
  std::vector<ibv_send_wr> list;
  ibv_sge segment = self.sge(0, 8);
  for (int i = 0; i < count; ++i)
    list.push_back(self.send_wr(static_cast<std::uint64_t>(i), to, &segment, 1));
  for (int i = 0; i + 1 < count; ++i)
    list[static_cast<std::size_t>(i)].next = &list[static_cast<std::size_t>(i) + 1];
  const DoorbellTrap trap(self.rings().sq_doorbell());
  ibv_send_wr* bad = nullptr;
  EXPECT_EQ(ibv_post_send(self.qp(), list.data(), &bad), 0);
  return trap.values();
}

TEST_F(Send, V107_no_doorbell_announces_more_than_a_batch) {
  const std::uint64_t limit =
      device_limit("max_tx_batch").value_or(generation().part_id >= 0xefa3 ? 16 : 0);
  const std::uint32_t step = limit == 0 ? 65535 : static_cast<std::uint32_t>(limit);
  const auto values = doorbells_of_list(self, to, static_cast<int>(depth()));
  std::uint32_t previous = 0;
  for (const std::uint32_t value : values) {
    EXPECT_LE(value - previous, step);
    // With min_sq_depth the whole ring is never announced at once.
    if (device_limit("min_sq_depth").value_or(0) != 0) {
      EXPECT_LT(value - previous, depth());
    }
    previous = value;
  }
  EXPECT_EQ(previous, depth());
}

TEST_F(Send, V138_may_be_empty) {
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  ibv_send_wr wr = self.send_wr(2, to, nullptr, 0);
  ASSERT_EQ(ibv_post_send(self.qp(), &wr, &bad), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  const ibv_wc received = peer.next_received();
  EXPECT_SUCCESS(received, 1u);
  EXPECT_EQ(received.byte_len, 0u);
}

TEST_F(Send, V152_every_completion_has_the_id_of_its_request) {
  // The fabric may complete in any order; ids are used again as soon as they are free.
  constexpr std::uint64_t kMessages = 5000;
  Station target = other_station({.qp = {.recv_wr = 512}, .cqe = 512});
  const Destination there = target.from(self);
  std::map<std::uint64_t, int> outstanding;
  std::uint64_t posted = 0, completed = 0, received = 0, ready = 0;
  while (completed < kMessages) {
    while (ready < kMessages && ready - received < 256) {
      ASSERT_EQ(target.post_receive(ready, 0, 64), 0);
      ++ready;
    }
    while (posted < kMessages && outstanding.size() < depth()) {
      const std::uint64_t id = posted * 0x9e3779b97f4a7c15;
      ASSERT_EQ(self.post_send(id, there, 0, 8), 0);
      ASSERT_EQ(++outstanding[id], 1);
      ++posted;
    }
    ibv_wc wc;
    while (ibv_poll_cq(target.recv_cq(), 1, &wc) == 1) ++received;
    if (ibv_poll_cq(self.send_cq(), 1, &wc) != 1) {
      ::sched_yield();
      continue;
    }
    ASSERT_EQ(wc.status, IBV_WC_SUCCESS);
    ASSERT_EQ(outstanding.erase(wc.wr_id), 1u) << wc.wr_id;
    ++completed;
  }
  EXPECT_TRUE(outstanding.empty());
}

TEST_F(Send, V152_completions_out_of_order_have_the_right_id) {
  fill_queue();  // to a peer without receives
  std::vector<std::uint32_t> order(depth());
  for (std::uint32_t i = 0; i < depth(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  const bool wide = efa_uabi_create_qp_sq_64_bit_req_id(&self.rings().request()) != 0;
  if (wide) return;  // forged completions have ids of 16 bits; V105_64_bit_ids_travel_whole
  for (const std::uint32_t index : order) {
    self.send_ring().forge(ForgedSend{.qpn = static_cast<std::uint16_t>(self.qp()->qp_num),
                                      .req_id = self.rings().send_meta(index, 64).req_id});
    ibv_wc wc;
    ASSERT_EQ(ibv_poll_cq(self.send_cq(), 1, &wc), 1);
    EXPECT_EQ(wc.wr_id, index);
  }
}

TEST_F(Send, V153_send_queues_are_written_and_never_read) {
  EXPECT_EQ(self.rings().send_protection(), PROT_WRITE);
}

}  // namespace
}  // namespace efa::provider_test
