// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_poll_cq.
#include <cerrno>

#include "consume.hpp"
#include "log.hpp"
#include "status.hpp"
#include "trace.hpp"

namespace efa {

const std::uint64_t* next_of_several(Cq& cq, std::uint64_t& word0) {
  for (unsigned tried = 0; tried < cq.sub_cq_count; ++tried) {
    SubCq& ring = cq.more[cq.next_sub_cq];
    if (++cq.next_sub_cq == cq.sub_cq_count) cq.next_sub_cq = 0;
    if (const std::uint64_t* entry = peek(cq, ring, word0)) {
      advance(cq, ring);
      return entry;
    }
  }
  return nullptr;
}

/// A queue pair that went through RESET, or was destroyed, leaves completions behind. Those of the
/// former are dropped as other transports do it; the latter are an error of the program (V70).
bool is_leftover(Cq& cq, std::uint64_t word0) {
  const std::uint16_t number = cqe::qp_number(word0);
  const Qp* qp = load_device(cq.qps + number);
  if (qp != nullptr) {
    const bool receive = cqe::kOpcodes[cqe::flags(word0)] & IBV_WC_RECV;
    const WorkQueue& work = receive ? qp->rq.work : qp->sq.work;
    if (work.is_from_before_restart(cqe::request_id(word0))) return true;
  }
  log_error(cq.context(),
            "CQ 0x%x: completion for QP %u, request id 0x%x, flags 0x%x, status %u: no such %s; "
            "was the QP destroyed with work outstanding?",
            cq.verbs.cq.handle, number, cqe::request_id(word0), cqe::flags(word0),
            cqe::status(word0), qp == nullptr ? "QP" : "request in flight");
  return false;
}

namespace {

[[gnu::always_inline]] inline void fill(ibv_wc& wc, const std::uint64_t* entry, std::uint64_t word0,
                                        Qp& qp, std::uint64_t wr_id, std::uint8_t opcode) {
  const std::uint8_t status = cqe::status(word0);
  wc.wr_id = wr_id;
  wc.status = wc_status(status);
  wc.opcode = static_cast<ibv_wc_opcode>(opcode);
  wc.vendor_err = status;
  wc.qp_num = qp.number();
  wc.pkey_index = 0;
  wc.sl = 0;
  wc.dlid_path_bits = 0;
  if (opcode & IBV_WC_RECV) {
    const std::uint64_t word1 = load_device(entry + 1);
    wc.byte_len = cqe::length(word0);
    if (opcode == IBV_WC_RECV_RDMA_WITH_IMM) {
      wc.byte_len |= std::uint32_t{cqe::length_high(load_device(entry + 2))} << 16;
    }
    wc.imm_data = __builtin_bswap32(cqe::immediate(word1));
    wc.src_qp = cqe::source_qp(word1);
    wc.slid = cqe::ah(word1);
    wc.wc_flags = cqe::flags(word0) & EFA_CDESC_COMMON_HAS_IMM_MASK ? IBV_WC_WITH_IMM : 0;
  } else {
    wc.byte_len = 0;
    wc.imm_data = 0;
    wc.src_qp = 0;
    wc.slid = 0;
    wc.wc_flags = 0;
  }
}

/// Takes up to `count` completions, the first of which is there.
template <Rings kRings>
[[gnu::always_inline]] inline int poll_entries(Cq& cq, int count, ibv_wc* wc) {
  int polled = 0;
  std::uint64_t word0;
  while (polled < count) {
    const std::uint64_t* entry = next_entry<kRings>(cq, word0);
    if (entry == nullptr) break;
    Qp* qp;
    std::uint64_t wr_id;
    std::uint8_t opcode;
    const Taken taken = take(cq, entry, word0, qp, wr_id, opcode);
    if (taken != Taken::kCompletion) [[unlikely]] {
      if (taken == Taken::kNothing) continue;
      if (polled == 0) polled = -EINVAL;
      break;
    }
    fill(wc[polled++], entry, word0, *qp, wr_id, opcode);
    if (trace::completion_watched()) [[unlikely]] {
      trace::fire_completion(*qp, wr_id, cqe::status(word0), opcode, word0, load_device(entry + 1));
    }
  }
  if (cq.doorbell != nullptr) cq.ring_doorbell(false);
  return polled;
}

template <Threads kThreads, Rings kRings>
int poll_as(ibv_cq* base, int count, ibv_wc* wc) {
  Cq& cq = Cq::of(base);
  const QueueGuard<kThreads> guard(cq.lock);
  if constexpr (kRings == Rings::kOne) {
    // Programs ask much more often than there is an answer.
    std::uint64_t word0;
    if (peek(cq, cq.first, word0) == nullptr) return 0;
  }
  return poll_entries<kRings>(cq, count, wc);
}

template <Threads kThreads>
void choose(Cq& cq) {
  cq.poll =
      cq.sub_cq_count == 1 ? poll_as<kThreads, Rings::kOne> : poll_as<kThreads, Rings::kSeveral>;
}

}  // namespace

int poll_cq(ibv_cq* cq, int count, ibv_wc* wc) {
  return Cq::of(cq).poll(cq, count, wc);
}

void choose_poll(Cq& cq) {
  cq.threads == Threads::kSingle ? choose<Threads::kSingle>(cq) : choose<Threads::kShared>(cq);
}

}  // namespace efa
