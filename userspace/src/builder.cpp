// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The ibv_wr_* calls: WQEs are staged in ordinary memory, a session at a time, and copied to the
/// device when it is complete. An error of any call makes the rest of the session do nothing and
/// comes out of ibv_wr_complete (V140).
#include <algorithm>
#include <cerrno>

#include "ah.hpp"
#include "inline_copy.hpp"
#include "log.hpp"
#include "qp.hpp"
#include "trace.hpp"

namespace efa {
namespace {

// A WQE of 128 bytes begins like one of 64; only inline data of RDMA writes lies elsewhere.
static_assert(offsetof(efa_tx_wqe, data) == offsetof(efa_tx_wqe_128, data));
static_assert(offsetof(efa_rdma_req, local_mem) == offsetof(efa_rdma_req_128, local_mem));

efa_tx_wqe_128& current(SendQueue& sq) {
  return *reinterpret_cast<efa_tx_wqe_128*>(sq.current);
}

bool is_rdma(const efa_tx_meta_desc& meta) {
  return efa_tx_meta_desc_op_type(&meta) != EFA_SEND_OP_TYPE_SEND;
}

[[gnu::cold, gnu::noinline]] void fail(Qp& qp, int error, const char* what) {
  qp.sq.error = error;
  log_debug(qp.context(), "QP %u: %s", qp.number(), what);
}

/// Begins a WQE. The address handle and the payload are put in by the setters.
template <WqeSize kSize, RequestIds kIds>
[[gnu::always_inline]] inline efa_tx_wqe_128* begin(ibv_qp_ex* base, std::uint64_t op_bits,
                                                    std::uint32_t immediate) {
  Qp& qp = Qp::of(base);
  SendQueue& sq = qp.sq;
  if (sq.error != 0) [[unlikely]]
    return nullptr;
  const std::uint32_t number = sq.building;
  if (!sq.work.has_room(number)) [[unlikely]] {
    if (const int error = sq.work.look_for_room(number)) {
      fail(qp, error,
           "no work request can be posted: the queue is full, or not in state RTS or SQD");
      return nullptr;
    }
  }
  if (((base->wr_flags | sq.implied_flags) & ~IBV_SEND_INLINE) != IBV_SEND_SIGNALED) [[unlikely]] {
    fail(qp, EINVAL, "wr_flags have to be IBV_SEND_SIGNALED: each request completes");
    return nullptr;
  }
  const std::uint32_t place = number & sq.work.mask();
  sq.current = sq.staging + std::size_t{place} * static_cast<std::size_t>(kSize);
  auto* words = reinterpret_cast<std::uint64_t*>(sq.current);
  std::uint64_t word0 = sq.first_word | op_bits;
  if constexpr (kIds == RequestIds::kSlots) {
    word0 |= in_word(meta::kReqId, sq.work.remember(place, base->wr_id));
    words[3] = 0;
  } else {
    word0 |= in_word(meta::kReqId, static_cast<std::uint16_t>(base->wr_id));
    words[3] = base->wr_id >> 16 << 16;
  }
  words[0] = word0;
  words[1] = in_word(meta::kImmediate, immediate);
  words[2] = 0;
  sq.building = number + 1;
  sq.advance_phase(sq.building);
  return &current(sq);
}

constexpr std::uint64_t op_bits(efa_send_op_type op, bool has_imm) {
  return in_word(meta::kCtrl1, op << EFA_TX_META_DESC_OP_TYPE_SHIFT) |
         (has_imm ? meta::kHasImm : 0);
}

template <WqeSize kSize, RequestIds kIds>
void wr_send(ibv_qp_ex* base) {
  begin<kSize, kIds>(base, op_bits(EFA_SEND_OP_TYPE_SEND, false), 0);
}

template <WqeSize kSize, RequestIds kIds>
void wr_send_imm(ibv_qp_ex* base, __be32 imm) {
  begin<kSize, kIds>(base, op_bits(EFA_SEND_OP_TYPE_SEND, true), __builtin_bswap32(imm));
}

/// The remote length is the local one; the setter of the payload knows it.
template <WqeSize kSize, RequestIds kIds>
[[gnu::always_inline]] inline void begin_rdma(ibv_qp_ex* base, std::uint64_t op_bits,
                                              std::uint32_t immediate, std::uint32_t rkey,
                                              std::uint64_t address) {
  if (efa_tx_wqe_128* wqe = begin<kSize, kIds>(base, op_bits, immediate)) [[likely]] {
    wqe->data.rdma_req.remote_mem.rkey = rkey;
    efa_remote_mem_addr_set_addr(&wqe->data.rdma_req.remote_mem, address);
  }
}

template <WqeSize kSize, RequestIds kIds, efa_send_op_type kOp>
void wr_rdma(ibv_qp_ex* base, std::uint32_t rkey, std::uint64_t address) {
  begin_rdma<kSize, kIds>(base, op_bits(kOp, false), 0, rkey, address);
}

template <WqeSize kSize, RequestIds kIds>
void wr_rdma_write_imm(ibv_qp_ex* base, std::uint32_t rkey, std::uint64_t address, __be32 imm) {
  begin_rdma<kSize, kIds>(base, op_bits(EFA_SEND_OP_TYPE_RDMA_WRITE, true), __builtin_bswap32(imm),
                          rkey, address);
}

void wr_set_ud_addr(ibv_qp_ex* base, ibv_ah* ah, std::uint32_t qpn, std::uint32_t qkey) {
  Qp& qp = Qp::of(base);
  if (qp.sq.error != 0) [[unlikely]]
    return;
  efa_tx_meta_desc& meta = current(qp.sq).meta;
  meta.dest_qp_num = static_cast<std::uint16_t>(qpn);
  meta.ah = Ah::of(ah).number;
  meta.qkey = qkey;
  if (trace::post_send_watched()) [[unlikely]] {
    trace::fire_post_send(qp, base->wr_id, efa_tx_meta_desc_op_type(&meta), qpn, meta.ah,
                          meta.length);
  }
}

void put_segment(efa_tx_buf_desc& segment, std::uint32_t lkey, std::uint64_t address,
                 std::uint32_t length) {
  auto* words = reinterpret_cast<std::uint64_t*>(&segment);
  words[0] = segment_word(lkey, length);
  words[1] = address;
}

void wr_set_sge(ibv_qp_ex* base, std::uint32_t lkey, std::uint64_t address, std::uint32_t length) {
  SendQueue& sq = Qp::of(base).sq;
  if (sq.error != 0) [[unlikely]]
    return;
  efa_tx_wqe_128& wqe = current(sq);
  wqe.meta.length = 1;
  if (is_rdma(wqe.meta)) {
    wqe.data.rdma_req.remote_mem.length = length;
    put_segment(wqe.data.rdma_req.local_mem, lkey, address, length);
  } else {
    put_segment(wqe.data.sgl[0], lkey, address, length);
  }
}

void wr_set_sge_list(ibv_qp_ex* base, std::size_t count, const ibv_sge* list) {
  Qp& qp = Qp::of(base);
  SendQueue& sq = qp.sq;
  if (sq.error != 0) [[unlikely]]
    return;
  efa_tx_wqe_128& wqe = current(sq);
  const bool rdma = is_rdma(wqe.meta);
  const std::size_t limit = rdma ? std::min<std::size_t>(sq.max_sge, EFA_TX_RDMA_SGES) : sq.max_sge;
  if (count > limit) [[unlikely]] {
    return fail(qp, EINVAL, "too many segments: RDMA takes one, a send max_send_sge");
  }
  if (rdma) {
    wqe.meta.length = static_cast<std::uint16_t>(count);
    wqe.data.rdma_req.remote_mem.length = 0;
    if (count == 1) wr_set_sge(base, list->lkey, list->addr, list->length);
    return;
  }
  wqe.meta.length = static_cast<std::uint16_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    put_segment(wqe.data.sgl[i], list[i].lkey, list[i].addr, list[i].length);
  }
}

/// @returns where inline data of the current WQE goes, or null after an error
std::byte* begin_inline(Qp& qp) {
  SendQueue& sq = qp.sq;
  if (sq.error != 0) [[unlikely]]
    return nullptr;
  efa_tx_wqe_128& wqe = current(sq);
  if (!is_rdma(wqe.meta)) [[likely]]
    return reinterpret_cast<std::byte*>(wqe.data.inline_data);
  if (!sq.inline_write || efa_tx_meta_desc_op_type(&wqe.meta) != EFA_SEND_OP_TYPE_RDMA_WRITE) {
    fail(qp, EINVAL, "inline data with RDMA: only writes, of a queue pair made with INLINE_WRITE");
    return nullptr;
  }
  return reinterpret_cast<std::byte*>(wqe.data.rdma_req.inline_data);
}

void end_inline(SendQueue& sq, std::size_t bytes) {
  efa_tx_wqe_128& wqe = current(sq);
  efa_tx_meta_desc_set_inline_msg(&wqe.meta, 1);
  wqe.meta.length = static_cast<std::uint16_t>(bytes);
  if (is_rdma(wqe.meta)) wqe.data.rdma_req.remote_mem.length = static_cast<std::uint32_t>(bytes);
}

void wr_set_inline_data(ibv_qp_ex* base, void* data, std::size_t bytes) {
  Qp& qp = Qp::of(base);
  std::byte* to = begin_inline(qp);
  if (to == nullptr) [[unlikely]]
    return;
  if (bytes > qp.sq.max_inline) [[unlikely]] {
    return fail(qp, EINVAL, "inline data is longer than max_inline_data of the queue pair");
  }
  copy_inline<EFA_INLINE_128>(to, data, bytes);
  end_inline(qp.sq, bytes);
}

void wr_set_inline_data_list(ibv_qp_ex* base, std::size_t count, const ibv_data_buf* list) {
  Qp& qp = Qp::of(base);
  std::byte* to = begin_inline(qp);
  if (to == nullptr) [[unlikely]]
    return;
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (list[i].length > qp.sq.max_inline - total) [[unlikely]] {
      return fail(qp, EINVAL, "inline data is longer than max_inline_data of the queue pair");
    }
    copy_inline<EFA_INLINE_128>(to + total, list[i].addr, list[i].length);
    total += list[i].length;
  }
  end_inline(qp.sq, total);
}

