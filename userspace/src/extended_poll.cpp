// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// ibv_start_poll and its kin: one completion at a time, of which the user reads what it needs.
#include <cerrno>
#include <cstring>

#include "consume.hpp"
#include "status.hpp"
#include "trace.hpp"

namespace efa {
namespace {

/// Makes the next completion the current one. @returns 0, ENOENT or EINVAL
template <Rings kRings, RequestIds kIds>
[[gnu::always_inline]] inline int move_on(Cq& cq) {
  std::uint64_t word0;
  for (;;) {
    const std::uint64_t* entry = next_entry<kRings>(cq, word0);
    if (entry == nullptr) return ENOENT;
    ++cq.session_read;
    cq.entry[0] = word0;
    for (std::size_t i = 1; i < cqe::kWords; ++i) cq.entry[i] = load_device(entry + i);
    Qp* qp = qp_of(cq, word0);
    cq.opcode = cqe::kOpcodes[cqe::kind(word0)];
    std::uint64_t wr_id = 0;
    if (qp == nullptr || !(cq.opcode <= IBV_WC_RDMA_WRITE
                               ? take_send<kIds>(*qp, cq.entry, word0, wr_id)
                               : take_receive(*qp, word0, cq.opcode, wr_id))) [[unlikely]] {
      if (is_leftover(cq, word0)) continue;
      return EINVAL;
    }
    cq.verbs.cq_ex.wr_id = wr_id;
    cq.verbs.cq_ex.status = wc_status(cqe::status(word0));
    if (trace::completion_watched()) [[unlikely]] {
      trace::fire_completion(*qp, wr_id, cqe::status(word0), cq.opcode, word0, cq.entry[1]);
    }
    return 0;
  }
}

template <Threads kThreads>
void finish(Cq& cq) {
  if (cq.doorbell != nullptr && cq.session_read != 0) cq.report_read(cq.session_read);
  if constexpr (kThreads == Threads::kShared) cq.lock.unlock();
}

template <Threads kThreads, Rings kRings, RequestIds kIds>
int start_poll(ibv_cq_ex* base, ibv_poll_cq_attr* attr) {
  Cq& cq = Cq::of(base);
  if (attr->comp_mask != 0) [[unlikely]]
    return EINVAL;
  if constexpr (kThreads == Threads::kShared) cq.lock.lock();
  cq.session_read = 0;
  const int error = move_on<kRings, kIds>(cq);
  if (error != 0) finish<kThreads>(cq);  // there will be no ibv_end_poll
  return error;
}

template <Rings kRings, RequestIds kIds>
int next_poll(ibv_cq_ex* base) {
  return move_on<kRings, kIds>(Cq::of(base));
}

template <Threads kThreads>
void end_poll(ibv_cq_ex* base) {
  finish<kThreads>(Cq::of(base));
}

bool is_receive(const Cq& cq) {
  return cq.opcode & IBV_WC_RECV;
}

ibv_wc_opcode read_opcode(ibv_cq_ex* base) {
  return static_cast<ibv_wc_opcode>(Cq::of(base).opcode);
}

std::uint32_t read_vendor_err(ibv_cq_ex* base) {
  return cqe::status(Cq::of(base).entry[0]);
}

std::uint32_t read_byte_len(ibv_cq_ex* base) {
  const Cq& cq = Cq::of(base);
  if (!is_receive(cq)) return 0;
  std::uint32_t length = cqe::length(cq.entry[0]);
  if (cq.opcode == IBV_WC_RECV_RDMA_WITH_IMM) {
    length |= std::uint32_t{cqe::length_high(cq.entry[2])} << 16;
  }
  return length;
}

__be32 read_imm_data(ibv_cq_ex* base) {
  return __builtin_bswap32(cqe::immediate(Cq::of(base).entry[1]));
}

std::uint32_t read_qp_num(ibv_cq_ex* base) {
  return cqe::qp_number(Cq::of(base).entry[0]);
}
std::uint32_t read_src_qp(ibv_cq_ex* base) {
  return cqe::source_qp(Cq::of(base).entry[1]);
}
std::uint32_t read_slid(ibv_cq_ex* base) {
  return cqe::ah(Cq::of(base).entry[1]);
}
std::uint8_t read_sl(ibv_cq_ex*) {
  return 0;
}
std::uint8_t read_dlid_path_bits(ibv_cq_ex*) {
  return 0;
}

unsigned read_wc_flags(ibv_cq_ex* base) {
  return cqe::flags(Cq::of(base).entry[0]) & EFA_CDESC_COMMON_HAS_IMM_MASK ? IBV_WC_WITH_IMM : 0;
}

Cq& of(efadv_cq* dv) {
  return *reinterpret_cast<Cq*>(reinterpret_cast<std::uintptr_t>(dv) - offsetof(Cq, dv));
}

/// The device names senders that have no address handle here by their GID (V81).
int wc_read_sgid(efadv_cq* dv, ibv_gid* gid) {
  const Cq& cq = of(dv);
  if (cqe::ah(cq.entry[1]) != EFA_AH_INVALID) return -ENOENT;
  static_assert(sizeof(cq.entry) == offsetof(cqe::Wide, u.src_addr) + sizeof(gid->raw));
  std::memcpy(gid->raw, cq.entry + 2, sizeof(gid->raw));
  return 0;
}

bool wc_is_unsolicited(efadv_cq* dv) {
  return cqe::flags(of(dv).entry[0]) & EFA_CDESC_COMMON_UNSOLICITED_MASK;
}

template <Threads kThreads, Rings kRings, RequestIds kIds>
void choose(ibv_cq_ex& ex) {
  ex.start_poll = start_poll<kThreads, kRings, kIds>;
  ex.next_poll = next_poll<kRings, kIds>;
  ex.end_poll = end_poll<kThreads>;
}

template <Threads kThreads, Rings kRings>
void choose(Cq& cq) {
  cq.context().limits.wide_request_ids()
      ? choose<kThreads, kRings, RequestIds::kWide>(cq.verbs.cq_ex)
      : choose<kThreads, kRings, RequestIds::kSlots>(cq.verbs.cq_ex);
}

template <Threads kThreads>
void choose(Cq& cq) {
  cq.sub_cq_count == 1 ? choose<kThreads, Rings::kOne>(cq) : choose<kThreads, Rings::kSeveral>(cq);
}

}  // namespace

void choose_extended_poll(Cq& cq, std::uint64_t wc_flags, std::uint64_t efa_wc_flags) {
  ibv_cq_ex& ex = cq.verbs.cq_ex;
  cq.threads == Threads::kSingle ? choose<Threads::kSingle>(cq) : choose<Threads::kShared>(cq);
  ex.read_opcode = read_opcode;
  ex.read_vendor_err = read_vendor_err;
  ex.read_wc_flags = read_wc_flags;
  if (wc_flags & IBV_WC_EX_WITH_BYTE_LEN) ex.read_byte_len = read_byte_len;
  if (wc_flags & IBV_WC_EX_WITH_IMM) ex.read_imm_data = read_imm_data;
  if (wc_flags & IBV_WC_EX_WITH_QP_NUM) ex.read_qp_num = read_qp_num;
  if (wc_flags & IBV_WC_EX_WITH_SRC_QP) ex.read_src_qp = read_src_qp;
  if (wc_flags & IBV_WC_EX_WITH_SLID) ex.read_slid = read_slid;
  if (wc_flags & IBV_WC_EX_WITH_SL) ex.read_sl = read_sl;
  if (wc_flags & IBV_WC_EX_WITH_DLID_PATH_BITS) ex.read_dlid_path_bits = read_dlid_path_bits;
  if (efa_wc_flags & EFADV_WC_EX_WITH_SGID) cq.dv.wc_read_sgid = wc_read_sgid;
  if (efa_wc_flags & EFADV_WC_EX_WITH_IS_UNSOLICITED) cq.dv.wc_is_unsolicited = wc_is_unsolicited;
}

}  // namespace efa
