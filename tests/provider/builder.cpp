// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The work request builder: sends, RDMA, inline data, sessions (spec verbs B7.7, V139 - V154).
#include <array>

#include "doorbell_trap.hpp"
#include "station.hpp"

namespace efa::provider_test {
namespace {

class Builder : public ProviderTest {
 protected:
  Station self = station();
  Station peer = other_station({.qp = {.recv_wr = 256}, .cqe = 256});
  Destination to = peer.from(self);
  Destination back = self.from(peer);  // RDMA needs one on the other side as well

  static void begin(Station& station, std::uint64_t id) {
    station.builder()->wr_id = id;
    station.builder()->wr_flags = IBV_SEND_SIGNALED;
  }
  void address(Station& station) { ibv_wr_set_ud_addr(station.builder(), to.ah, to.qpn, to.qkey); }
  void send(Station& station, std::uint64_t id, std::uint32_t length = 64) {
    begin(station, id);
    ibv_wr_send(station.builder());
    address(station);
    ibv_wr_set_sge(station.builder(), station.mr()->lkey, station.address(0), length);
  }
  bool readable() { return can_read(context.get()); }
  bool writable() { return can_write(context.get()); }
  std::uint32_t depth() { return self.caps().max_send_wr; }
  bool wide_inline() {
    return level() >= 63 && efa_attributes_of(context.get()).inline_buf_size_ex > 32;
  }
};

TEST_F(Builder, V139_an_aborted_session_leaves_no_trace) {
  for (int round = 0; round < 3; ++round) {
    ibv_wr_start(self.builder());
    for (std::uint64_t id = 0; id < 5; ++id) send(self, id);
    ibv_wr_abort(self.builder());
  }
  // All slots are free: the whole depth fits, and comes out once.
  ibv_wr_start(self.builder());
  for (std::uint64_t id = 0; id < depth(); ++id) send(self, id);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  ASSERT_EQ(peer.post_receives(0, static_cast<int>(depth()), 0, 64), 0);
  std::vector<bool> seen(depth());
  for (std::uint32_t i = 0; i < depth(); ++i) {
    const ibv_wc wc = self.next_sent();
    ASSERT_LT(wc.wr_id, depth());
    EXPECT_FALSE(seen[wc.wr_id]);
    seen[wc.wr_id] = true;
  }
  EXPECT_TRUE(self.idle());
}

TEST_F(Builder, V139_an_error_undoes_the_session) {
  ibv_wr_start(self.builder());
  for (std::uint64_t id = 0; id <= depth(); ++id) send(self, id);
  EXPECT_EQ(ibv_wr_complete(self.builder()), ENOMEM);
  ibv_wr_start(self.builder());
  send(self, 7);
  EXPECT_EQ(ibv_wr_complete(self.builder()), 0);
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 7u);
  EXPECT_TRUE(self.idle());
}

TEST_F(Builder, V139_an_empty_session_is_nothing) {
  ibv_wr_start(self.builder());
  EXPECT_EQ(ibv_wr_complete(self.builder()), 0);
  EXPECT_TRUE(self.idle());
}

TEST_F(Builder, V140_the_first_error_is_the_one_that_counts) {
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  ibv_qp_ex* builder = ibv_qp_to_qp_ex(qp.get());
  builder->wr_flags = IBV_SEND_SIGNALED;
  ibv_wr_start(builder);
  ibv_wr_send(builder);  // not ready
  ibv_wr_set_ud_addr(builder, to.ah, to.qpn, to.qkey);
  ibv_wr_set_sge(builder, self.mr()->lkey, self.address(0), 64);
  ibv_wr_send(builder);
  EXPECT_EQ(ibv_wr_complete(builder), EINVAL);
  ibv_wr_start(builder);
  EXPECT_EQ(ibv_wr_complete(builder), 0) << "it does not stick to the next session";
}

TEST_F(Builder, V132_V133_flags_are_those_of_the_classic_interface) {
  Station explicit_signals = station({.qp = {.signal_all = false}});
  ibv_qp_ex* builder = explicit_signals.builder();
  for (const unsigned flags : {0u, unsigned{IBV_SEND_SIGNALED | IBV_SEND_FENCE},
                               unsigned{IBV_SEND_SIGNALED | IBV_SEND_SOLICITED}}) {
    ibv_wr_start(builder);
    builder->wr_id = 1;
    builder->wr_flags = flags;
    ibv_wr_send(builder);
    ibv_wr_set_ud_addr(builder, to.ah, to.qpn, to.qkey);
    ibv_wr_set_sge(builder, self.mr()->lkey, self.address(0), 64);
    EXPECT_EQ(ibv_wr_complete(builder), EINVAL) << flags;
  }
}

TEST_F(Builder, V141_sends_and_sends_with_immediate_value) {
  ASSERT_EQ(peer.post_receives(0, 2, 0, 64), 0);
  self.fill(0, 64, 5);
  ibv_wr_start(self.builder());
  send(self, 1);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  EXPECT_SUCCESS(self.next_sent(), 1u);
  EXPECT_SUCCESS(peer.next_received(), 0u);
  EXPECT_TRUE(peer.holds(0, 64, 5));
  ibv_wr_start(self.builder());
  begin(self, 2);
  ibv_wr_send_imm(self.builder(), htobe32(0x0a0b0c0d));
  address(self);
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(0), 64);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  const ibv_wc received = peer.next_received();
  EXPECT_EQ(received.wc_flags, unsigned{IBV_WC_WITH_IMM});
  EXPECT_EQ(received.imm_data, htobe32(0x0a0b0c0d));
}

