// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Taking the next completion from a queue: what ibv_poll_cq and ibv_start_poll have in common.
#pragma once

#include "cq.hpp"

namespace efa {

/// How many rings a completion queue has is fixed by the device.
enum class Rings { kOne, kSeveral };

/// @returns the oldest unread entry of `ring` and its first word, or null
[[gnu::always_inline]] inline const std::uint64_t* peek(const Cq& cq, const SubCq& ring,
                                                        std::uint64_t& word0) {
  const std::uint64_t* entry = ring.ring + std::size_t{ring.consumed & cq.mask} * cqe::kWords;
  word0 = load_device(entry);
  if ((cqe::flags(word0) ^ ring.phase) & EFA_CDESC_COMMON_PHASE_MASK) return nullptr;
  barrier_phase_before_cqe();
  return entry;
}

inline void advance(Cq& cq, SubCq& ring) {
  ++cq.consumed;
  if ((++ring.consumed & cq.mask) == 0) ring.phase ^= EFA_CDESC_COMMON_PHASE_MASK;
}

/// Looks at all rings, beginning after the one that was served last.
[[gnu::noinline]] const std::uint64_t* next_of_several(Cq& cq, std::uint64_t& word0);

/// Takes the next entry out of the queue; it stays readable until the device comes round again.
template <Rings kRings>
[[gnu::always_inline]] inline const std::uint64_t* next_entry(Cq& cq, std::uint64_t& word0) {
  if constexpr (kRings == Rings::kSeveral) return next_of_several(cq, word0);
  const std::uint64_t* entry = peek(cq, cq.first, word0);
  if (entry != nullptr) advance(cq, cq.first);
  return entry;
}

enum class Taken { kCompletion, kNothing, kError };

/// For an entry that belongs to no request in flight: whether the user need not know. Logs if not.
[[gnu::cold, gnu::noinline]] bool is_leftover(Cq& cq, std::uint64_t word0);

inline Taken take_stray(Cq& cq, std::uint64_t word0) {
  return is_leftover(cq, word0) ? Taken::kNothing : Taken::kError;
}

/// A send completion that carries the user's wr_id itself.
inline bool complete_wide(Qp& qp, const std::uint64_t* entry, std::uint64_t word0,
                          std::uint64_t& wr_id) {
  wr_id = cqe::wide_request_id(word0, load_device(entry + 1));
  return qp.sq.work.complete_counted();
}

/// Finds the request that an entry completes, and frees its slot.
/// @param opcode  out: as in ibv_wc
[[gnu::always_inline]] inline Taken take(Cq& cq, const std::uint64_t* entry, std::uint64_t word0,
                                         Qp*& qp, std::uint64_t& wr_id, std::uint8_t& opcode) {
  const std::uint8_t flags = cqe::flags(word0);
  wr_id = 0;
  opcode = cqe::kOpcodes[flags];
  qp = load_device(cq.qps + cqe::qp_number(word0));
  if (qp == nullptr) [[unlikely]]
    return take_stray(cq, word0);
  if (opcode & IBV_WC_RECV) {
    if (flags & EFA_CDESC_COMMON_UNSOLICITED_MASK) [[unlikely]] {
      return Taken::kCompletion;  // no receive request was used (V82)
    }
    if (!qp->rq.work.complete(cqe::request_id(word0), wr_id)) [[unlikely]] {
      return take_stray(cq, word0);
    }
    return Taken::kCompletion;
  }
  if (opcode == cqe::kInvalid) [[unlikely]]
    return take_stray(cq, word0);
  const bool found = qp->ids == RequestIds::kWide
                         ? complete_wide(*qp, entry, word0, wr_id)
                         : qp->sq.work.complete(cqe::request_id(word0), wr_id);
  if (!found) [[unlikely]]
    return take_stray(cq, word0);
  return Taken::kCompletion;
}

}  // namespace efa