void wr_set_processing_hints(efadv_qp* dv, std::uint32_t hints) {
  auto* qp = reinterpret_cast<Qp*>(reinterpret_cast<std::uintptr_t>(dv) - offsetof(Qp, dv));
  if (qp->sq.error != 0) return;
  efa_tx_meta_desc_set_processing_hints(&current(qp->sq).meta,
                                        hints & EFADV_WR_PROCESSING_HINT_BURST_PPS_SENSITIVE
                                            ? EFA_PROCESSING_HINT_BURST_PPS_SENSITIVE
                                            : 0);
}

template <Threads kThreads>
void wr_start(ibv_qp_ex* base) {
  SendQueue& sq = Qp::of(base).sq;
  if constexpr (kThreads == Threads::kShared) sq.lock.lock();
  sq.error = 0;
  sq.building = sq.work.posted();
  sq.first_word_at_start = sq.first_word;
}

/// Nothing of the session has reached the device: stepping back undoes it.
template <Threads kThreads>
void undo(SendQueue& sq) {
  sq.first_word = sq.first_word_at_start;
  leave<kThreads>(sq.lock);
}

template <Threads kThreads>
void wr_abort(ibv_qp_ex* base) {
  undo<kThreads>(Qp::of(base).sq);
}

/// @param count  at least 1
template <std::size_t kBytes>
[[gnu::always_inline]] inline void copy_wqes(std::byte* to, const std::byte* from,
                                             std::uint32_t count) {
  const std::byte* end = from + count * kBytes;
  do {
    copy_to_device<kBytes>(to, from);
    to += kBytes;
    from += kBytes;
  } while (from != end);
}

