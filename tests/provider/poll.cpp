// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What polling returns (spec verbs B7.5, V69 - V85). Completions that no well-behaved device gives
/// are written into the ring by the test.
#include <atomic>
#include <set>
#include <thread>

#include "doorbell_trap.hpp"
#include "station.hpp"

namespace efa::provider_test {
namespace {

constexpr std::uint64_t kEverything = IBV_WC_STANDARD_FLAGS;

class Poll : public ProviderTest {
 protected:
  Station self = station({.wc_flags = kEverything});
  Station peer = other_station({.wc_flags = kEverything});
  Destination to = peer.from(self);
  Destination back = self.from(peer);
  ibv_wc wc{};
  ibv_poll_cq_attr none{};
};

TEST_F(Poll, V69_of_an_empty_queue_is_0) {
  EXPECT_EQ(ibv_poll_cq(self.send_cq(), 1, &wc), 0);
  EXPECT_EQ(ibv_poll_cq(self.send_cq(), 0, &wc), 0);
}

TEST_F(Poll, V69_returns_up_to_n_completions) {
  ASSERT_EQ(peer.post_receives(0, 10, 0, 64), 0);
  for (std::uint64_t id = 0; id < 10; ++id) ASSERT_EQ(self.post_send(id, to, 0, 64), 0);
  std::set<std::uint64_t> seen;
  wait_until([&] {
    ibv_wc several[3];
    const int got = ibv_poll_cq(self.send_cq(), 3, several);
    EXPECT_LE(got, 3);
    for (int i = 0; i < got; ++i) EXPECT_TRUE(seen.insert(several[i].wr_id).second);
    return seen.size() == 10;
  });
  EXPECT_EQ(seen.size(), 10u);
}

TEST_F(Poll, V69_rings_the_doorbell_once_if_there_is_one) {
  if (device_limit("max_eq") == 0) {
    EXPECT_FALSE(self.send_ring().has_doorbell());
    return;
  }
  const Channel channel(ibv_create_comp_channel(context.get()));
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, channel.get(), 0));
  CqRing ring;
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  QpRings queues;
  ring.use_sub_cq(queues.recv_sub_cq());
  make_ready(qp.get());
  ibv_sge segment = self.sge(0, 64);
  for (std::uint64_t id = 0; id < 3; ++id) {
    ibv_recv_wr wr{id, nullptr, &segment, 1};
    ibv_recv_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
    ring.forge(
        ForgedReceive{.qpn = static_cast<std::uint16_t>(qp->qp_num),
                      .req_id = queues.receive_descriptor(static_cast<std::uint32_t>(id)).req_id});
  }
  const DoorbellTrap trap(ring.doorbell());
  ibv_wc several[8];
  EXPECT_EQ(ibv_poll_cq(cq.get(), 8, several), 3);
  EXPECT_EQ(ibv_poll_cq(cq.get(), 8, several), 0);
  ASSERT_EQ(trap.values().size(), 1u);
  EXPECT_EQ(efa_cq_doorbell_arm(trap.values()[0]), 0u);
  EXPECT_EQ(efa_cq_doorbell_consumer_index(trap.values()[0]), 3u);
}

TEST_F(Poll, V70_an_unknown_queue_pair_is_an_error_and_consumed) {
  const auto unknown = static_cast<std::uint16_t>(self.qp()->qp_num ^ 0x80);
  self.send_ring().forge(ForgedSend{.qpn = unknown});
  self.send_ring().forge(ForgedSend{.qpn = unknown});
  EXPECT_EQ(ibv_poll_cq(self.send_cq(), 1, &wc), -EINVAL);
  EXPECT_EQ(ibv_start_poll(self.send_cq_ex(), &none), EINVAL);
  EXPECT_EQ(ibv_poll_cq(self.send_cq(), 1, &wc), 0) << "both are gone";
}

