// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Every status of device-io I8 with what causes it.
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// Two nodes with memory on both sides, and the status of one posted WQE.
struct Case {
  explicit Case(const Topology& topology, const Qp::Options& options = {})
      : pair(topology, options),
        local(pair.left().region(8192)),
        remote(pair.right().region(8192)) {}
  explicit Case(const std::string& generation = "efa2", const Qp::Options& options = {})
      : Case(uniform_topology(2, 1, generation), options) {}

  efa_comp_status status(const Wqe& wqe) {
    pair.a.post(wqe);
    pair.rig.finish();
    const Cqe cqe = pair.a.send_cq->only();
    EXPECT_EQ(cqe.id(), wqe.raw.meta.req_id);
    EXPECT_EQ(cqe.qp(), pair.a.number);
    EXPECT_TRUE(cqe.is_send());
    EXPECT_EQ(cqe.op(), efa_tx_meta_desc_op_type(&wqe.raw.meta) & 7);
    return cqe.status();
  }
  void receive() { pair.b.post_recv(1, remote, 4096); }

  Pair pair;
  Region local;
  Region remote;
};

TEST(CompletionStatus, Status0Ok) {
  Case c;
  c.receive();
  EXPECT_EQ(c.status(send_to(c.pair.to_b, 11).inlined("x")), EFA_COMP_STATUS_OK);
}

TEST(CompletionStatus, Status1Flushed) {
  Case c;
  c.pair.a.modify(EFA_QP_STATE_ERR);
  EXPECT_EQ(c.status(send_to(c.pair.to_b, 11).inlined("x")), EFA_COMP_STATUS_FLUSHED);
}

TEST(CompletionStatus, Status2ForAWqeWithoutItsConstantBits) {
  Case c;
  using Set = void (*)(efa_tx_meta_desc*, std::uint32_t);
  for (const Set set : {Set{efa_tx_meta_desc_set_meta_desc}, Set{efa_tx_meta_desc_set_first},
                        Set{efa_tx_meta_desc_set_last}, Set{efa_tx_meta_desc_set_comp_req}}) {
    Wqe wqe = send_to(c.pair.to_b, 5).inlined("x");
    set(&wqe.raw.meta, 0);
    EXPECT_EQ(c.status(wqe), EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR);
  }
}

