// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What upstream software relies on (device.md 8.2 and 8.3), as far as the data path keeps it. Each
/// test begins with the number of its duty; other files go into the details.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

TEST(DataPathDuty, U1_SqDoorbellCountsWqesIgnoresThePhaseAndRestartsAtReset) {
  Pair pair;
  const Region to = pair.right().region(4096);
  for (int life = 0; life < 2; ++life) {
    for (std::uint16_t i = 0; i < 100; ++i) {
      pair.b.post_recv(i, to, 64);
      Wqe wqe = send_to(pair.to_b, i).inlined("x");
      efa_tx_meta_desc_set_phase(&wqe.raw.meta, i % 3 == 0);
      pair.a.post(wqe);
      pair.rig.settle();
      ASSERT_EQ(pair.a.send_cq->only().id(), i);
    }
    pair.a.modify(EFA_QP_STATE_RESET);
    EXPECT_EQ(*pair.left().rig.device.doorbell_word(pair.a.device_side().sq.db_offset), 0u);
    EXPECT_EQ(*pair.left().rig.device.doorbell_word(pair.a.device_side().rq.db_offset), 0u);
    pair.a.bring_up();
  }
}

TEST(DataPathDuty, U2_BothWqeSizesCarryInlineSgesAndRdma) {
  for (const bool wide : {false, true}) {
    Pair pair("efa3", {.wide = wide});
    const Region local = pair.left().region(4096);
    const Region remote = pair.right().region(8192);
    local.put("sge");
    pair.b.post_recv(1, remote, 64, 0);
    pair.b.post_recv(2, remote, 128, 128);
    const std::string inlined(wide ? 80 : 32, 'i');
    pair.a.post(send_to(pair.to_b).sge(local, 3));
    pair.a.post(send_to(pair.to_b).inlined(inlined));
    pair.a.post(write_to(pair.to_b).remote(remote, 3, 4096).sge(local, 3));
    pair.rig.settle();
    pair.a.post(read_from(pair.to_b).remote(remote, 3, 4096).sge(local, 3, 100));
    pair.rig.settle();
    const auto cqes = pair.a.send_cq->drain();
    ASSERT_EQ(cqes.size(), 4u);
    for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
    EXPECT_EQ(remote.text(0, 3), "sge");
    EXPECT_EQ(remote.text(128, inlined.size()), inlined);
    EXPECT_EQ(remote.text(4096, 3), "sge");
    EXPECT_EQ(local.text(100, 3), "sge");
  }
}

TEST(DataPathDuty, U3_RequestIdsComeBackBitForBit) {
  Pair pair("efa4", {.id64 = true});
  const Region to = pair.right().region(4096);
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t id = std::uint64_t{1} << bit | 0x8001;
    const auto recv_id = static_cast<std::uint16_t>(1u << bit % 16);
    pair.b.post_recv(recv_id, to, 64);
    pair.a.post(send_to(pair.to_b).id64(id).inlined("x"));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().id64(), id);
    EXPECT_EQ(pair.b.recv_cq->only().id(), recv_id);
  }
}

TEST(DataPathDuty, U4_CompletionTellsPhaseLengthSourceAndUnsolicited) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Cq& cq = rig[1].cq({.depth = 4, .source_address = true});
  Qp& b = rig[1].qp({.unsolicited = true, .recv_cq = &cq});
  const std::uint32_t length = 70'000;
  const Region local = rig[0].region(length);
  const Region remote = rig[1].region(length);
  const Address to = rig[0].address_of(b);
  b.post_recv(1, remote, 64);
  a.post(send_to(to).inlined("x"));
  rig.settle();
  EXPECT_EQ(cq.only().source_gid(), rig[0].gid());
  rig[1].ah(rig[0]);
  for (std::uint32_t i = 0; i < 20; ++i) {
    a.post(write_to(to).imm(i).remote(remote, length).sge(local, length));
    rig.settle();
    const Cqe cqe = cq.only();
    EXPECT_EQ(cqe.length(), length);
    EXPECT_TRUE(cqe.unsolicited());
    EXPECT_EQ(cqe.imm(), i);
  }
}