TEST_F(Poll, V70_good_ones_before_an_unknown_one_are_returned) {
  ASSERT_EQ(self.post_receives(7, 2, 0, 64), 0);
  const auto qpn = static_cast<std::uint16_t>(self.qp()->qp_num);
  self.recv_ring().forge(
      ForgedReceive{.qpn = qpn, .req_id = self.rings().receive_descriptor(0).req_id, .length = 5});
  self.recv_ring().forge(ForgedReceive{.qpn = static_cast<std::uint16_t>(qpn ^ 0x80)});
  self.recv_ring().forge(
      ForgedReceive{.qpn = qpn, .req_id = self.rings().receive_descriptor(1).req_id, .length = 6});
  ibv_wc several[4];
  ASSERT_EQ(ibv_poll_cq(self.recv_cq(), 4, several), 1);
  EXPECT_EQ(several[0].wr_id, 7u);
  const int rest = ibv_poll_cq(self.recv_cq(), 4, several);
  EXPECT_TRUE(rest == 1 || rest == -EINVAL) << rest;
  if (rest < 0) {
    ASSERT_EQ(ibv_poll_cq(self.recv_cq(), 4, several), 1);
  }
  EXPECT_EQ(several[0].wr_id, 8u);
}

TEST_F(Poll, V70_V106_a_request_id_of_an_earlier_life_is_an_error) {
  ASSERT_EQ(self.post_receive(7, 0, 64), 0);
  const std::uint16_t good = self.rings().receive_descriptor(0).req_id;
  const auto qpn = static_cast<std::uint16_t>(self.qp()->qp_num);
  if (level() < 63) {
    EXPECT_LT(good, self.caps().max_recv_wr) << "an index alone, without generation";
    return;
  }
  // Another generation: the bits above the slot differ.
  self.recv_ring().forge(
      ForgedReceive{.qpn = qpn, .req_id = static_cast<std::uint16_t>(good ^ 0x8000)});
  EXPECT_EQ(ibv_poll_cq(self.recv_cq(), 1, &wc), -EINVAL);
  self.recv_ring().forge(ForgedReceive{.qpn = qpn, .req_id = good, .length = 9});
  ASSERT_EQ(ibv_poll_cq(self.recv_cq(), 1, &wc), 1);
  EXPECT_EQ(wc.wr_id, 7u);
}