/// Where requests are only counted, the count has to be there before the device can complete one.
template <Threads kThreads, WqeSize kSize, RequestIds kIds>
int wr_complete(ibv_qp_ex* base) {
  SendQueue& sq = Qp::of(base).sq;
  if (sq.error != 0) [[unlikely]] {
    const int error = sq.error;
    undo<kThreads>(sq);
    return error;
  }
  constexpr auto kBytes = static_cast<std::size_t>(kSize);
  barrier_before_wc_stores();
  const std::uint32_t end = sq.building;
  std::uint32_t number = sq.work.posted();
  if constexpr (kIds == RequestIds::kWide) sq.work.set_posted(end);
  while (number != end) {
    // A stretch without the end of the ring or of a batch in it.
    const std::uint32_t place = number & sq.work.mask();
    const std::uint32_t count = std::min({end - number, sq.max_batch, sq.work.mask() + 1 - place});
    copy_wqes<kBytes>(sq.ring + place * kBytes, sq.staging + place * kBytes, count);
    number += count;
    sq.ring_doorbell(number);
    if (number != end) [[unlikely]]
      barrier_before_wc_stores();
  }
  if constexpr (kIds == RequestIds::kSlots) sq.work.set_posted(end);
  leave<kThreads>(sq.lock);
  return 0;
}