TEST_F(Builder, V142_V76_reads_a_megabyte) {
  if (!readable()) return;  // V94 says how that is refused
  constexpr std::uint32_t kBytes = 1 << 20;
  peer.fill(100, kBytes, 11);
  ibv_wr_start(self.builder());
  begin(self, 3);
  ibv_wr_rdma_read(self.builder(), peer.mr()->rkey, peer.address(100));
  address(self);
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(200), kBytes);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  start_poll_when_there(self.send_cq_ex());
  EXPECT_EQ(self.send_cq_ex()->wr_id, 3u);
  EXPECT_EQ(self.send_cq_ex()->status, IBV_WC_SUCCESS);
  EXPECT_EQ(ibv_wc_read_opcode(self.send_cq_ex()), IBV_WC_SEND) << "as upstream reports reads";
  ibv_end_poll(self.send_cq_ex());
  EXPECT_TRUE(self.holds(200, kBytes, 11));
}

TEST_F(Builder, V143_V76_writes_a_megabyte) {
  if (!writable()) return;  // V94
  constexpr std::uint32_t kBytes = 1 << 20;
  self.fill(100, kBytes, 12);
  ibv_wr_start(self.builder());
  begin(self, 4);
  ibv_wr_rdma_write(self.builder(), peer.mr()->rkey, peer.address(300));
  address(self);
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(100), kBytes);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  start_poll_when_there(self.send_cq_ex());
  EXPECT_EQ(self.send_cq_ex()->status, IBV_WC_SUCCESS);
  EXPECT_EQ(ibv_wc_read_opcode(self.send_cq_ex()), IBV_WC_RDMA_WRITE);
  ibv_end_poll(self.send_cq_ex());
  EXPECT_TRUE(peer.holds(300, kBytes, 12));
}

TEST_F(Builder, V143_V77_a_write_with_immediate_value_completes_a_receive) {
  if (!writable()) return;  // V94
  constexpr std::uint32_t kBytes = (1 << 20) + 5;
  Station target = other_station({.wc_flags = IBV_WC_STANDARD_FLAGS});
  const Destination there = target.from(self);
  self.from(target);
  ASSERT_EQ(target.post_receive(9, 3 << 20, 0), 0);
  self.fill(0, kBytes, 13);
  ibv_wr_start(self.builder());
  begin(self, 5);
  ibv_wr_rdma_write_imm(self.builder(), target.mr()->rkey, target.address(0), htobe32(77));
  ibv_wr_set_ud_addr(self.builder(), there.ah, there.qpn, there.qkey);
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(0), kBytes);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  EXPECT_SUCCESS(self.next_sent(), 5u);
  start_poll_when_there(target.recv_cq_ex());
  EXPECT_EQ(target.recv_cq_ex()->wr_id, 9u);
  EXPECT_EQ(ibv_wc_read_opcode(target.recv_cq_ex()), IBV_WC_RECV_RDMA_WITH_IMM);
  EXPECT_EQ(ibv_wc_read_byte_len(target.recv_cq_ex()), kBytes);
  EXPECT_EQ(ibv_wc_read_imm_data(target.recv_cq_ex()), htobe32(77));
  ibv_end_poll(target.recv_cq_ex());
  EXPECT_TRUE(target.holds(0, kBytes, 13));
}

