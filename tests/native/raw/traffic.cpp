// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Work requests by hand: what libefa 44 cannot ask for (RDMA writes, wide WQEs, long request ids),
/// and WQEs that no library would write (device-io I2, I3, I7, I8).
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::uint32_t kMegabyte = 1 << 20;
constexpr std::uint32_t kRdmaWrite = EFA_UABI_QUERY_DEVICE_RESP_RDMA_WRITE_MASK;

/// A session whose queue pair sends to itself.
class RawTrafficTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  std::vector<std::uint8_t> source = std::vector<std::uint8_t>(2 * kMegabyte);
  std::vector<std::uint8_t> target = std::vector<std::uint8_t>(2 * kMegabyte);
  Mr source_mr, target_mr;
  AddressHandle ah;
  CqRequest cq_request;
  std::uint32_t write_rights = 0;

  void SetUp() override {
    ASSERT_EQ(session.alloc_pd(pd), 0);
    if (session.has(kRdmaWrite)) write_rights = kRemoteWrite;
    ASSERT_EQ(session.reg_mr(pd, source.data(), source.size(), kLocalWrite, source_mr), 0);
    ASSERT_EQ(session.reg_mr(pd, target.data(), target.size(),
                             kLocalWrite | kRemoteRead | write_rights, target_mr),
              0);
    ASSERT_EQ(session.create_ah(pd, session.gid(), ah), 0);
    std::iota(source.begin(), source.end(), std::uint8_t{3});
  }
  Peer peer(const QueuePair& qp) const { return {ah.number, qp.number()}; }
  bool arrived(std::size_t offset, std::size_t length) const {
    return std::equal(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(length),
                      target.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  efa_tx_wqe write_wqe(const QueuePair& qp, std::uint64_t id, std::uint32_t length) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_RDMA_WRITE, peer(qp), id, 1);
    wqe.data.rdma_req.remote_mem = remote(target_mr, target.data() + 100, length);
    wqe.data.rdma_req.local_mem = segment(source_mr, source.data(), length);
    return wqe;
  }
  efa_tx_wqe send_wqe(const QueuePair& qp, std::uint64_t id, std::uint32_t length) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, peer(qp), id, 1);
    wqe.data.sgl[0] = segment(source_mr, source.data(), length);
    return wqe;
  }
  static void expect(const Completion& completion, unsigned status, unsigned id) {
    EXPECT_EQ(completion.status(), status);
    EXPECT_EQ(completion.common().req_id, id);
  }
};

TEST_F(RawTrafficTest, SendsAndReceives) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  for (std::uint16_t round = 0; round < 500; ++round) {  // several times around every ring
    qp.post_receive(round, target_mr, target.data(), 1000);
    efa_tx_wqe wqe = send_wqe(qp, static_cast<std::uint16_t>(~round), 1 + round % 1000);
    efa_tx_meta_desc_set_has_imm(&wqe.meta, round % 2);
    wqe.meta.immediate_data = 0xabcd0000u + round;
    qp.post_send(wqe);
    const Completion sent = send_cq.next();
    expect(sent, EFA_COMP_STATUS_OK, static_cast<std::uint16_t>(~round));
    EXPECT_EQ(sent.queue(), static_cast<unsigned>(EFA_QUEUE_TYPE_SEND_QUEUE));
    EXPECT_EQ(sent.op(), static_cast<unsigned>(EFA_SEND_OP_TYPE_SEND));
    EXPECT_EQ(sent.common().qp_num, qp.number());
    const Completion received = recv_cq.next();
    expect(received, EFA_COMP_STATUS_OK, round);
    EXPECT_EQ(received.queue(), static_cast<unsigned>(EFA_QUEUE_TYPE_RECV_QUEUE));
    EXPECT_EQ(received.raw.base.length, 1 + round % 1000);
    EXPECT_EQ(received.raw.base.src_qp_num, qp.number());
    EXPECT_EQ(received.raw.base.ah, ah.number);
    EXPECT_EQ(efa_cdesc_common_has_imm(&received.common()), round % 2u);
    EXPECT_EQ(received.raw.base.imm, round % 2 ? 0xabcd0000u + round : 0);
    ASSERT_TRUE(arrived(0, 1 + round % 1000));
  }
}

