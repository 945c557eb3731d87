// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Work requests by hand from a device to itself: data, immediates, errors (device-io I2 - I8).
#include <algorithm>
#include <numeric>

#include "bench.hpp"
#include "memory.hpp"
#include "rings.hpp"

namespace efa::test {
namespace {

constexpr std::uint32_t kMegabyte = 1 << 20;
constexpr std::size_t kGrh = 40;

/// A queue pair that sends to itself, between two megabytes of memory.
struct Loop {
  Session session;
  Pd pd;
  Pages source{2 * kMegabyte}, target{2 * kMegabyte};
  Mr source_mr, target_mr;
  AddressHandle ah;
  CqRequest cq_request;
  std::unique_ptr<CompletionRing> send_cq, recv_cq;
  std::unique_ptr<QueuePair> qp;

  explicit Loop(const QpOptions& options = {}, std::uint32_t entry_size = 32) {
    require_success(session.alloc_pd(pd), "ALLOC_PD");
    require_success(session.reg_mr(pd, source.data(), source.size(), kLocalWrite, source_mr),
                    "REG_MR of the source");
    const std::uint32_t write = writes() ? kRemoteWrite : 0;
    require_success(session.reg_mr(pd, target.data(), target.size(),
                                   kLocalWrite | kRemoteRead | write, target_mr),
                    "REG_MR of the target");
    require_success(session.create_ah(pd, session.gid(), ah), "CREATE_AH");
    std::iota(source.data(), source.data() + source.size(), std::uint8_t{3});
    // Not the same on every page, so that a page out of order shows.
    for (std::size_t i = 0; i < source.size(); i += 4096)
      source.data()[i] = static_cast<std::uint8_t>(i >> 12);
    cq_request.device.cq_entry_size = entry_size;
    send_cq = std::make_unique<CompletionRing>(session, cq_request);
    recv_cq = std::make_unique<CompletionRing>(session, cq_request);
    qp = std::make_unique<QueuePair>(session, pd, *send_cq, *recv_cq, options);
  }
  bool writes() const { return session.has(EFA_UABI_QUERY_DEVICE_RESP_RDMA_WRITE_MASK); }
  Peer self() const { return {ah.number, qp->number()}; }
  efa_tx_wqe send(std::uint16_t id, std::uint32_t length) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, self(), id, 1);
    wqe.data.sgl[0] = segment(source_mr, source.data(), length);
    return wqe;
  }
  efa_tx_wqe rdma(efa_send_op_type op, std::uint16_t id, std::uint8_t* local, const Mr& local_mr,
                  std::uint8_t* there, const Mr& there_mr, std::uint32_t length) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(op, self(), id, 1);
    wqe.data.rdma_req.remote_mem = remote(there_mr, there, length);
    wqe.data.rdma_req.local_mem = segment(local_mr, local, length);
    return wqe;
  }
  bool same(const std::uint8_t* got, const std::uint8_t* wanted, std::size_t length) const {
    return std::equal(wanted, wanted + length, got);
  }
  void expect_status(CompletionRing& cq, unsigned status, unsigned id, std::string_view what) {
    const Completion completion = cq.next();
    expect_equal(completion.status(), status, std::string(what) + ", status");
    expect_equal(completion.common().req_id, id, std::string(what) + ", request id");
  }
};

void exchange(Loop& loop, std::uint16_t round, std::uint32_t length, std::size_t header) {
  std::fill_n(loop.target.data(), length + header, std::uint8_t{0});
  loop.qp->post_receive(round, loop.target_mr, loop.target.data(), 9000);
  efa_tx_wqe wqe = loop.send(static_cast<std::uint16_t>(~round), length);
  efa_tx_meta_desc_set_has_imm(&wqe.meta, round % 2);
  wqe.meta.immediate_data = 0xabcd0000u + round;
  loop.qp->post_send(wqe);
  loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, static_cast<std::uint16_t>(~round), "send");
  const Completion received = loop.recv_cq->next();
  expect_equal(received.status(), unsigned{EFA_COMP_STATUS_OK}, "receive status");
  expect_equal(received.common().req_id, round, "receive id");
  expect_equal(received.raw.base.length, length + header, "received length");
  expect_equal(received.raw.base.src_qp_num, loop.qp->number(), "source");
  expect_equal(received.raw.base.imm, round % 2 ? 0xabcd0000u + round : 0, "immediate");
  expect(loop.same(loop.target.data() + header, loop.source.data(), length), "data arrived");
}