TEST_F(Builder, V82_unsolicited_writes_take_no_receive) {
  const bool capable = (efa_attributes_of(context.get()).device_caps &
                        EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV) != 0;
  if (!capable) return;  // V95 says how that is refused
  Station target =
      other_station({.qp = {.recv_wr = 4, .flags = EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV},
                     .wc_flags = IBV_WC_STANDARD_FLAGS,
                     .efa_wc_flags = EFADV_WC_EX_WITH_IS_UNSOLICITED});
  const Destination there = target.from(self);
  self.from(target);
  ASSERT_EQ(target.post_receives(1, 4, 4096, 64), 0);
  for (std::uint64_t id = 0; id < 10; ++id) {
    ibv_wr_start(self.builder());
    begin(self, id);
    ibv_wr_rdma_write_imm(self.builder(), target.mr()->rkey, target.address(0), htobe32(5));
    ibv_wr_set_ud_addr(self.builder(), there.ah, there.qpn, there.qkey);
    ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(0), 64);
    ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
    EXPECT_SUCCESS(self.next_sent(), id);
    start_poll_when_there(target.recv_cq_ex());
    EXPECT_TRUE(efadv_wc_is_unsolicited(efadv_cq_from_ibv_cq_ex(target.recv_cq_ex())));
    EXPECT_EQ(target.recv_cq_ex()->wr_id, 0u);
    EXPECT_EQ(ibv_wc_read_byte_len(target.recv_cq_ex()), 64u);
    ibv_end_poll(target.recv_cq_ex());
  }
  EXPECT_EQ(target.post_receive(9, 0, 64), ENOMEM) << "no slot was freed";
  ASSERT_EQ(self.post_send(3, there, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 3u);
  start_poll_when_there(target.recv_cq_ex());
  EXPECT_FALSE(efadv_wc_is_unsolicited(efadv_cq_from_ibv_cq_ex(target.recv_cq_ex())));
  EXPECT_EQ(target.recv_cq_ex()->wr_id, 1u);
  ibv_end_poll(target.recv_cq_ex());
}

TEST_F(Builder, V145_one_segment_sets_the_remote_length_too) {
  if (!readable()) return;  // V94
  ibv_wr_start(self.builder());
  begin(self, 1);
  ibv_wr_rdma_read(self.builder(), peer.mr()->rkey, peer.address(0));
  address(self);
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(64), 777);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  const efa_tx_wqe_128 wqe = self.rings().send_wqe(0, 64);
  EXPECT_EQ(efa_tx_meta_desc_op_type(&wqe.meta), EFA_SEND_OP_TYPE_RDMA_READ);
  EXPECT_EQ(wqe.data.rdma_req.remote_mem.length, 777u);
  EXPECT_EQ(wqe.data.rdma_req.remote_mem.rkey, peer.mr()->rkey);
  EXPECT_EQ(efa_remote_mem_addr_addr(&wqe.data.rdma_req.remote_mem), peer.address(0));
  EXPECT_EQ(wqe.data.rdma_req.local_mem.length, 777u);
  EXPECT_SUCCESS(self.next_sent(), 1u);
}

TEST_F(Builder, V146_a_segment_list_has_limits) {
  Station two = station({.qp = {.send_sge = 2}});
  const std::array<ibv_sge, 3> parts{two.sge(0, 16), two.sge(4096, 24), two.sge(8192, 1)};
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  const auto post = [&](std::size_t count, bool read) {
    begin(two, 2);
    ibv_wr_start(two.builder());
    if (read)
      ibv_wr_rdma_read(two.builder(), peer.mr()->rkey, peer.address(0));
    else
      ibv_wr_send(two.builder());
    address(two);
    ibv_wr_set_sge_list(two.builder(), count, parts.data());
    return ibv_wr_complete(two.builder());
  };
  EXPECT_EQ(post(3, false), EINVAL);
  EXPECT_EQ(post(2, false), 0);
  EXPECT_SUCCESS(two.next_sent(), 2u);
  EXPECT_EQ(peer.next_received().byte_len, 40u);
  if (!readable()) return;
  EXPECT_EQ(post(2, true), EINVAL);
  EXPECT_EQ(post(1, true), 0);
  EXPECT_SUCCESS(two.next_sent(), 2u);
}

TEST_F(Builder, V146_zero_segments_are_an_empty_message) {
  ASSERT_EQ(peer.post_receive(1, 0, 64), 0);
  ibv_wr_start(self.builder());
  begin(self, 2);
  ibv_wr_send(self.builder());
  address(self);
  ibv_wr_set_sge_list(self.builder(), 0, nullptr);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  EXPECT_EQ(peer.next_received().byte_len, 0u);
}