TEST_F(RawTrafficTest, UsesSmallCompletionEntries) {
  cq_request.device.cq_entry_size = sizeof(efa_rx_cdesc);
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq);
  for (std::uint16_t round = 0; round < 200; ++round) {
    qp.post_receive(round, target_mr, target.data(), 1000);
    qp.post_send(send_wqe(qp, round, 10));
    expect(cq.next(), EFA_COMP_STATUS_OK, round);
    expect(cq.next(), EFA_COMP_STATUS_OK, round);
  }
}

TEST_F(RawTrafficTest, TakesWqesOfOneDoorbellInOrder) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  for (std::uint16_t i = 0; i < 16; ++i) qp.post_receive(i, target_mr, target.data(), 100);
  for (std::uint16_t i = 0; i < 16; ++i) qp.post_send(send_wqe(qp, i, 10));
  for (std::uint16_t i = 0; i < 16; ++i) {
    expect(send_cq.next(), EFA_COMP_STATUS_OK, i);
    expect(recv_cq.next(), EFA_COMP_STATUS_OK, i);
  }
}

TEST_F(RawTrafficTest, RefusesWqesThatNoLibraryWrites) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  std::uint16_t id = 0;
  const auto status_of = [&](auto change) {
    efa_tx_wqe wqe = send_wqe(qp, ++id, 10);
    change(wqe);
    qp.post_send(wqe);
    const Completion completion = send_cq.next();
    EXPECT_EQ(completion.common().req_id, id);
    return completion.status();
  };
  const auto internal = static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR);
  const auto unsupported = static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { efa_tx_meta_desc_set_meta_desc(&w.meta, 0); }), internal);
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { efa_tx_meta_desc_set_first(&w.meta, 0); }), internal);
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { efa_tx_meta_desc_set_last(&w.meta, 0); }), internal);
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { efa_tx_meta_desc_set_comp_req(&w.meta, 0); }), internal);
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { w.meta.length = 3; }),
            static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH));
  for (unsigned op = EFA_SEND_OP_TYPE_FAST_REG; op < 16; ++op)
    EXPECT_EQ(status_of([op](efa_tx_wqe& w) {
                efa_tx_meta_desc_set_op_type(&w.meta, static_cast<std::uint8_t>(op));
              }),
              unsupported)
        << op;
  EXPECT_EQ(status_of([](efa_tx_wqe& w) {
              efa_tx_meta_desc_set_inline_msg(&w.meta, 1);
              w.meta.length = 33;
            }),
            static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH));
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { w.meta.ah = 0x7777; }),
            static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH));
  EXPECT_EQ(status_of([](efa_tx_wqe& w) { w.data.sgl[0].lkey = 0xffffff; }),
            static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY));
  // The queue pair is as good as before.
  qp.post_receive(1, target_mr, target.data(), 1000);
  EXPECT_EQ(status_of([](efa_tx_wqe&) {}), static_cast<unsigned>(EFA_COMP_STATUS_OK));
}

TEST_F(RawTrafficTest, KnowsNoRdmaOverDatagrams) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.type = IB_UVERBS_QPT_UD});
  efa_tx_wqe wqe = write_wqe(qp, 1, 10);
  for (const efa_send_op_type op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE}) {
    efa_tx_meta_desc_set_op_type(&wqe.meta, op);
    qp.post_send(wqe);
    expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP, 1);
  }
}

TEST_F(RawTrafficTest, ReadsWithLengthsThatAgree) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  efa_tx_wqe wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_RDMA_READ, peer(qp), 1, 1);
  wqe.data.rdma_req.remote_mem = remote(target_mr, target.data(), 100);
  wqe.data.rdma_req.local_mem = segment(source_mr, source.data(), 99);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH, 1);
  wqe.data.rdma_req.local_mem.length = 100;
  target[99] = 77;
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_OK, 1);
  EXPECT_EQ(source[99], 77);
  const std::uint32_t limit = session.device().max_rdma_size;
  wqe.data.rdma_req.remote_mem.length = wqe.data.rdma_req.local_mem.length = limit + 1;
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH, 1);
}

TEST_F(RawTrafficTest, WithoutTheCapabilityDoesNotWrite) {
  if (session.has(kRdmaWrite)) GTEST_SKIP() << "this generation writes";
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  qp.post_send(write_wqe(qp, 1, 10));
  expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP, 1);
  Mr mr;
  EXPECT_EQ(session.reg_mr(pd, target.data(), 10, kLocalWrite | kRemoteWrite, mr), EOPNOTSUPP);
}