TEST_F(Poll, V71_every_queue_pair_of_a_completion_queue_progresses) {
  // With two sub-CQs, neighbouring queue pairs complete in different ones.
  const Cq cq(ibv_create_cq(context.get(), 256, nullptr, nullptr, 0));
  std::vector<Qp> qps;
  for (int i = 0; i < 4; ++i) {
    qps.emplace_back(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
    ASSERT_TRUE(qps.back());
    make_ready(qps.back().get());
  }
  Station sink = other_station({.qp = {.recv_wr = 64}});
  const Destination drain = sink.from(self);
  std::vector<int> done(qps.size());
  for (std::uint64_t round = 0; round < 50; ++round) {
    ASSERT_EQ(sink.post_receives(0, static_cast<int>(qps.size()), 0, 64), 0);
    for (std::size_t i = 0; i < qps.size(); ++i) {
      ibv_sge segment = self.sge(0, 64);
      ibv_send_wr wr = self.send_wr(i, drain, &segment, 1);
      ibv_send_wr* bad = nullptr;
      ASSERT_EQ(ibv_post_send(qps[i].get(), &wr, &bad), 0);
    }
    for (std::size_t i = 0; i < qps.size(); ++i) {
      const ibv_wc sent = next_completion(cq.get());
      EXPECT_EQ(sent.status, IBV_WC_SUCCESS);
      EXPECT_EQ(sent.qp_num, qps[sent.wr_id]->qp_num);
      ++done[sent.wr_id];
      EXPECT_EQ(sink.next_received().status, IBV_WC_SUCCESS);
    }
  }
  for (const int count : done) EXPECT_EQ(count, 50);
}

TEST_F(Poll, V72_start_checks_its_attribute_and_an_empty_queue_stays_unlocked) {
  ibv_poll_cq_attr wrong{1};
  EXPECT_EQ(ibv_start_poll(self.send_cq_ex(), &wrong), EINVAL);
  EXPECT_EQ(ibv_start_poll(self.send_cq_ex(), &none), ENOENT);
  EXPECT_EQ(ibv_start_poll(self.send_cq_ex(), &none), ENOENT);
  EXPECT_EQ(ibv_poll_cq(self.send_cq(), 1, &wc), 0);
}

TEST_F(Poll, V72_threads_share_a_queue) {
  constexpr int kMessages = 2000;
  Station source = station({.qp = {.send_wr = 128}, .cqe = 256});
  Station sink = other_station({.qp = {.recv_wr = 128}});
  const Destination destination = sink.from(source);
  std::atomic<int> polled{0}, posted{0};
  std::vector<std::atomic<int>> seen(kMessages);
  const auto poller = [&] {
    while (polled < kMessages) {
      if (ibv_start_poll(source.send_cq_ex(), &none) != 0) {
        ::sched_yield();
        continue;
      }
      do {
        ++seen[source.send_cq_ex()->wr_id];
        ++polled;
      } while (ibv_next_poll(source.send_cq_ex()) == 0);
      ibv_end_poll(source.send_cq_ex());
    }
  };
  std::thread one(poller), two(poller);
  while (posted < kMessages) {
    ASSERT_EQ(sink.post_receive(1, 0, 8), 0);
    EXPECT_TRUE(wait_until([&] {
      const int error = source.post_send(static_cast<std::uint64_t>(posted), destination, 0, 8);
      return error != ENOMEM;
    }));
    ++posted;
    EXPECT_EQ(sink.next_received().status, IBV_WC_SUCCESS);
  }
  one.join();
  two.join();
  for (const auto& count : seen) EXPECT_EQ(count, 1);
}

TEST_F(Poll, V73_a_session_takes_a_thousand_entries) {
  constexpr std::uint32_t kEntries = 1000;
  Station big = station({.qp = {.recv_wr = 1024}, .cqe = 1024});
  ASSERT_EQ(big.post_receives(0, kEntries, 0, 64), 0);
  const auto qpn = static_cast<std::uint16_t>(big.qp()->qp_num);
  for (std::uint32_t i = 0; i < kEntries; ++i)
    big.recv_ring().forge(
        ForgedReceive{.qpn = qpn, .req_id = big.rings().receive_descriptor(i).req_id});
  ASSERT_EQ(ibv_start_poll(big.recv_cq_ex(), &none), 0);
  std::uint32_t count = 0;
  do {
    ASSERT_EQ(big.recv_cq_ex()->wr_id, count);
    ++count;
  } while (ibv_next_poll(big.recv_cq_ex()) == 0);
  EXPECT_EQ(count, kEntries);
  ibv_end_poll(big.recv_cq_ex());
  // All slots are free again, not one more.
  EXPECT_EQ(big.post_receives(0, 1024, 0, 64), 0);
  EXPECT_EQ(big.post_receive(0, 0, 64), ENOMEM);
}

TEST_F(Poll, V73_ending_rings_the_doorbell) {
  if (device_limit("max_eq") == 0) return;  // no doorbell: V69
  const Channel channel(ibv_create_comp_channel(context.get()));
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 16;
  attr.channel = channel.get();
  ibv_cq_ex* cq_ex = ibv_create_cq_ex(context.get(), &attr);
  ASSERT_NE(cq_ex, nullptr);
  const Cq cq(ibv_cq_ex_to_cq(cq_ex));
  CqRing ring;
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  QpRings queues;
  ring.use_sub_cq(queues.recv_sub_cq());
  make_ready(qp.get());
  ibv_sge segment = self.sge(0, 64);
  for (std::uint32_t i = 0; i < 2; ++i) {
    ibv_recv_wr wr{i, nullptr, &segment, 1};
    ibv_recv_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &wr, &bad), 0);
    ring.forge(ForgedReceive{.qpn = static_cast<std::uint16_t>(qp->qp_num),
                             .req_id = queues.receive_descriptor(i).req_id});
  }
  const DoorbellTrap trap(ring.doorbell());
  ASSERT_EQ(ibv_start_poll(cq_ex, &none), 0);
  ASSERT_EQ(ibv_next_poll(cq_ex), 0);
  EXPECT_TRUE(trap.values().empty());
  ibv_end_poll(cq_ex);
  ASSERT_EQ(trap.values().size(), 1u);
  EXPECT_EQ(efa_cq_doorbell_consumer_index(trap.values()[0]), 2u);
}