TEST_F(Builder, V147_V148_inline_data_have_a_limit_and_arrive) {
  const std::uint32_t widest = wide_inline() ? 80 : 32;
  for (const std::uint32_t limit : {1u, 32u, 33u, 80u}) {
    if (limit > widest) continue;  // V98 says how that is refused
    Station small = station({.qp = {.inline_data = limit}});
    small.fill(0, 128, static_cast<std::uint8_t>(limit));
    for (const std::uint32_t length : {0u, 1u, limit / 2, limit, limit + 1}) {
      ibv_wr_start(small.builder());
      begin(small, length);
      ibv_wr_send(small.builder());
      address(small);
      ibv_wr_set_inline_data(small.builder(), small.at(0), length);
      EXPECT_EQ(ibv_wr_complete(small.builder()), length > limit ? EINVAL : 0)
          << length << " of " << limit;
      if (length > limit) continue;
      ASSERT_EQ(peer.post_receive(1, 0, 128), 0);
      EXPECT_SUCCESS(small.next_sent(), length);
      EXPECT_EQ(peer.next_received().byte_len, length);
      EXPECT_TRUE(peer.holds(0, length, static_cast<std::uint8_t>(limit)));
    }
  }
}

TEST_F(Builder, V147_inline_lists_are_joined) {
  Station small = station({.qp = {.inline_data = 32}});
  small.fill(0, 32, 3);
  ibv_data_buf pieces[] = {
      {small.at(0), 5}, {small.at(5), 0}, {small.at(5), 16}, {small.at(21), 11}};
  const auto post = [&](std::size_t count) {
    ibv_wr_start(small.builder());
    begin(small, 1);
    ibv_wr_send(small.builder());
    address(small);
    ibv_wr_set_inline_data_list(small.builder(), count, pieces);
    return ibv_wr_complete(small.builder());
  };
  ASSERT_EQ(peer.post_receive(1, 0, 128), 0);
  ASSERT_EQ(post(4), 0);
  EXPECT_SUCCESS(small.next_sent(), 1u);
  EXPECT_EQ(peer.next_received().byte_len, 32u);
  EXPECT_TRUE(peer.holds(0, 32, 3));
  pieces[3].length = 12;
  EXPECT_EQ(post(4), EINVAL);
}

TEST_F(Builder, V147_RDMA_takes_inline_data_only_where_agreed) {
  if (!readable()) return;  // V94
  Station small = station({.qp = {.inline_data = 32}});
  const auto post = [&](bool write) {
    ibv_wr_start(small.builder());
    begin(small, 1);
    if (write)
      ibv_wr_rdma_write(small.builder(), peer.mr()->rkey, peer.address(0));
    else
      ibv_wr_rdma_read(small.builder(), peer.mr()->rkey, peer.address(0));
    address(small);
    ibv_wr_set_inline_data(small.builder(), small.at(0), 16);
    return ibv_wr_complete(small.builder());
  };
  // Before 63 nobody looked.
  EXPECT_EQ(post(false), since(63, EINVAL, 0));
  if (writable()) {
    EXPECT_EQ(post(true), since(63, EINVAL, 0));
  }
}

TEST_F(Builder, V148_inline_writes_carry_80_bytes) {
  if (!writable() || !wide_inline()) return;  // V95, V98 say how that is refused
  Station small = station({.qp = {.inline_data = 80, .flags = EFADV_QP_FLAGS_INLINE_WRITE}});
  small.from(peer);
  small.fill(0, 128, 21);
  for (const std::uint32_t length : {1u, 32u, 33u, 80u, 81u}) {
    std::memset(peer.at(0), 0, 128);
    ibv_wr_start(small.builder());
    begin(small, length);
    ibv_wr_rdma_write(small.builder(), peer.mr()->rkey, peer.address(0));
    address(small);
    ibv_wr_set_inline_data(small.builder(), small.at(0), length);
    EXPECT_EQ(ibv_wr_complete(small.builder()), length > 80 ? EINVAL : 0) << length;
    if (length > 80) continue;
    EXPECT_SUCCESS(small.next_sent(), length);
    EXPECT_TRUE(peer.holds(0, length, 21)) << length;
  }
}

TEST_F(Builder, V149_RDMA_needs_an_address_too) {
  if (!readable()) return;  // V94
  ibv_wr_start(self.builder());
  begin(self, 1);
  ibv_wr_rdma_read(self.builder(), peer.mr()->rkey, peer.address(0));
  ibv_wr_set_sge(self.builder(), self.mr()->lkey, self.address(64), 64);
  ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
  const ibv_wc wc = self.next_sent();
  EXPECT_NE(wc.status, IBV_WC_SUCCESS) << "sent to queue pair 0 of address handle 0";
  EXPECT_EQ(wc.wr_id, 1u);
}