TEST(DataPathDuty, U5_CompletionsNameTheLocalQueuePairAndStopWithIt) {
  Pair pair;
  Cq& cq = pair.left().cq({.depth = 512});
  Qp& one = pair.left().qp({.send_cq = &cq, .recv_cq = &cq});
  Qp& two = pair.left().qp({.send_cq = &cq, .recv_cq = &cq});
  for (Qp* qp : {&one, &two}) {
    qp->post(send_to(pair.to_b).inlined("waits"));
    qp->post(send_to({0x99, 0, 0}));
  }
  pair.rig.settle();
  for (const Cqe& cqe : cq.drain()) EXPECT_TRUE(cqe.qp() == one.number || cqe.qp() == two.number);
  one.destroy();
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.b.post_recv(2, to, 64);
  pair.rig.finish();
  EXPECT_EQ(cq.only().qp(), two.number);
}

TEST(DataPathDuty, U6_EventsAreNotLostWhereArmingMeetsCompletions) {
  Pair pair;
  const std::uint16_t eq = pair.right().rig.eq(2);
  Cq& cq = pair.right().cq({.depth = 64, .eq = eq});
  Qp& target = pair.right().qp({.recv_cq = &cq});
  const Region to = pair.right().region(4096);
  const Address address = pair.left().address_of(target);
  const std::uint32_t arm_eq = efa_reg_eq_db_set_arm(efa_reg_eq_db_set_eqn(0, eq), 1);
  pair.right().rig.device.write_register(EFA_REG_EQ_DB, arm_eq);
  std::uint32_t events = 0;
  // A completion before, between or after the consumer's last poll and its arming: always one event
  // for the sleep that follows.
  for (std::uint32_t round = 0; round < 60; ++round) {
    const auto message = [&] {
      target.post_recv(0, to, 64);
      pair.a.post(send_to(address).inlined("x"));
      pair.rig.settle();
    };
    if (round % 3 == 0) message();
    cq.drain();
    if (round % 3 == 1) message();
    cq.doorbell(true, events);
    pair.rig.settle();
    if (round % 3 != 1) message();
    ASSERT_EQ(pair.right().rig.interrupts.count(2), events + 1) << "round " << round;
    ++events;
    pair.right().rig.device.write_register(EFA_REG_EQ_DB, arm_eq);
  }
}