class RawWriteTest : public RawTrafficTest {
 protected:
  void SetUp() override {
    RawTrafficTest::SetUp();
    if (!session.has(kRdmaWrite)) GTEST_SKIP() << "this generation does not write";
  }
};

TEST_F(RawWriteTest, PlacesDataOfEveryLength) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  for (const std::uint32_t length : {0u, 1u, 64u, 4097u, 8929u, 65536u, kMegabyte, kMegabyte + 1}) {
    std::fill(target.begin(), target.end(), std::uint8_t{0});
    qp.post_send(write_wqe(qp, length & 0xffff, length));
    const Completion sent = send_cq.next();
    expect(sent, EFA_COMP_STATUS_OK, length & 0xffff);
    EXPECT_EQ(sent.op(), static_cast<unsigned>(EFA_SEND_OP_TYPE_RDMA_WRITE));
    EXPECT_TRUE(arrived(100, length)) << length;
    EXPECT_EQ(target[99], 0);
    EXPECT_EQ(target[100 + length], 0);
  }
  EXPECT_FALSE(recv_cq.poll());
}

TEST_F(RawWriteTest, WithImmediateTakesAReceiveWithoutWritingToIt) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  for (const std::uint32_t length : {0u, 50u, 70000u, kMegabyte}) {
    qp.post_receive(9, target_mr, target.data(), 50);
    target[0] = 42;
    efa_tx_wqe wqe = write_wqe(qp, 1, length);
    efa_tx_meta_desc_set_has_imm(&wqe.meta, 1);
    wqe.meta.immediate_data = 0x12345678;
    qp.post_send(wqe);
    expect(send_cq.next(), EFA_COMP_STATUS_OK, 1);
    const Completion received = recv_cq.next();
    expect(received, EFA_COMP_STATUS_OK, 9);
    EXPECT_EQ(received.op(), static_cast<unsigned>(EFA_SEND_OP_TYPE_RDMA_WRITE));
    EXPECT_TRUE(efa_cdesc_common_has_imm(&received.common()));
    EXPECT_FALSE(efa_cdesc_common_unsolicited(&received.common()));
    EXPECT_EQ(received.raw.base.imm, 0x12345678u);
    EXPECT_EQ(received.raw.base.length | received.raw.u.rdma_write.length_hi << 16, length);
    EXPECT_TRUE(arrived(100, length));
    EXPECT_EQ(target[0], 42);
  }
}

TEST_F(RawWriteTest, WithImmediateWaitsForAReceive) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.rnr_retry = 1});
  efa_tx_wqe wqe = write_wqe(qp, 1, 10);
  efa_tx_meta_desc_set_has_imm(&wqe.meta, 1);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_REMOTE_ERROR_RNR, 1);
}

TEST_F(RawWriteTest, WithImmediateNeedsNoReceiveWhenUnsolicited) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq,
               {.flags = EFA_UABI_CREATE_QP_UNSOLICITED_WRITE_RECV_MASK});
  qp.post_receive(9, target_mr, target.data(), 50);
  for (int round = 0; round < 3; ++round) {
    efa_tx_wqe wqe = write_wqe(qp, 1, 100);
    efa_tx_meta_desc_set_has_imm(&wqe.meta, 1);
    wqe.meta.immediate_data = 77;
    qp.post_send(wqe);
    expect(send_cq.next(), EFA_COMP_STATUS_OK, 1);
    const Completion received = recv_cq.next();
    EXPECT_EQ(received.status(), static_cast<unsigned>(EFA_COMP_STATUS_OK));
    EXPECT_TRUE(efa_cdesc_common_unsolicited(&received.common()));
    EXPECT_EQ(received.raw.base.imm, 77u);
    EXPECT_EQ(received.raw.base.length, 100);
  }
  // The posted receive is still there for a message.
  qp.post_send(send_wqe(qp, 2, 10));
  expect(send_cq.next(), EFA_COMP_STATUS_OK, 2);
  expect(recv_cq.next(), EFA_COMP_STATUS_OK, 9);
}

TEST_F(RawWriteTest, NeedsTheRightToWrite) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  efa_tx_wqe wqe = write_wqe(qp, 1, 10);
  wqe.data.rdma_req.remote_mem = remote(source_mr, source.data(), 10);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS, 1);
  wqe = write_wqe(qp, 1, 10);
  efa_remote_mem_addr_set_addr(&wqe.data.rdma_req.remote_mem,
                               reinterpret_cast<std::uint64_t>(target.data()) + target.size() - 9);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS, 1);
}