TEST_F(Poll, V75_works_with_one_and_with_several_sub_queues) {
  EXPECT_EQ(last_created_cq().request.num_sub_cqs, device_limit("sub_cqs_per_cq").value_or(1));
  for (std::uint64_t id = 0; id < 200; ++id) {
    ASSERT_EQ(peer.post_receive(id, 0, 64), 0);
    ASSERT_EQ(self.post_send(id, to, 0, 64), 0);
    start_poll_when_there(self.send_cq_ex());
    EXPECT_EQ(self.send_cq_ex()->wr_id, id);
    EXPECT_EQ(ibv_next_poll(self.send_cq_ex()), ENOENT);
    ibv_end_poll(self.send_cq_ex());
    EXPECT_SUCCESS(peer.next_received(), id);
  }
}

TEST_F(Poll, V76_V77_V79_a_send_and_its_receive_are_described) {
  ASSERT_EQ(peer.post_receive(1, 0, 1024), 0);
  ASSERT_EQ(self.post_send(2, to, 0, 500), 0);
  start_poll_when_there(self.send_cq_ex());
  EXPECT_EQ(self.send_cq_ex()->wr_id, 2u);
  EXPECT_EQ(self.send_cq_ex()->status, IBV_WC_SUCCESS);
  EXPECT_EQ(ibv_wc_read_opcode(self.send_cq_ex()), IBV_WC_SEND);
  EXPECT_EQ(ibv_wc_read_byte_len(self.send_cq_ex()), 0u);
  EXPECT_EQ(ibv_wc_read_qp_num(self.send_cq_ex()), self.qp()->qp_num);
  ibv_end_poll(self.send_cq_ex());
  start_poll_when_there(peer.recv_cq_ex());
  EXPECT_EQ(ibv_wc_read_opcode(peer.recv_cq_ex()), IBV_WC_RECV);
  EXPECT_EQ(ibv_wc_read_byte_len(peer.recv_cq_ex()), 500u);
  EXPECT_EQ(ibv_wc_read_wc_flags(peer.recv_cq_ex()), 0u);
  EXPECT_EQ(ibv_wc_read_qp_num(peer.recv_cq_ex()), peer.qp()->qp_num);
  EXPECT_EQ(ibv_wc_read_src_qp(peer.recv_cq_ex()), self.qp()->qp_num);
  EXPECT_EQ(ibv_wc_read_sl(peer.recv_cq_ex()), 0);
  EXPECT_EQ(ibv_wc_read_dlid_path_bits(peer.recv_cq_ex()), 0);
  efadv_ah_attr known{};
  ASSERT_EQ(efadv_query_ah(back.ah, &known, sizeof(known)), 0);
  EXPECT_EQ(ibv_wc_read_slid(peer.recv_cq_ex()), known.ahn);
  ibv_end_poll(peer.recv_cq_ex());
}

TEST_F(Poll, V79_a_sender_without_address_handle_has_none) {
  peer.drop_address_handles();
  ASSERT_EQ(peer.post_receive(1, 0, 1024), 0);
  ASSERT_EQ(self.post_send(2, to, 0, 64), 0);
  start_poll_when_there(peer.recv_cq_ex());
  EXPECT_EQ(ibv_wc_read_slid(peer.recv_cq_ex()), 0xffffu);
  ibv_end_poll(peer.recv_cq_ex());
  EXPECT_SUCCESS(self.next_sent(), 2u);
}

