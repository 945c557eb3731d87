// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rows.hpp"

#include <valgrind/callgrind.h>

#include <cerrno>

namespace efa::bench {

namespace {

/// What `body` executes is counted, and a few instructions around it, the same for every call.
template <class Body>
inline int counted(Body&& body) {
  CALLGRIND_TOGGLE_COLLECT;
  const int result = body();
  CALLGRIND_TOGGLE_COLLECT;
  return result;
}

int post_send(Target& t) {
  ibv_send_wr* bad = nullptr;
  return counted([&] { return ibv_post_send(t.qp, &t.send, &bad); });
}

int post_send_inline(Target& t) {
  t.send.send_flags = IBV_SEND_SIGNALED | IBV_SEND_INLINE;
  return post_send(t);
}

int post_recv(Target& t) {
  ibv_recv_wr* bad = nullptr;
  return counted([&] { return ibv_post_recv(t.qp, &t.receive, &bad); });
}

inline void build_send(Target& t) {
  ibv_wr_send(t.extended_qp);
  ibv_wr_set_ud_addr(t.extended_qp, t.ah, t.peer_qpn, kLoopbackQkey);
  ibv_wr_set_sge(t.extended_qp, t.sge.lkey, t.sge.addr, t.sge.length);
}

int wr_send(Target& t) {
  return counted([&] {
    ibv_wr_start(t.extended_qp);
    build_send(t);
    return ibv_wr_complete(t.extended_qp);
  });
}

int wr_send_batch(Target& t) {
  return counted([&] {
    ibv_wr_start(t.extended_qp);
    for (unsigned i = 0; i < kBatch; ++i) build_send(t);
    return ibv_wr_complete(t.extended_qp);
  });
}

int wr_send_inline(Target& t) {
  void* data = reinterpret_cast<void*>(t.sge.addr);
  return counted([&] {
    ibv_wr_start(t.extended_qp);
    ibv_wr_send(t.extended_qp);
    ibv_wr_set_ud_addr(t.extended_qp, t.ah, t.peer_qpn, kLoopbackQkey);
    ibv_wr_set_inline_data(t.extended_qp, data, kInlineBytes);
    return ibv_wr_complete(t.extended_qp);
  });
}

int wr_read(Target& t) {
  return counted([&] {
    ibv_wr_start(t.extended_qp);
    ibv_wr_rdma_read(t.extended_qp, t.rkey, t.sge.addr);
    ibv_wr_set_ud_addr(t.extended_qp, t.ah, t.peer_qpn, kLoopbackQkey);
    ibv_wr_set_sge(t.extended_qp, t.sge.lkey, t.sge.addr, t.sge.length);
    return ibv_wr_complete(t.extended_qp);
  });
}

int wr_write(Target& t) {
  return counted([&] {
    ibv_wr_start(t.extended_qp);
    ibv_wr_rdma_write(t.extended_qp, t.rkey, t.sge.addr);
    ibv_wr_set_ud_addr(t.extended_qp, t.ah, t.peer_qpn, kLoopbackQkey);
    ibv_wr_set_sge(t.extended_qp, t.sge.lkey, t.sge.addr, t.sge.length);
    return ibv_wr_complete(t.extended_qp);
  });
}

int poll_one(Target& t) {
  return counted([&] { return ibv_poll_cq(t.cq, 1, t.completions); });
}

int poll_batch(Target& t) {
  return counted([&] { return ibv_poll_cq(t.cq, kBatch, t.completions); });
}

/// What a program asks about each of its sends.
inline void read_send(Target& t) {
  t.seen += t.extended_cq->wr_id + t.extended_cq->status + ibv_wc_read_opcode(t.extended_cq);
}

/// What libfabric's provider asks about each receive.
inline void read_receive(Target& t) {
  ibv_cq_ex* cq = t.extended_cq;
  t.seen += cq->wr_id + cq->status + ibv_wc_read_opcode(cq) + ibv_wc_read_byte_len(cq) +
            ibv_wc_read_wc_flags(cq) + ibv_wc_read_src_qp(cq) + ibv_wc_read_slid(cq);
}

template <void (*Read)(Target&), unsigned Count>
int session(Target& t) {
  return counted([&] {
    int result = ibv_start_poll(t.extended_cq, &t.poll);
    Read(t);
    for (unsigned i = 1; i < Count; ++i) {
      result |= ibv_next_poll(t.extended_cq);
      Read(t);
    }
    ibv_end_poll(t.extended_cq);
    return result;
  });
}

int session_empty(Target& t) {
  return counted([&] { return ibv_start_poll(t.extended_cq, &t.poll); });
}

constexpr std::uint64_t kSend = IBV_QP_EX_WITH_SEND;
constexpr std::uint64_t kRead = kSend | IBV_QP_EX_WITH_RDMA_READ;
constexpr std::uint64_t kWrite = kSend | IBV_QP_EX_WITH_RDMA_WRITE;
constexpr int kFound = kBatch;  // of poll_cq

// The first eight are those that have goals.
constexpr Row kRows[] = {
    {"post_send", "post_send, 1 segment", Part::kSends, 1, 1, 0, false, kSend, post_send},
    {"post_send_inline", "post_send, 32 B inline", Part::kSends, 1, 1, 0, false, kSend,
     post_send_inline},
    {"post_recv", "post_recv, 1 segment", Part::kReceivePosts, 1, 1, 0, false, kSend, post_recv},
    {"wr_send", "wr_start, send, ud_addr, sge, complete", Part::kSends, 1, 5, 0, false, kSend,
     wr_send},
    {"wr_send_batch", "wr_* batch of 16, per send", Part::kSends, kBatch, 2 + 3 * kBatch, 0, false,
     kSend, wr_send_batch},
    {"poll_send", "poll_cq, one send completion", Part::kSendPolls, 1, 1, 1, false, kSend,
     poll_one},
    {"poll_send_batch", "poll_cq, batch of 16, per completion", Part::kSendPolls, kBatch, 1, kFound,
     false, kSend, poll_batch},
    {"poll_empty", "poll_cq, empty", Part::kEmptyPolls, 1, 1, 0, false, kSend, poll_one},

    {"wr_send_inline", "wr_*, 32 B inline", Part::kSends, 1, 5, 0, false, kSend, wr_send_inline},
    {"wr_read", "wr_*, RDMA read", Part::kReads, 1, 5, 0, false, kRead, wr_read},
    {"wr_write", "wr_*, RDMA write", Part::kReads, 1, 5, 0, false, kWrite, wr_write},
    {"poll_recv", "poll_cq, one receive completion", Part::kReceivePolls, 1, 1, 1, false, kSend,
     poll_one},
    {"poll_recv_batch", "poll_cq, batch of 16 receives, each", Part::kReceivePolls, kBatch, 1,
     kFound, false, kSend, poll_batch},
    {"session_send", "start_poll, 1 read, end_poll: one send", Part::kSendPolls, 1, 3, 0, true,
     kSend, session<read_send, 1>},
    {"session_send_batch", "the same, next_poll, 16 sends, each", Part::kSendPolls, kBatch,
     2 + (kBatch - 1) + kBatch, 0, true, kSend, session<read_send, kBatch>},
    {"session_recv", "start_poll, 5 reads, end_poll: one receive", Part::kReceivePolls, 1, 7, 0,
     true, kSend, session<read_receive, 1>},
    {"session_recv_batch", "the same, next_poll, 16 receives, each", Part::kReceivePolls, kBatch,
     2 + (kBatch - 1) + 5 * kBatch, 0, true, kSend, session<read_receive, kBatch>},
    {"session_empty", "start_poll, empty", Part::kEmptyPolls, 1, 1, ENOENT, true, kSend,
     session_empty},
};

}  // namespace

void Target::prepare() {
  send.wr_id = 1;
  send.sg_list = &sge;
  send.num_sge = 1;
  send.opcode = IBV_WR_SEND;
  send.send_flags = IBV_SEND_SIGNALED;
  send.wr.ud = {ah, peer_qpn, kLoopbackQkey};
  receive.wr_id = 1;
  receive.sg_list = &sge;
  receive.num_sge = 1;
  if (extended_qp == nullptr) return;
  extended_qp->wr_id = 1;
  extended_qp->wr_flags = IBV_SEND_SIGNALED;
}

std::span<const Row> rows() {
  return kRows;
}

}  // namespace efa::bench
