// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_poll_cq.
#include <cerrno>
#include <cstring>

#include "consume.hpp"
#include "log.hpp"
#include "status.hpp"
#include "trace.hpp"

namespace efa {

const std::uint64_t* next_of_several(Cq& cq, std::uint64_t& word0) {
  for (unsigned tried = 0; tried < cq.sub_cq_count; ++tried) {
    SubCq& ring = cq.more[cq.next_sub_cq];
    if (++cq.next_sub_cq == cq.sub_cq_count) cq.next_sub_cq = 0;
    const std::uint64_t* entry = ring.next;
    if (is_new(entry, ring.phase, word0)) {
      ring.next = after(ring, entry);
      return entry;
    }
  }
  return nullptr;
}

/// A queue pair that went through RESET, or was destroyed, leaves completions behind. Those of the
/// former are dropped as other transports do it; the latter are an error of the program (V70).
bool is_leftover(Cq& cq, std::uint64_t word0) {
  const std::uint16_t number = cqe::qp_number(word0);
  const Qp* qp = qp_of(cq, word0);
  if (qp != nullptr) {
    const bool receive = cqe::kOpcodes[cqe::kind(word0)] & IBV_WC_RECV;
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

[[gnu::always_inline]] inline void fill_send(ibv_wc& wc, std::uint64_t word0, std::uint64_t wr_id,
                                             std::uint8_t opcode) {
  // Three wide stores, then what is not zero.
  std::memset(static_cast<void*>(&wc), 0, sizeof(wc));
  wc.wr_id = wr_id;
  wc.opcode = static_cast<ibv_wc_opcode>(opcode);
  wc.qp_num = cqe::qp_number(word0);
  if (!cqe::is_ok(word0)) [[unlikely]] {
    wc.status = wc_status(cqe::status(word0));
    wc.vendor_err = cqe::status(word0);
  }
}

[[gnu::always_inline]] inline void fill_receive(ibv_wc& wc, const std::uint64_t* entry,
                                                std::uint64_t word0, std::uint64_t wr_id,
                                                std::uint8_t opcode) {
  fill_send(wc, word0, wr_id, opcode);
  const std::uint64_t word1 = load_device(entry + 1);
  wc.byte_len = cqe::length(word0);
  if (opcode == IBV_WC_RECV_RDMA_WITH_IMM) [[unlikely]] {
    wc.byte_len |= std::uint32_t{cqe::length_high(load_device(entry + 2))} << 16;
  }
  wc.imm_data = __builtin_bswap32(cqe::immediate(word1));
  wc.src_qp = cqe::source_qp(word1);
  wc.slid = cqe::ah(word1);
  wc.wc_flags = cqe::flags(word0) & EFA_CDESC_COMMON_HAS_IMM_MASK ? IBV_WC_WITH_IMM : 0;
}

/// @returns false for an entry that belongs to no request in flight
template <RequestIds kIds>
[[gnu::always_inline]] inline bool take_into(ibv_wc& wc, const Cq& cq, const std::uint64_t* entry,
                                             std::uint64_t word0) {
  Qp* qp = qp_of(cq, word0);
  const std::uint8_t opcode = cqe::kOpcodes[cqe::kind(word0)];
  std::uint64_t wr_id = 0;
  if (qp == nullptr) [[unlikely]]
    return false;
  if (opcode <= IBV_WC_RDMA_WRITE) {
    if (!take_send<kIds>(*qp, entry, word0, wr_id)) [[unlikely]]
      return false;
    fill_send(wc, word0, wr_id, opcode);
  } else {
    if (!take_receive(*qp, word0, opcode, wr_id)) [[unlikely]]
      return false;
    fill_receive(wc, entry, word0, wr_id, opcode);
  }
  return true;
}

/// The same for an entry that is known to be a plain send, the most frequent kind.
template <RequestIds kIds>
[[gnu::always_inline]] inline bool take_plain_send(ibv_wc& wc, const Cq& cq,
                                                   const std::uint64_t* entry,
                                                   std::uint64_t word0) {
  Qp* qp = qp_of(cq, word0);
  std::uint64_t wr_id;
  if (qp == nullptr || !take_send<kIds>(*qp, entry, word0, wr_id)) [[unlikely]]
    return false;
  fill_send(wc, word0, wr_id, IBV_WC_SEND);
  return true;
}

template <Threads kThreads>
[[gnu::always_inline]] inline void finish(Cq& cq, int read) {
  if (cq.doorbell != nullptr) cq.report_read(static_cast<std::uint32_t>(read));
  leave<kThreads>(cq.lock);
}

/// Polls the rest whatever it needs: several rings, probes, stray completions. Apart from the loop
/// below, which so needs no calls and hence few registers.
/// @param polled  completions that are in `wc` already
template <Threads kThreads, Rings kRings, RequestIds kIds>
[[gnu::noinline]] int poll_rest(Cq& cq, int count, ibv_wc* wc, int polled) {
  int read = polled;
  while (polled < count) {
    std::uint64_t word0;
    const std::uint64_t* entry = next_entry<kRings>(cq, word0);
    if (entry == nullptr) break;
    ++read;
    ibv_wc& completion = wc[polled];
    if (!take_into<kIds>(completion, cq, entry, word0)) {
      if (is_leftover(cq, word0)) continue;
      if (polled == 0) polled = -EINVAL;  // else the completions before it matter more (V69)
      break;
    }
    ++polled;
    if (trace::completion_watched()) {
      trace::fire_completion(*cq.qps[completion.qp_num], completion.wr_id, completion.vendor_err,
                             completion.opcode, word0, load_device(entry + 1));
    }
  }
  if (read == 0) {
    leave<kThreads>(cq.lock);  // nothing that the device does not know yet (V69)
  } else {
    finish<kThreads>(cq, read);
  }
  return polled;
}

enum class Kinds { kPlainSends, kAll };

/// Reads one ring for as long as there is something new of these kinds. Two leaf functions, because
/// there is rarely a mixture, and each needs fewer registers than both together.
/// @param word0  of the next entry, which is new
template <Threads kThreads, RequestIds kIds, Kinds kKinds>
[[gnu::noinline]] int poll_news(Cq& cq, int count, ibv_wc* wc, std::uint64_t word0) {
  const std::uint64_t* entry = cq.first.next;
  int left = count;
  do {
    const bool taken = kKinds == Kinds::kAll ? take_into<kIds>(*wc, cq, entry, word0)
                                             : take_plain_send<kIds>(*wc, cq, entry, word0);
    if (!taken) [[unlikely]]
      break;
    ++wc;
    entry = after(cq.first, entry);
    if (--left == 0 || !is_new(entry, cq.first.phase, word0)) {
      cq.first.next = entry;
      finish<kThreads>(cq, count - left);
      return count - left;
    }
  } while (kKinds == Kinds::kAll || cqe::kind(word0) == cqe::kSend);
  cq.first.next = entry;
  const int polled = count - left;
  return poll_rest<kThreads, Rings::kOne, kIds>(cq, count, wc - polled, polled);
}

template <Threads kThreads, Rings kRings, RequestIds kIds>
[[gnu::noinline]] int poll_contended(Cq& cq, int count, ibv_wc* wc) {
  cq.lock.lock();
  return poll_rest<kThreads, kRings, kIds>(cq, count, wc, 0);
}

template <Threads kThreads, RequestIds kIds>
int poll_one_ring(ibv_cq* base, int count, ibv_wc* wc) {
  Cq& cq = Cq::of(base);
  if (!enter<kThreads>(cq.lock)) [[unlikely]] {
    return poll_contended<kThreads, Rings::kOne, kIds>(cq, count, wc);
  }
  std::uint64_t word0;
  // Programs ask much more often than there is news.
  if (!is_new(cq.first.next, cq.first.phase, word0) || count <= 0) {
    leave<kThreads>(cq.lock);
    return 0;
  }
  if (trace::completion_watched()) [[unlikely]]
    return poll_rest<kThreads, Rings::kOne, kIds>(cq, count, wc, 0);
  return cqe::kind(word0) == cqe::kSend
             ? poll_news<kThreads, kIds, Kinds::kPlainSends>(cq, count, wc, word0)
             : poll_news<kThreads, kIds, Kinds::kAll>(cq, count, wc, word0);
}

template <Threads kThreads, RequestIds kIds>
int poll_several(ibv_cq* base, int count, ibv_wc* wc) {
  Cq& cq = Cq::of(base);
  if constexpr (kThreads == Threads::kShared) cq.lock.lock();
  return poll_rest<kThreads, Rings::kSeveral, kIds>(cq, count, wc, 0);
}

template <Threads kThreads, RequestIds kIds>
void choose(Cq& cq) {
  cq.poll = cq.sub_cq_count == 1 ? poll_one_ring<kThreads, kIds> : poll_several<kThreads, kIds>;
}

template <Threads kThreads>
void choose(Cq& cq) {
  cq.context().limits.wide_request_ids() ? choose<kThreads, RequestIds::kWide>(cq)
                                         : choose<kThreads, RequestIds::kSlots>(cq);
}

}  // namespace

int poll_cq(ibv_cq* cq, int count, ibv_wc* wc) {
  return Cq::of(cq).poll(cq, count, wc);
}

void choose_poll(Cq& cq) {
  cq.threads == Threads::kSingle ? choose<Threads::kSingle>(cq) : choose<Threads::kShared>(cq);
}

}  // namespace efa