TEST_F(Builder, V150_hints_are_in_the_request) {
  if (level() < 64) return;  // V96 says how that is refused
  Station hinted = station({.qp = {.wr_flags = EFADV_WR_EX_WITH_PROCESSING_HINTS}});
  efadv_qp* efa = api().qp_from_ibv_qp_ex(hinted.builder());
  const struct {
    std::uint32_t asked;
    int written;
  } cases[] = {{EFADV_WR_PROCESSING_HINT_BURST_PPS_SENSITIVE, 1}, {0, 0}, {~1u, 0}, {~0u, 1}};
  std::uint32_t index = 0;
  for (const auto& item : cases) {
    ibv_wr_start(hinted.builder());
    begin(hinted, index);
    ibv_wr_send(hinted.builder());
    efadv_wr_set_processing_hints(efa, item.asked);
    address(hinted);
    ibv_wr_set_sge(hinted.builder(), hinted.mr()->lkey, hinted.address(0), 8);
    ASSERT_EQ(ibv_wr_complete(hinted.builder()), 0);
    const efa_tx_meta_desc meta = hinted.rings().send_meta(index++, 64);
    EXPECT_EQ(efa_tx_meta_desc_processing_hints(&meta), item.written) << item.asked;
  }
}

TEST_F(Builder, V151_sessions_wrap_around_the_ring) {
  // Three rings full of messages, in sessions whose sizes do not divide the ring.
  std::uint64_t posted = 0;
  const std::uint64_t all = depth() * 3;
  std::uint32_t size = 1;
  while (posted < all) {
    const std::uint32_t batch = std::min<std::uint32_t>(size % depth() + 1, depth());
    size += 3;
    ASSERT_EQ(peer.post_receives(0, static_cast<int>(batch), 0, 64), 0);
    ibv_wr_start(self.builder());
    for (std::uint32_t i = 0; i < batch; ++i) send(self, posted + i, 1 + i);
    ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
    for (std::uint32_t i = 0; i < batch; ++i) {
      const ibv_wc wc = self.next_sent();
      EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
      EXPECT_GE(wc.wr_id, posted);
      EXPECT_LT(wc.wr_id, posted + batch);
      EXPECT_EQ(peer.next_received().status, IBV_WC_SUCCESS);
    }
    posted += batch;
  }
}

TEST_F(Builder, V107_V151_a_session_rings_after_each_full_batch) {
  const std::uint64_t limit =
      device_limit("max_tx_batch").value_or(generation().part_id >= 0xefa3 ? 16 : 0);
  const std::uint32_t step = limit == 0 ? depth() : static_cast<std::uint32_t>(limit);
  std::vector<std::uint32_t> values;
  {
    const DoorbellTrap trap(self.rings().sq_doorbell());
    ibv_wr_start(self.builder());
    for (std::uint64_t id = 0; id < depth(); ++id) send(self, id);
    EXPECT_TRUE(trap.values().empty()) << "nothing is announced before the end";
    ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
    values = trap.values();
  }
  std::uint32_t previous = 0;
  for (const std::uint32_t value : values) {
    EXPECT_LE(value - previous, step);
    previous = value;
  }
  EXPECT_EQ(previous, depth());
  if (limit == 0 && device_limit("min_sq_depth").value_or(0) == 0) {
    EXPECT_EQ(values.size(), 1u);
  }
}

TEST_F(Builder, V154_aborting_leaves_64_bit_ids_alone) {
  // On a queue pair with 64-bit ids there is no table of ids that an abort could disturb.
  for (std::uint64_t round = 0; round < 3; ++round) {
    ibv_wr_start(self.builder());
    for (std::uint64_t id = 0; id < 7; ++id) send(self, 0xdead0000 + id);
    ibv_wr_abort(self.builder());
    ASSERT_EQ(peer.post_receive(round, 0, 64), 0);
    ibv_wr_start(self.builder());
    send(self, 0xfeedfacecafe0000 + round);
    ASSERT_EQ(ibv_wr_complete(self.builder()), 0);
    EXPECT_SUCCESS(self.next_sent(), 0xfeedfacecafe0000 + round);
    EXPECT_SUCCESS(peer.next_received(), round);
  }
}

}  // namespace
}  // namespace efa::provider_test