TAP_TEST("SRD messages of every size arrive, several times around every ring") {
  Loop loop;
  const std::uint32_t lengths[] = {0, 1, 64, 1000, 4095, 4096, 4097, 8191, 8192, 8700};
  for (std::uint16_t round = 0; round < 200; ++round)
    exchange(loop, round, lengths[round % std::size(lengths)], 0);
}

TAP_TEST("UD messages arrive behind 40 bytes for the header") {
  Loop loop({.type = IB_UVERBS_QPT_UD});
  const std::uint32_t lengths[] = {1, 64, 4000, 4096};
  for (std::uint16_t round = 0; round < 80; ++round)
    exchange(loop, round, lengths[round % std::size(lengths)], kGrh);
}

TAP_TEST("Completion entries of 16 bytes work, too") {
  Loop loop({}, 16);
  for (std::uint16_t round = 0; round < 100; ++round) exchange(loop, round, 500, 0);
}

TAP_TEST("A message may come from two segments") {
  Loop loop;
  loop.qp->post_receive(1, loop.target_mr, loop.target.data(), 9000);
  efa_tx_wqe wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, loop.self(), 2, 2);
  wqe.data.sgl[0] = segment(loop.source_mr, loop.source.data(), 100);
  wqe.data.sgl[1] = segment(loop.source_mr, loop.source.data() + 8192, 5000);
  loop.qp->post_send(wqe);
  loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, 2, "send");
  loop.expect_status(*loop.recv_cq, EFA_COMP_STATUS_OK, 1, "receive");
  expect(loop.same(loop.target.data(), loop.source.data(), 100), "first segment");
  expect(loop.same(loop.target.data() + 100, loop.source.data() + 8192, 5000), "second segment");
}

TAP_TEST("A message may be inline") {
  Loop loop;
  loop.qp->post_receive(1, loop.target_mr, loop.target.data(), 100);
  efa_tx_wqe wqe{};
  wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, loop.self(), 2, 32);
  efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
  std::memcpy(wqe.data.inline_data, loop.source.data(), 32);
  loop.qp->post_send(wqe);
  loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, 2, "send");
  loop.expect_status(*loop.recv_cq, EFA_COMP_STATUS_OK, 1, "receive");
  expect(loop.same(loop.target.data(), loop.source.data(), 32), "data arrived");
}

TAP_TEST("RDMA reads of every size bring the pages in order") {
  Loop loop;
  for (const std::uint32_t length : {1u, 4096u, 4097u, 65536u, kMegabyte, kMegabyte + 1}) {
    std::fill_n(loop.source.data() + 5, length, std::uint8_t{0});
    std::iota(loop.target.data(), loop.target.data() + loop.target.size(),
              static_cast<std::uint8_t>(length));
    for (std::size_t i = 0; i < loop.target.size(); i += 4096)
      loop.target.data()[i] = static_cast<std::uint8_t>(i >> 12);
    loop.qp->post_send(loop.rdma(EFA_SEND_OP_TYPE_RDMA_READ, 7, loop.source.data() + 5,
                                 loop.source_mr, loop.target.data() + 77, loop.target_mr, length));
    loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, 7, "read");
    expect(loop.same(loop.source.data() + 5, loop.target.data() + 77, length),
           std::to_string(length) + " bytes are right");
  }
}

TAP_TEST("RDMA writes of every size place the pages in order, if the device can write") {
  Loop loop;
  for (const std::uint32_t length : {1u, 4096u, 4097u, 65536u, kMegabyte, kMegabyte + 1}) {
    std::fill_n(loop.target.data(), loop.target.size(), std::uint8_t{0});
    loop.qp->post_send(loop.rdma(EFA_SEND_OP_TYPE_RDMA_WRITE, 7, loop.source.data() + 5,
                                 loop.source_mr, loop.target.data() + 77, loop.target_mr, length));
    if (!loop.writes()) {
      // The device cannot, or the driver does not let it register memory for that.
      const unsigned status = loop.send_cq->next().status();
      expect(status == EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP ||
                 status == EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS,
             "a write is refused");
      continue;
    }
    loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, 7, "write");
    expect(loop.same(loop.target.data() + 77, loop.source.data() + 5, length),
           std::to_string(length) + " bytes are right");
    expect_equal(loop.target.data()[76], 0, "byte before");
    expect_equal(loop.target.data()[77 + length], 0, "byte after");
  }
}

