// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Every completion error that a verbs program can cause (device-io I8). libefa 44 does not know
/// all statuses; the raw one is in vendor_err.
#include <sys/mman.h>

#include <set>

#include "efa_io.h"
#include "rig.hpp"

namespace efa::verbs_test {
namespace {

class ErrorTest : public VerbsTest {
 protected:
  Endpoint sender = endpoint();
  Endpoint receiver = other_endpoint();
  Destination to = receiver.from(sender);
  Destination back = sender.from(receiver);

  void send_with(const ibv_sge& segment) {
    ibv_sge sge = segment;
    ASSERT_EQ(sender.post_send_sges(1, to, &sge, 1), 0);
  }
  void expect_sent(ibv_wc_status status, efa_comp_status vendor) {
    EXPECT_COMPLETION(sender.next_sent(), status, static_cast<std::uint32_t>(vendor), 1u);
  }
  /// For statuses that libefa 44 reports as a general error.
  void expect_access_error() {
    const ibv_wc wc = sender.next_sent();
    EXPECT_NE(wc.status, IBV_WC_SUCCESS);
    EXPECT_EQ(wc.vendor_err, std::uint32_t{EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS});
    EXPECT_EQ(wc.wr_id, 1u);
  }
  /// The queue pairs are not harmed by errors of single requests.
  void TearDown() override {
    if (to_state(sender.qp(), IBV_QPS_RTS) != 0) return;
    ASSERT_EQ(receiver.post_receive(100, {{0, 64}}), 0);
    ASSERT_EQ(sender.post_send(100, to, {{0, 64}}), 0);
    EXPECT_SUCCESS(sender.next_sent(), 100u);
  }
};

TEST_F(ErrorTest, AnUnknownLocalKeyIsAProtectionError) {
  send_with({sender.address(0), 64, sender.mr()->lkey ^ 0xff});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, ALocalRangeOutsideItsRegionIsAProtectionError) {
  send_with({sender.address(Endpoint::kBufferBytes - 63), 64, sender.mr()->lkey});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  send_with({sender.address(0) - 1, 64, sender.mr()->lkey});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, ARegionOfAnotherDomainIsAProtectionError) {
  const Pd stranger(ibv_alloc_pd(context.get()));
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(stranger.get(), buffer.data(), 64, IBV_ACCESS_LOCAL_WRITE));
  send_with({reinterpret_cast<std::uint64_t>(buffer.data()), 64, mr->lkey});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, ADeregisteredRegionIsAProtectionError) {
  std::vector<std::uint8_t> buffer(64);
  Mr mr(try_reg_mr(pd.get(), buffer.data(), 64, 0));
  const std::uint32_t key = mr->lkey;
  mr.reset();
  send_with({reinterpret_cast<std::uint64_t>(buffer.data()), 64, key});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, MemoryUnmappedUnderARegionIsAProtectionError) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  const Mr mr(try_reg_mr(pd.get(), page, 4096, 0));
  ASSERT_TRUE(mr);
  ::munmap(page, 4096);
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  send_with({reinterpret_cast<std::uint64_t>(page), 64, mr->lkey});
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, AReadIntoMemoryWithoutLocalWriteIsAProtectionError) {
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(pd.get(), buffer.data(), 64, IBV_ACCESS_REMOTE_READ));
  ASSERT_EQ(sender.post_read(1, to, receiver.mr()->rkey, receiver.address(0),
                             {reinterpret_cast<std::uint64_t>(buffer.data()), 64, mr->lkey}),
            0);
  expect_sent(IBV_WC_LOC_PROT_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(ErrorTest, AMessageAboveTheMtuIsALengthError) {
  send_with(sender.sge({0, generation().mtu + 1}));
  expect_sent(IBV_WC_LOC_LEN_ERR, EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST_F(ErrorTest, AnAddressHandleOfAnotherDomainIsAnOperationError) {
  const Pd stranger(ibv_alloc_pd(context.get()));
  const Ah ah(try_create_ah(stranger.get(), ibv_gid{.raw = {0xfe, 0x80, 1, 2, 3}}));
  ASSERT_TRUE(ah);
  ASSERT_EQ(sender.post_send(1, {ah.get(), to.qpn}, {{0, 64}}), 0);
  expect_sent(IBV_WC_LOC_QP_OP_ERR, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);
}

TEST_F(ErrorTest, AnUnknownQueuePairNumberIsARemoteError) {
  Destination nobody = to;
  nobody.qpn = 0xfffe;
  ASSERT_EQ(sender.post_send(1, nobody, {{0, 64}}), 0);
  expect_sent(IBV_WC_REM_INV_RD_REQ_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST_F(ErrorTest, AnotherQkeyIsARemoteError) {
  Destination wrong = to;
  wrong.qkey = 1;
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(1, wrong, {{0, 64}}), 0);
  expect_sent(IBV_WC_REM_INV_RD_REQ_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  EXPECT_TRUE(receiver.idle());
}

TEST_F(ErrorTest, AQueuePairThatIsNotReadyIsARemoteError) {
  const Cq cq(ibv_create_cq(other_context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(try_create_qp(other_context.get(), other_pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  const Destination early{to.ah, qp->qp_num};
  for (const auto& step :
       {std::function([] { return 0; }), std::function([&] { return to_init(qp.get()); })}) {
    ASSERT_EQ(step(), 0);
    ASSERT_EQ(sender.post_send(1, early, {{0, 64}}), 0);
    expect_sent(IBV_WC_REM_INV_RD_REQ_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
  }
  ASSERT_EQ(to_state(qp.get(), IBV_QPS_ERR), 0);
  ASSERT_EQ(sender.post_send(1, early, {{0, 64}}), 0);
  expect_sent(IBV_WC_REM_INV_RD_REQ_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN);
}

TEST_F(ErrorTest, AnUnknownRemoteKeyIsAnAccessError) {
  ASSERT_EQ(
      sender.post_read(1, to, receiver.mr()->rkey ^ 0xff, receiver.address(0), sender.sge({0, 64})),
      0);
  expect_access_error();
}

TEST_F(ErrorTest, ARemoteRangeOutsideItsRegionIsAnAccessError) {
  const std::uint64_t end = receiver.address(Endpoint::kBufferBytes);
  ASSERT_EQ(sender.post_read(1, to, receiver.mr()->rkey, end - 63, sender.sge({0, 64})), 0);
  expect_access_error();
  ASSERT_EQ(sender.post_read(1, to, receiver.mr()->rkey, UINT64_MAX - 10, sender.sge({0, 64})), 0);
  expect_access_error();
}

TEST_F(ErrorTest, ARegionWithoutRemoteReadIsAnAccessError) {
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(other_pd.get(), buffer.data(), 64, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_EQ(sender.post_read(1, to, mr->rkey, reinterpret_cast<std::uint64_t>(buffer.data()),
                             sender.sge({0, 64})),
            0);
  expect_access_error();
}

TEST_F(ErrorTest, ARemoteRegionOfAnotherDomainIsAnAccessError) {
  const Pd stranger(ibv_alloc_pd(other_context.get()));
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(stranger.get(), buffer.data(), 64, IBV_ACCESS_REMOTE_READ));
  ASSERT_EQ(sender.post_read(1, to, mr->rkey, reinterpret_cast<std::uint64_t>(buffer.data()),
                             sender.sge({0, 64})),
            0);
  expect_access_error();
}

TEST_F(ErrorTest, AReceiveThatIsTooShortIsARemoteErrorAndStays) {
  ASSERT_EQ(receiver.post_receive(7, {{0, 63}}), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
  expect_sent(IBV_WC_REM_INV_REQ_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH);
  ASSERT_EQ(sender.post_send(1, to, {{0, 63}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 1u);
  EXPECT_SUCCESS(receiver.next_received(), 7u);
}

TEST_F(ErrorTest, ABadReceiveKeyIsAnErrorOnBothSides) {
  ibv_sge bad{receiver.address(0), 64, receiver.mr()->lkey ^ 0xff};
  ASSERT_EQ(receiver.post_receive(7, &bad, 1), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
  expect_sent(IBV_WC_BAD_RESP_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS);
  EXPECT_COMPLETION(receiver.next_received(), IBV_WC_LOC_PROT_ERR,
                    std::uint32_t{EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY}, 7u);
}

TEST_F(ErrorTest, AReceiveIntoReadOnlyRegionIsAnErrorOnBothSides) {
  std::vector<std::uint8_t> buffer(64);
  const Mr mr(try_reg_mr(other_pd.get(), buffer.data(), 64, IBV_ACCESS_REMOTE_READ));
  ibv_sge bad{reinterpret_cast<std::uint64_t>(buffer.data()), 64, mr->lkey};
  ASSERT_EQ(receiver.post_receive(7, &bad, 1), 0);
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
  expect_sent(IBV_WC_BAD_RESP_ERR, EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS);
  EXPECT_COMPLETION(receiver.next_received(), IBV_WC_LOC_PROT_ERR,
                    std::uint32_t{EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY}, 7u);
}

class LonelyReceiverTest : public VerbsTest {};

TEST_F(LonelyReceiverTest, WithoutAnAddressHandleForUsRefusesToBeRead) {
  Endpoint sender = endpoint();
  Endpoint receiver = other_endpoint();
  const Destination to = receiver.from(sender);
  ASSERT_EQ(sender.post_read(1, to, receiver.mr()->rkey, receiver.address(0), sender.sge({0, 64})),
            0);
  EXPECT_EQ(sender.next_sent().vendor_err,
            std::uint32_t{EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER});
  // Messages need none.
  ASSERT_EQ(receiver.post_receive(2, {{0, 64}}), 0);
  ASSERT_EQ(sender.post_send(2, to, {{0, 64}}), 0);
  EXPECT_SUCCESS(sender.next_sent(), 2u);
}

TEST_F(LonelyReceiverTest, ThatDoesNotExistIsUnreachable) {
  Endpoint sender = endpoint();
  const Ah nowhere(try_create_ah(pd.get(), ibv_gid{.raw = {0xfe, 0x80, 9, 9, 9, 9}}));
  ASSERT_TRUE(nowhere);
  ASSERT_EQ(sender.post_send(1, {nowhere.get(), 1}, {{0, 64}}), 0);
  const ibv_wc wc = sender.next_sent();
  EXPECT_NE(wc.status, IBV_WC_SUCCESS);
  EXPECT_EQ(wc.vendor_err, std::uint32_t{EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE});
  EXPECT_EQ(wc.wr_id, 1u);
}

TEST_F(LonelyReceiverTest, WithoutReceivesEndsFiniteRetries) {
  Endpoint receiver = other_endpoint();
  for (const int retries : {0, 1, 3, 6}) {
    Endpoint sender = endpoint({.rnr_retry = retries});
    const Destination to = receiver.from(sender);
    ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);
    EXPECT_COMPLETION(sender.next_sent(), IBV_WC_RNR_RETRY_EXC_ERR,
                      std::uint32_t{EFA_COMP_STATUS_REMOTE_ERROR_RNR}, 1u);
  }
}

TEST_F(LonelyReceiverTest, ThatTurnsBadEndsARequestThatWaits) {
  Endpoint sender = endpoint();
  Endpoint receiver = other_endpoint();
  const Destination to = receiver.from(sender);
  ASSERT_EQ(sender.post_send(1, to, {{0, 64}}), 0);  // waits: no receive is posted
  ASSERT_EQ(to_state(receiver.qp(), IBV_QPS_ERR), 0);
  EXPECT_COMPLETION(sender.next_sent(), IBV_WC_REM_INV_RD_REQ_ERR,
                    std::uint32_t{EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN}, 1u);
}

class FlushTest : public VerbsTest {
 protected:
  Endpoint self = endpoint();
  Destination to = self.from(self);

  void expect_flushed(ibv_cq* cq, std::set<std::uint64_t> ids) {
    while (!ids.empty()) {
      const ibv_wc wc = next_completion(cq);
      EXPECT_EQ(wc.status, IBV_WC_WR_FLUSH_ERR);
      EXPECT_EQ(wc.vendor_err, std::uint32_t{EFA_COMP_STATUS_FLUSHED});
      ASSERT_EQ(ids.erase(wc.wr_id), 1u) << wc.wr_id;
    }
  }
};

TEST_F(FlushTest, EndsAllPostedReceives) {
  for (std::uint64_t id = 0; id < 10; ++id) ASSERT_EQ(self.post_receive(id, {{0, 64}}), 0);
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_ERR), 0);
  expect_flushed(self.recv_cq(), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_TRUE(self.idle());
}

TEST_F(FlushTest, EndsRequestsThatWaitForAReceive) {
  Endpoint deaf = other_endpoint();
  const Destination to_deaf = deaf.from(self);
  for (std::uint64_t id = 0; id < 10; ++id) ASSERT_EQ(self.post_send(id, to_deaf, {{0, 64}}), 0);
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_ERR), 0);
  expect_flushed(self.send_cq(), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  // They are gone: a receive posted later gets nothing of them.
  ASSERT_EQ(deaf.post_receive(1, {{0, 64}}), 0);
  Endpoint other = endpoint();
  const Destination from_other = deaf.from(other);
  ASSERT_EQ(other.post_send(1, from_other, {{0, 8}}), 0);
  const ibv_wc wc = deaf.next_received();
  EXPECT_SUCCESS(wc, 1u);
  EXPECT_EQ(wc.byte_len, 8u);
}

TEST_F(FlushTest, EndsReceivesPostedLater) {
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_ERR), 0);
  const int error = self.post_receive(1, {{0, 64}});
  if (error == 0)
    expect_flushed(self.recv_cq(), {1});
  else
    EXPECT_EQ(error, EINVAL);  // libefa refuses receives in this state
}

TEST_F(FlushTest, IsOverAfterReset) {
  ASSERT_EQ(self.post_receive(1, {{0, 64}}), 0);
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_ERR), 0);
  expect_flushed(self.recv_cq(), {1});
  ASSERT_EQ(to_state(self.qp(), IBV_QPS_RESET), 0);
  ASSERT_EQ(to_init(self.qp()), 0);
  ASSERT_EQ(to_rtr(self.qp()), 0);
  ASSERT_EQ(to_rts(self.qp()), 0);
  ASSERT_EQ(self.post_receive(2, {{0, 64}}), 0);
  ASSERT_EQ(self.post_send(3, to, {{4096, 64}}), 0);
  EXPECT_SUCCESS(self.next_sent(), 3u);
  EXPECT_SUCCESS(self.next_received(), 2u);
}

}  // namespace
}  // namespace efa::verbs_test