template <Threads kThreads, WqeSize kSize, RequestIds kIds>
void choose_session(ibv_qp_ex& qp) {
  qp.wr_start = wr_start<kThreads>;
  qp.wr_complete = wr_complete<kThreads, kSize, kIds>;
  qp.wr_abort = wr_abort<kThreads>;
}

/// Operations that were not asked for keep a null pointer (V144).
template <WqeSize kSize, RequestIds kIds>
void choose_operations(ibv_qp_ex& qp, std::uint64_t ops) {
  if (ops & IBV_QP_EX_WITH_SEND) qp.wr_send = wr_send<kSize, kIds>;
  if (ops & IBV_QP_EX_WITH_SEND_WITH_IMM) qp.wr_send_imm = wr_send_imm<kSize, kIds>;
  if (ops & IBV_QP_EX_WITH_RDMA_READ) {
    qp.wr_rdma_read = wr_rdma<kSize, kIds, EFA_SEND_OP_TYPE_RDMA_READ>;
  }
  if (ops & IBV_QP_EX_WITH_RDMA_WRITE) {
    qp.wr_rdma_write = wr_rdma<kSize, kIds, EFA_SEND_OP_TYPE_RDMA_WRITE>;
  }
  if (ops & IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM) {
    qp.wr_rdma_write_imm = wr_rdma_write_imm<kSize, kIds>;
  }
}

template <WqeSize kSize, RequestIds kIds>
void choose(Qp& qp, std::uint64_t ops) {
  ibv_qp_ex& ex = qp.verbs.qp_ex;
  qp.domain->threads() == Threads::kSingle ? choose_session<Threads::kSingle, kSize, kIds>(ex)
                                           : choose_session<Threads::kShared, kSize, kIds>(ex);
  choose_operations<kSize, kIds>(ex, ops);
}

template <WqeSize kSize>
void choose(Qp& qp, std::uint64_t ops) {
  qp.ids == RequestIds::kSlots ? choose<kSize, RequestIds::kSlots>(qp, ops)
                               : choose<kSize, RequestIds::kWide>(qp, ops);
}

}  // namespace

void choose_builder(Qp& qp, WqeSize size, std::uint64_t send_ops, const QpOptions& options) {
  ibv_qp_ex& ex = qp.verbs.qp_ex;
  size == WqeSize::k64 ? choose<WqeSize::k64>(qp, send_ops) : choose<WqeSize::k128>(qp, send_ops);
  ex.wr_set_ud_addr = wr_set_ud_addr;
  ex.wr_set_sge = wr_set_sge;
  ex.wr_set_sge_list = wr_set_sge_list;
  ex.wr_set_inline_data = wr_set_inline_data;
  ex.wr_set_inline_data_list = wr_set_inline_data_list;
  if (options.processing_hints) qp.dv.wr_set_processing_hints = wr_set_processing_hints;
}

}  // namespace efa