TEST(CompletionStatus, Status3ForAnOperationThatTheDeviceLacks) {
  Case old("efa1");
  EXPECT_EQ(old.status(write_to(old.pair.to_b).remote(old.remote, 8).sge(old.local, 8)),
            EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  EXPECT_EQ(old.status(Wqe(EFA_SEND_OP_TYPE_FAST_REG)), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  for (int op = 5; op < 16; ++op) {
    Wqe wqe(static_cast<std::uint32_t>(op), old.pair.to_b, 3);
    old.pair.a.post(wqe);
    old.pair.rig.finish();
    EXPECT_EQ(old.pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  }
}

TEST(CompletionStatus, Status3ForRdmaOnADatagramQueuePair) {
  Case c("efa2", {.type = EFA_QP_TYPE_UD});
  EXPECT_EQ(c.status(read_from(c.pair.to_b).remote(c.remote, 8).sge(c.local, 8)),
            EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  EXPECT_EQ(c.status(write_to(c.pair.to_b).remote(c.remote, 8).sge(c.local, 8)),
            EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
}

TEST(CompletionStatus, Status4ForAnUnknownHandle) {
  Case c;
  for (const std::uint16_t ah : {std::uint16_t{0x100}, std::uint16_t{0xffff}})
    EXPECT_EQ(c.status(send_to({ah, c.pair.b.number, kQkey}).inlined("x")),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);
}

TEST(CompletionStatus, Status4ForAHandleOfAnotherDomain) {
  Case c;
  const std::uint16_t other = c.pair.left().rig.pd();
  const Gid elsewhere = Gid::from_mac({2, 0, 0, 0, 0, 77});
  const std::uint16_t ah = c.pair.left().ah(elsewhere, other);
  EXPECT_EQ(c.status(send_to({ah, 1, kQkey}).inlined("x")), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);
}

TEST(CompletionStatus, Status5ForALocalBufferThatMayNotBeUsed) {
  Case c;
  EXPECT_EQ(c.status(send_to(c.pair.to_b).sge(c.local.addr, 8, c.local.key ^ 0x100000)),
            EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  const Region readable = c.pair.left().region(4096, 0);
  EXPECT_EQ(c.status(read_from(c.pair.to_b).remote(c.remote, 8).sge(readable, 8)),
            EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST(CompletionStatus, Status6ForTooMuch) {
  Case c;
  const std::uint32_t mtu = c.pair.left().rig.device.profile().mtu;
  const Region large = c.pair.left().region(2 * mtu);
  EXPECT_EQ(c.status(send_to(c.pair.to_b).sge(large, mtu + 1)),
            EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  const std::uint32_t limit = c.pair.left().rig.device.profile().max_rdma_size;
  EXPECT_EQ(c.status(read_from(c.pair.to_b).remote(0, limit + 1, 0).sge(0, limit + 1, 0)),
            EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_EQ(c.status(write_to(c.pair.to_b).remote(0, limit + 1, 0).sge(0, limit + 1, 0)),
            EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST(CompletionStatus, Status7ForARemoteBufferThatMayNotBeUsed) {
  Case c;
  EXPECT_EQ(
      c.status(
          read_from(c.pair.to_b).remote(c.remote.addr, 8, c.remote.key ^ 0x100000).sge(c.local, 8)),
      EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
}

TEST(CompletionStatus, Status8ForAPeerThatWasReset) {
  Case c;
  c.pair.a.post(send_to(c.pair.to_b, 4).inlined("x"));
  c.pair.rig.settle();
  c.pair.right().rig.device.reset();
  EXPECT_EQ(c.pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_ABORT);
}

TEST(CompletionStatus, Status9ForAQueuePairThatIsNotThere) {
  Case c;
  Qp& datagrams = c.pair.right().qp({.type = EFA_QP_TYPE_UD});
  Qp& reset = c.pair.right().raw_qp({});
  EXPECT_EQ(c.status(send_to({c.pair.to_b.ah, 0xffff, kQkey}).inlined("x")),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  for (Qp* qp : {&datagrams, &reset})
    EXPECT_EQ(c.status(send_to({c.pair.to_b.ah, qp->number, kQkey}).inlined("x")),
              EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST(CompletionStatus, Status9ForTheWrongQkeyOfAnyOperation) {
  Case c;
  Address wrong = c.pair.to_b;
  wrong.qkey ^= 1;
  EXPECT_EQ(c.status(send_to(wrong).inlined("x")), EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_EQ(c.status(read_from(wrong).remote(c.remote, 8).sge(c.local, 8)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_EQ(c.status(write_to(wrong).remote(c.remote, 8).sge(c.local, 8)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_EQ(c.pair.right().stats().qkey_viol, 3u);
}

TEST(CompletionStatus, Status10ForNoReceive) {
  Case c("efa2", {.rnr_retry = 2});
  EXPECT_EQ(c.status(send_to(c.pair.to_b).inlined("x")), EFA_COMP_STATUS_REMOTE_ERROR_RNR);
}

TEST(CompletionStatus, Status11ForAReceiveThatIsTooSmall) {
  Case c;
  c.pair.b.post_recv(1, c.remote, 3);
  EXPECT_EQ(c.status(send_to(c.pair.to_b).inlined("four")),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH);
}

TEST(CompletionStatus, Status12ForAReceiveThatMayNotBeWritten) {
  Case c;
  c.pair.b.post_recv(6, {{c.remote.addr, 64, c.remote.key ^ 0x100000}});
  EXPECT_EQ(c.status(send_to(c.pair.to_b).inlined("x")), EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS);
  const Cqe cqe = c.pair.b.recv_cq->only();
  EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  EXPECT_EQ(cqe.id(), 6);
}

TEST(CompletionStatus, Status13ForAPeerThatWentSilent) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].unresponsive = true;
  topology.hosts[1].unresponsive_after = kSecond;
  Case c(topology);
  c.receive();
  EXPECT_EQ(c.status(send_to(c.pair.to_b).inlined("x")), EFA_COMP_STATUS_OK);
  c.pair.rig.advance(kSecond);
  EXPECT_EQ(c.status(send_to(c.pair.to_b).inlined("x")), EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE);
}

TEST(CompletionStatus, Status14ForRdmaToANodeThatDoesNotKnowUs) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Qp& b = rig[1].qp();
  const Region local = rig[0].region(4096);
  const Region remote = rig[1].region(4096);
  a.post(write_to(rig[0].address_of(b)).remote(remote, 8).sge(local, 8));
  rig.settle();
  EXPECT_EQ(a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER);
}

TEST(CompletionStatus, Status15ForAPeerThatIsNotThere) {
  Case c;
  const std::uint16_t ah = c.pair.left().ah(Gid::from_mac({2, 0, 0, 0, 0, 99}));
  EXPECT_EQ(c.status(send_to({ah, 1, kQkey}).inlined("x")),
            EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE);
  EXPECT_EQ(c.pair.rig.clock.now(), c.pair.rig.fabric.topology().transport_timeout);
}

TEST(CompletionStatus, Status18ForAPeerOfAnIncompatibleGeneration) {
  Topology topology = uniform_topology(2, 1, "efa0");
  topology.hosts[1].generation = "efa1";
  Case c(topology);
  EXPECT_EQ(c.status(read_from(c.pair.to_b).remote(c.remote, 8).sge(c.local, 8)),
            EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH);
}

}  // namespace
}  // namespace efa::emu::test