TAP_TEST("Requests that are wrong complete with the status of their fault") {
  Loop loop({.rnr_retry = 1});
  const auto wrong = [&](std::string_view what, unsigned status, auto change) {
    efa_tx_wqe wqe = loop.send(9, 64);
    change(wqe);
    loop.qp->post_send(wqe);
    loop.expect_status(*loop.send_cq, status, 9, what);
  };
  wrong("no receive", EFA_COMP_STATUS_REMOTE_ERROR_RNR, [](efa_tx_wqe&) {});
  wrong("address handle", EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH,
        [](efa_tx_wqe& w) { w.meta.ah = 0x7777; });
  wrong("local key", EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY,
        [](efa_tx_wqe& w) { efa_tx_buf_desc_set_lkey(&w.data.sgl[0], 0x77777); });
  wrong("local range", EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY, [&](efa_tx_wqe& w) {
    w.data.sgl[0] = segment(loop.source_mr, loop.source.data() + loop.source.size() - 10, 64);
  });
  wrong("destination", EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN,
        [](efa_tx_wqe& w) { w.meta.dest_qp_num = 0x7fff; });
  wrong("remote key", EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS, [&](efa_tx_wqe& w) {
    w = loop.rdma(EFA_SEND_OP_TYPE_RDMA_READ, 9, loop.source.data(), loop.source_mr,
                  loop.target.data(), {0, 0, 0x77777}, 64);
  });
  wrong("no right to read", EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS, [&](efa_tx_wqe& w) {
    w = loop.rdma(EFA_SEND_OP_TYPE_RDMA_READ, 9, loop.target.data(), loop.target_mr,
                  loop.source.data(), loop.source_mr, 64);
  });
}

TAP_TEST("A region that is gone is found by the next request") {
  Loop loop;
  require_success(loop.session.destroy(UVERBS_OBJECT_MR, loop.source_mr.handle), "DEREG_MR");
  loop.qp->post_send(loop.send(9, 64));
  loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY, 9, "send");
}

TAP_TEST("Receives are flushed when the queue pair fails") {
  Loop loop;
  for (std::uint16_t id = 0; id < 8; ++id)
    loop.qp->post_receive(id, loop.target_mr, loop.target.data(), 100);
  ib_uverbs_modify_qp request{};
  request.qp_handle = loop.qp->handle();
  request.attr_mask = 1;
  request.qp_state = 6;
  require_success(loop.session.modify_qp(request), "to ERR");
  for (unsigned id = 0; id < 8; ++id)
    loop.expect_status(*loop.recv_cq, EFA_COMP_STATUS_FLUSHED, id, "receive");
}

TAP_TEST("A DMA buffer is sent from like other memory") {
  Loop loop;
  auto buffer = DmaBuffer::make(8 * 4096);
  if (!buffer) return tap::note("this kernel has no /dev/udmabuf; it is tested from 6.12 on");
  std::copy_n(loop.source.data(), 8 * 4096, buffer->data());
  DmabufRequest request;
  request.fd = buffer->fd();
  request.length = 8 * 4096;
  request.iova = 0x10000;
  Mr mr;
  require_success(reg_dmabuf_mr(loop.session, loop.pd, request, mr), "REG_DMABUF_MR");
  buffer->close_fd();
  loop.qp->post_receive(1, loop.target_mr, loop.target.data(), 9000);
  efa_tx_wqe wqe = loop.send(2, 8000);
  wqe.data.sgl[0] = segment(mr, reinterpret_cast<void*>(0x10000 + 100), 8000);
  loop.qp->post_send(wqe);
  loop.expect_status(*loop.send_cq, EFA_COMP_STATUS_OK, 2, "send");
  loop.expect_status(*loop.recv_cq, EFA_COMP_STATUS_OK, 1, "receive");
  expect(loop.same(loop.target.data(), buffer->data() + 100, 8000), "data arrived");
  expect_errno(loop.session.destroy(UVERBS_OBJECT_MR, mr.handle), 0, "DEREG_MR");
}

}  // namespace
}  // namespace efa::test