TEST(DataPathDuty, U7_EveryWqeGetsItsCompletionWhateverBecomesOfIt) {
  Pair pair("efa2", {.depth = 64, .rnr_retry = 1});
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  Wqe malformed = send_to(pair.to_b, 4);
  efa_tx_meta_desc_set_last(&malformed.raw.meta, 0);
  pair.a.post(send_to(pair.to_b, 0).inlined("ok"));
  pair.a.post(send_to({0x99, 0, 0}, 1));
  pair.a.post(send_to(pair.to_b, 2).sge(0x1000, 8, 0xfffff));
  pair.a.post(send_to(pair.to_b, 3).inlined("no receive"));
  pair.a.post(malformed);
  pair.a.post(Wqe(7, pair.to_b, 5));
  pair.rig.finish();
  pair.a.post(send_to(pair.to_b, 6).inlined("waits"));
  pair.rig.settle();
  pair.a.modify(EFA_QP_STATE_ERR);
  pair.a.post(send_to(pair.to_b, 7).inlined("flushed"));
  pair.rig.finish();
  std::multiset<std::uint16_t> ids;
  for (const Cqe& cqe : pair.a.send_cq->drain()) ids.insert(cqe.id());
  EXPECT_EQ(ids, (std::multiset<std::uint16_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(DataPathDuty, U8_ReceivesHaveSeveralSgesBoundedByLast) {
  Pair pair;
  const Region to = pair.right().region(4096);
  pair.b.stage_recv(1, {{to, 1}, {to, 1, 10}, {to, 8, 20}});
  pair.b.stage_recv(2, {{to, 8, 30}});
  pair.b.stage_recv(3, {{to, 1, 40}, {to, 8, 50}}, true);
  pair.b.ring_rq();
  for (const char* text : {"abcd", "efgh", "ijkl"}) pair.a.post(send_to(pair.to_b).inlined(text));
  pair.rig.settle();
  const auto cqes = pair.b.recv_cq->drain();
  ASSERT_EQ(cqes.size(), 3u);
  for (std::uint16_t i = 0; i < 3; ++i) EXPECT_EQ(cqes[i].id(), i + 1);
  EXPECT_EQ(to.text(0, 1) + to.text(10, 1) + to.text(20, 2), "abcd");
  EXPECT_EQ(to.text(30, 4), "efgh");
  EXPECT_EQ(to.text(40, 1) + to.text(50, 3), "ijkl");
}

TEST(DataPathDuty, U9_NoBytesFullQueuesAndTheWayBackFromReset) {
  Pair pair("efa2", {.depth = 16, .descriptors = 16});
  const Region to = pair.right().region(4096);
  for (int life = 0; life < 3; ++life) {
    for (std::uint16_t i = 0; i < 16; ++i) {
      pair.b.stage_recv(i, {{to, 64}});
      pair.a.stage(i % 3 == 0   ? send_to(pair.to_b, i)
                   : i % 3 == 1 ? read_from(pair.to_b, i).remote(0, 0, 0)
                                : write_to(pair.to_b, i).remote(0, 0, 0));
    }
    pair.b.ring_rq();
    pair.a.ring_sq();
    pair.rig.settle();
    const auto cqes = pair.a.send_cq->drain();
    ASSERT_EQ(cqes.size(), 16u);
    for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
    EXPECT_EQ(pair.b.recv_cq->drain().size(), 6u);
    for (Qp* qp : {&pair.a, &pair.b}) {
      qp->modify(EFA_QP_STATE_RESET);
      qp->bring_up();
    }
  }
}

TEST(DataPathDuty, U10_BatchLimitsBindOnlyWhereAdvertised) {
  for (const char* generation : {"efa2", "efa3"}) {
    FabricRig rig(1, generation, {.strict = true});
    Qp& qp = rig[0].qp({.depth = 64});
    for (int i = 0; i < 64; ++i) qp.stage(send_to({0x99, 0, 0}));
    qp.ring_sq();
    rig.settle();
    const bool limited = rig[0].rig.device.profile().max_tx_batch != 0;
    EXPECT_EQ(qp.state(), limited ? EFA_QP_STATE_ERR : EFA_QP_STATE_RTS) << generation;
  }
}

TEST(DataPathDuty, U11_DatagramsLieAtByteForty) {
  Pair pair("efa2", {.type = EFA_QP_TYPE_UD});
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 100, 8);
  pair.a.post(send_to(pair.to_b).inlined("datagram"));
  pair.rig.settle();
  EXPECT_EQ(pair.b.recv_cq->only().length(), 48u);
  EXPECT_EQ(to.text(8 + 40, 8), "datagram");
}

TEST(DataPathDuty, U12_CapabilitiesAndLimitsHold) {
  for (const Profile& profile : profiles()) {
    Pair pair{std::string(profile.name)};
    const Region local = pair.left().region(4096);
    const Region remote = pair.right().region(4096);
    const auto status = [&](const Wqe& wqe) {
      pair.a.post(wqe);
      pair.rig.settle();
      return pair.a.send_cq->only().status();
    };
    const auto expected = [&](std::uint32_t capability) {
      return profile.has(capability) ? EFA_COMP_STATUS_OK
                                     : EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
    };
    EXPECT_EQ(status(read_from(pair.to_b).remote(remote, 8).sge(local, 8)),
              expected(EFA_DEVICE_ATTR_RDMA_READ_MASK));
    EXPECT_EQ(status(write_to(pair.to_b).remote(remote, 8).sge(local, 8)),
              expected(EFA_DEVICE_ATTR_RDMA_WRITE_MASK));
    const std::uint32_t more = profile.max_rdma_size + 1;
    EXPECT_EQ(status(read_from(pair.to_b).remote(remote, more).sge(local, more)),
              EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
    Wqe three = send_to(pair.to_b).sge(local, 1).sge(local, 1);
    three.raw.meta.length = static_cast<std::uint16_t>(profile.max_wr_send_sges + 1);
    EXPECT_EQ(status(three), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  }
}

TEST(DataPathDuty, F4_ReceiverSeesItsOwnHandleOrTheSendersGid) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Cq& cq = rig[1].cq({.source_address = true});
  Qp& b = rig[1].qp({.recv_cq = &cq});
  const Region to = rig[1].region(4096);
  const Address address = rig[0].address_of(b);
  const auto receive = [&] {
    b.post_recv(1, to, 64);
    a.post(send_to(address).inlined("x"));
    rig.settle();
    return cq.only();
  };
  EXPECT_EQ(receive().source_gid(), rig[0].gid());
  const std::uint16_t ah = rig[1].ah(rig[0]);
  EXPECT_EQ(receive().ah(), ah);
  rig[1].rig.destroy_ah(ah, rig[1].pd);
  EXPECT_EQ(receive().ah(), EFA_AH_INVALID);
}

TEST(DataPathDuty, F5_QkeyKeepsSuccessiveUsersOfANumberApart) {
  Pair pair;
  Qp& old = pair.right().qp({.qkey = 0x1234});
  const Address stale = pair.left().address_of(old);
  old.modify(EFA_QP_STATE_RESET);
  pair.right().rig.bring_up(old.handle, 0x5678);  // the next endpoint with this number
  const Region to = pair.right().region(4096);
  old.post_recv(1, to, 64);
  pair.a.post(send_to(stale).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_TRUE(old.recv_cq->drain().empty());
  pair.a.post(send_to({stale.ah, stale.qp, 0x5678}).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(DataPathDuty, F6_RnrIsRetriedForeverUnlessTheQueuePairSaysOtherwise) {
  for (const bool limited : {false, true}) {
    Pair pair("efa2", limited ? Qp::Options{.rnr_retry = 3} : Qp::Options{});
    pair.a.post(send_to(pair.to_b).inlined("x"));
    pair.rig.advance(100 * kSecond);
    const auto cqes = pair.a.send_cq->drain();
    ASSERT_EQ(cqes.size(), limited ? 1u : 0u);
    if (limited) {
      EXPECT_EQ(cqes[0].status(), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
      EXPECT_EQ(pair.a.state(), EFA_QP_STATE_RTS);
    }
  }
}

TEST(DataPathDuty, F7_StatusCodesAreOnlyThoseOfTheTable) {
  std::set<int> seen;
  Pair pair;
  std::uint64_t state = 1;
  for (int i = 0; i < 3000; ++i) {
    Wqe wqe = send_to(pair.to_b);
    auto* bytes = reinterpret_cast<std::uint8_t*>(&wqe.raw);
    for (std::size_t k = 0; k < 64; ++k) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      if ((state >> 40) % 4 == 0) bytes[k] = static_cast<std::uint8_t>(state >> 56);
    }
    pair.a.post(wqe);
    pair.rig.advance(3 * kMicrosecond);
    for (const Cqe& cqe : pair.a.send_cq->drain()) seen.insert(cqe.status());
    if (i % 50 == 0) {
      pair.a.modify(EFA_QP_STATE_RESET);
      pair.a.bring_up();
    }
  }
  for (const int status : seen) EXPECT_TRUE(status <= 15 || status == 18) << status;
  EXPECT_GE(seen.size(), 4u);
}

TEST(DataPathDuty, F9_WideInlineExistsWhereAdvertised) {
  for (const Profile& profile : profiles()) {
    if (profile.inline_buf_size_ex == profile.inline_buf_size) continue;
    Pair pair(std::string(profile.name), {.wide = true});
    const Region to = pair.right().region(4096);
    const std::string data(profile.inline_buf_size_ex, 'w');
    pair.b.post_recv(1, to, 128);
    pair.a.post(send_to(pair.to_b).inlined(data));
    pair.rig.settle();
    EXPECT_EQ(to.text(0, data.size()), data);
  }
}

TEST(DataPathDuty, F10_DeviceReadsAndWritesItself) {
  FabricRig rig(1);
  Qp& self = rig[0].qp();
  const Region memory = rig[0].region(8192);
  const Address to = rig[0].address_of(self);
  memory.put("mine");
  self.post(read_from(to).remote(memory, 4).sge(memory, 4, 100));
  self.post(write_to(to).remote(memory, 4, 200).sge(memory, 4));
  rig.settle();
  for (const Cqe& cqe : self.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(memory.text(100, 4), "mine");
  EXPECT_EQ(memory.text(200, 4), "mine");
}

TEST(DataPathDuty, F11_LastByteOfABlockIsVisibleLast) {
  constexpr std::uint32_t kLength = 64 << 10;
  constexpr std::uint32_t kBlock = 128;
  Pair pair;
  const Region local = pair.left().region(kLength);
  const Region remote = pair.right().region(kLength);
  // Values only grow: no byte of a block may be older than its last one.
  std::atomic<bool> stop{false};
  std::atomic<unsigned> violations{0};
  std::thread reader([&] {
    const auto load = [&](std::uint32_t at) {
      return __atomic_load_n(reinterpret_cast<std::uint8_t*>(remote.bytes()) + at,
                             __ATOMIC_ACQUIRE);
    };
    while (!stop)
      for (std::uint32_t block = 0; block < kLength; block += kBlock) {
        const std::uint8_t last = load(block + kBlock - 1);
        for (std::uint32_t i = 0; i < kBlock; ++i)
          if (load(block + i) < last) ++violations;
      }
  });
  for (int value = 1; value < 250; ++value) {
    std::memset(local.bytes(), value, kLength);
    pair.a.post(write_to(pair.to_b).remote(remote, kLength).sge(local, kLength));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  }
  stop = true;
  reader.join();
  EXPECT_EQ(violations, 0u);
}

TEST(DataPathDuty, F12_UnsolicitedWritesSetTheFlagAndLeaveTheReceives) {
  Pair pair("efa2", {.unsolicited = true});
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  pair.a.post(write_to(pair.to_b).imm(3).remote(to, 0).sge(0, 0, 0));
  pair.a.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  const auto cqes = pair.b.recv_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_TRUE(cqes[0].unsolicited());
  EXPECT_FALSE(cqes[1].unsolicited());
  EXPECT_EQ(cqes[1].id(), 1);
}

TEST(DataPathDuty, F13_QuirksOfRingsWrittenDirectly) {
  Pair pair("efa3", {.wide = true});
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  remote.put("tail");
  Wqe read = read_from(pair.to_b).remote(remote, 4).sge(local, 4);
  std::memset(reinterpret_cast<std::byte*>(&read.raw) + 64, 0xcd, 64);
  pair.a.post(read);
  pair.b.stage_recv(7, {{remote, 1, 100}, {remote, 64, 200}}, true);
  pair.b.ring_rq();
  pair.a.post(send_to(pair.to_b).inlined("ab"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 2u);
  EXPECT_EQ(local.text(0, 4), "tail");
  EXPECT_EQ(pair.b.recv_cq->only().id(), 7);
}

TEST(DataPathDuty, F14_EventCountersAreAttachedInResetAndCount64Bits) {
  Pair pair("efa4");
  Node& node = pair.left();
  Qp& qp = node.raw_qp({});
  efa_create_event_counter_cmd create{};
  create.uar = node.uar;
  create.paddr = node.rig.memory.allocate(8);
  const auto handle =
      node.rig.execute<efa_create_event_counter_resp>(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, create)
          .body.cntr_handle;
  efa_attach_detach_event_counter_cmd attach{};
  attach.cntr_handle = handle;
  attach.qp_events.qp_handle = qp.handle;
  attach.qp_events.events = 1u << EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP;
  EXPECT_EQ(
      node.rig
          .execute<efa_attach_detach_event_counter_resp>(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, attach)
          .status,
      kSuccess);
  efa_modify_event_counter_cmd set{};
  set.cntr_handle = handle;
  set.operation = EFA_EVENT_COUNTER_MODIFY_OP_SET;
  set.value = 0xffff'ffff;
  node.rig.execute<efa_modify_event_counter_resp>(EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER, set);
  qp.bring_up();
  const Region to = pair.right().region(4096);
  pair.b.post_recv(1, to, 64);
  qp.post(send_to(pair.to_b).inlined("x"));
  pair.rig.settle();
  EXPECT_EQ(node.rig.memory.at<std::uint64_t>(create.paddr), 0x1'0000'0000u);
}

}  // namespace
}  // namespace efa::emu::test