TEST_F(Poll, V78_an_immediate_value_arrives_as_it_was_sent) {
  ASSERT_EQ(peer.post_receives(1, 2, 0, 64), 0);
  ibv_sge segment = self.sge(0, 8);
  for (std::uint64_t id = 1; id <= 2; ++id) {
    ibv_send_wr wr = self.send_wr(id, to, &segment, 1);
    wr.opcode = IBV_WR_SEND_WITH_IMM;
    wr.imm_data = htobe32(0x01020304);
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(self.qp(), &wr, &bad), 0);
    EXPECT_SUCCESS(self.next_sent(), id);
  }
  start_poll_when_there(peer.recv_cq_ex());
  EXPECT_EQ(ibv_wc_read_wc_flags(peer.recv_cq_ex()), unsigned{IBV_WC_WITH_IMM});
  EXPECT_EQ(ibv_wc_read_imm_data(peer.recv_cq_ex()), htobe32(0x01020304));
  ibv_end_poll(peer.recv_cq_ex());
  const ibv_wc plain = peer.next_received();
  EXPECT_EQ(plain.wc_flags, unsigned{IBV_WC_WITH_IMM});
  EXPECT_EQ(plain.imm_data, htobe32(0x01020304));
}

TEST_F(Poll, V81_the_senders_GID_is_there_where_no_address_handle_is) {
  Station reader = other_station({.wc_flags = kEverything, .efa_wc_flags = EFADV_WC_EX_WITH_SGID});
  const Destination there = reader.from(self);
  efadv_cq* efa = efadv_cq_from_ibv_cq_ex(reader.recv_cq_ex());
  const auto receive = [&](int expected) {
    ASSERT_EQ(reader.post_receive(1, 0, 64), 0);
    ASSERT_EQ(self.post_send(2, there, 0, 64), 0);
    EXPECT_SUCCESS(self.next_sent(), 2u);
    start_poll_when_there(reader.recv_cq_ex());
    ibv_gid gid{};
    EXPECT_EQ(efadv_wc_read_sgid(efa, &gid), expected);
    const ibv_gid mine = gid_of(context.get());
    if (expected == 0) {
      EXPECT_EQ(std::memcmp(&gid, &mine, sizeof(gid)), 0);
    }
    ibv_end_poll(reader.recv_cq_ex());
  };
  peer.drop_address_handles();  // of the same domain
  receive(0);
  const Ah known(try_create_ah(other_pd.get(), gid_of(context.get())));
  receive(-ENOENT);
}

TEST_F(Poll, V83_what_EFA_does_not_have_is_refused) {
  for (const std::uint64_t flag :
       {std::uint64_t{IBV_WC_EX_WITH_COMPLETION_TIMESTAMP}, std::uint64_t{IBV_WC_EX_WITH_CVLAN},
        std::uint64_t{IBV_WC_EX_WITH_FLOW_TAG}, std::uint64_t{IBV_WC_EX_WITH_TM_INFO},
        std::uint64_t{IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK}}) {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.wc_flags = flag;
    EXPECT_EQ(ibv_create_cq_ex(context.get(), &attr), nullptr) << flag;
    EXPECT_EQ(errno, EOPNOTSUPP) << flag;
  }
}