TEST_F(RawWriteTest, DoesNotTakeInlineDataInNarrowWqes) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq);
  efa_tx_wqe wqe = write_wqe(qp, 1, 10);
  efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP, 1);
}

class WideWqeTest : public RawWriteTest {
 protected:
  efa_tx_wqe_128 wide(efa_send_op_type op, const QueuePair& qp, std::uint16_t length) {
    efa_tx_wqe_128 wqe{};
    wqe.meta = meta(op, peer(qp), length, length);
    return wqe;
  }
};

TEST_F(WideWqeTest, CarriesInlineMessages) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.wqe_size = 128});
  for (std::uint16_t length = 0; length <= EFA_INLINE_128; ++length) {
    qp.post_receive(length, target_mr, target.data(), 100);
    efa_tx_wqe_128 wqe = wide(EFA_SEND_OP_TYPE_SEND, qp, length);
    efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
    std::memcpy(wqe.data.inline_data, source.data(), length);
    qp.post_send(wqe);
    expect(send_cq.next(), EFA_COMP_STATUS_OK, length);
    EXPECT_EQ(recv_cq.next().raw.base.length, length);
    EXPECT_TRUE(arrived(0, length)) << length;
  }
  efa_tx_wqe_128 wqe = wide(EFA_SEND_OP_TYPE_SEND, qp, EFA_INLINE_128 + 1);
  efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH, EFA_INLINE_128 + 1);
}

TEST_F(WideWqeTest, CarriesInlineWrites) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.wqe_size = 128});
  for (const std::uint16_t length : {0, 1, 33, EFA_INLINE_128}) {
    std::fill_n(target.begin(), 300, std::uint8_t{0});
    efa_tx_wqe_128 wqe = wide(EFA_SEND_OP_TYPE_RDMA_WRITE, qp, length);
    efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
    wqe.data.rdma_req.remote_mem = remote(target_mr, target.data() + 100, length);
    std::memcpy(wqe.data.rdma_req.inline_data, source.data(), length);
    qp.post_send(wqe);
    expect(send_cq.next(), EFA_COMP_STATUS_OK, length);
    EXPECT_TRUE(arrived(100, length)) << length;
    EXPECT_EQ(target[100u + length], 0);
  }
}

TEST_F(WideWqeTest, CarriesSegmentsLikeANarrowOne) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.wqe_size = 128});
  qp.post_receive(1, target_mr, target.data(), 1000);
  efa_tx_wqe_128 wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, peer(qp), 2, 2);
  wqe.data.sgl[0] = segment(source_mr, source.data(), 100);
  wqe.data.sgl[1] = segment(source_mr, source.data() + 100, 150);
  qp.post_send(wqe);
  expect(send_cq.next(), EFA_COMP_STATUS_OK, 2);
  EXPECT_EQ(recv_cq.next().raw.base.length, 250);
  EXPECT_TRUE(arrived(0, 250));
}

TEST_F(RawTrafficTest, EchoesLongRequestIds) {
  if (!session.has(EFA_UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID_MASK))
    GTEST_SKIP() << "this generation has 16-bit ids";
  CompletionRing recv_cq(session, cq_request);
  efa_uabi_create_cq_set_sq_comp_64_bit_req_id(&cq_request.device, 1);
  CompletionRing send_cq(session, cq_request);
  QueuePair qp(session, pd, send_cq, recv_cq, {.flags = EFA_UABI_CREATE_QP_SQ_64_BIT_REQ_ID_MASK});
  for (const std::uint64_t id :
       {std::uint64_t{0x123456789abcdef0}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    qp.post_receive(5, target_mr, target.data(), 100);
    qp.post_send(send_wqe(qp, id, 10));
    const Completion sent = send_cq.next();
    EXPECT_EQ(efa_tx_cdesc_req_id64(&sent.send()), id);
    expect(recv_cq.next(), EFA_COMP_STATUS_OK, 5);
  }
  efa_tx_wqe broken = send_wqe(qp, 0xdeadbeefdeadbeef, 10);
  broken.meta.ah = 0x7777;
  qp.post_send(broken);
  const Completion failed = send_cq.next();
  EXPECT_EQ(failed.status(), static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH));
  EXPECT_EQ(efa_tx_cdesc_req_id64(&failed.send()), 0xdeadbeefdeadbeef);
}

}  // namespace
}  // namespace efa::raw