TEST_F(Poll, V84_plain_completions_say_the_same) {
  ASSERT_EQ(peer.post_receive(1, 0, 1024), 0);
  ASSERT_EQ(self.post_send(2, to, 0, 500), 0);
  const ibv_wc sent = self.next_sent();
  EXPECT_EQ(sent.opcode, IBV_WC_SEND);
  EXPECT_EQ(sent.qp_num, self.qp()->qp_num);
  const ibv_wc received = peer.next_received();
  EXPECT_EQ(received.opcode, IBV_WC_RECV);
  EXPECT_EQ(received.byte_len, 500u);
  EXPECT_EQ(received.src_qp, self.qp()->qp_num);
  efadv_ah_attr known{};
  ASSERT_EQ(efadv_query_ah(back.ah, &known, sizeof(known)), 0);
  EXPECT_EQ(received.slid, known.ahn);
  EXPECT_EQ(received.sl, 0);
  EXPECT_EQ(received.dlid_path_bits, 0);
}

// device-io I8. Older libraries call what they do not know a general error.
struct Status {
  std::uint8_t device;
  ibv_wc_status verbs;
  int known_since = 44;
};
constexpr Status kStatuses[] = {
    {0, IBV_WC_SUCCESS},
    {1, IBV_WC_WR_FLUSH_ERR},
    {2, IBV_WC_LOC_QP_OP_ERR},
    {3, IBV_WC_LOC_QP_OP_ERR},
    {4, IBV_WC_LOC_QP_OP_ERR},
    {5, IBV_WC_LOC_PROT_ERR},
    {6, IBV_WC_LOC_LEN_ERR},
    {7, IBV_WC_REM_ACCESS_ERR, 56},
    {8, IBV_WC_REM_ABORT_ERR},
    {9, IBV_WC_REM_INV_RD_REQ_ERR},
    {10, IBV_WC_RNR_RETRY_EXC_ERR},
    {11, IBV_WC_REM_INV_REQ_ERR},
    {12, IBV_WC_BAD_RESP_ERR},
    {13, IBV_WC_RESP_TIMEOUT_ERR},
    {14, IBV_WC_REM_OP_ERR, 56},
    {15, IBV_WC_RESP_TIMEOUT_ERR, 56},
    {16, IBV_WC_GENERAL_ERR},
    {17, IBV_WC_GENERAL_ERR},
    {18, IBV_WC_REM_INV_REQ_ERR, 65},
    {19, IBV_WC_GENERAL_ERR},
    {255, IBV_WC_GENERAL_ERR},
};

TEST_F(Poll, V80_V85_every_device_status_has_its_verbs_status) {
  Station big = station({.qp = {.recv_wr = 64}, .cqe = 64});
  const auto qpn = static_cast<std::uint16_t>(big.qp()->qp_num);
  std::uint32_t posted = 0;
  for (const Status& status : kStatuses) {
    ASSERT_EQ(big.post_receive(posted, 0, 64), 0);
    big.recv_ring().forge(ForgedReceive{.qpn = qpn,
                                        .req_id = big.rings().receive_descriptor(posted).req_id,
                                        .status = status.device});
    ASSERT_EQ(ibv_poll_cq(big.recv_cq(), 1, &wc), 1);
    EXPECT_EQ(wc.wr_id, posted);
    EXPECT_EQ(wc.vendor_err, status.device);
    EXPECT_EQ(wc.status, since(status.known_since, status.verbs, IBV_WC_GENERAL_ERR))
        << "device status " << int{status.device} << ": " << ibv_wc_status_str(wc.status);
    ++posted;
  }
}

TEST_F(Poll, V80_the_extended_interface_tells_the_device_status) {
  ASSERT_EQ(self.post_receive(1, 0, 64), 0);
  self.recv_ring().forge(ForgedReceive{.qpn = static_cast<std::uint16_t>(self.qp()->qp_num),
                                       .req_id = self.rings().receive_descriptor(0).req_id,
                                       .status = EFA_COMP_STATUS_FLUSHED});
  const ExtendedCompletion completion = next_extended(self.recv_cq_ex());
  EXPECT_EQ(completion.status, IBV_WC_WR_FLUSH_ERR);
  EXPECT_EQ(completion.vendor_err, std::uint32_t{EFA_COMP_STATUS_FLUSHED});
}

}  // namespace
}  // namespace efa::provider_test
