// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Taking the next completion from a queue: what ibv_poll_cq and ibv_start_poll have in common.
#pragma once

#include "cq.hpp"

namespace efa {

/// The queue pair that a completion names, or null. Acquires what its creation wrote.
[[gnu::always_inline]] inline Qp* qp_of(const Cq& cq, std::uint64_t word0) {
  return __atomic_load_n(cq.qps + cqe::qp_number(word0), __ATOMIC_ACQUIRE);
}

/// How many rings a completion queue has is fixed by the device.
enum class Rings { kOne, kSeveral };

/// @returns whether there is an unread entry at `next`; then `word0` is its first word
[[gnu::always_inline]] inline bool is_new(const std::uint64_t* next, std::uint64_t phase,
                                          std::uint64_t& word0) {
  word0 = load_device(next);
  if ((word0 ^ phase) & kPhase) return false;
  barrier_phase_before_cqe();
  return true;
}

/// @returns the entry after `entry`; begins a new lap of the ring where it ends
[[gnu::always_inline]] inline const std::uint64_t* after(SubCq& ring, const std::uint64_t* entry) {
  entry += cqe::kWords;
  if (entry != ring.end) [[likely]]
    return entry;
  ring.phase ^= kPhase;
  return ring.begin;
}

/// Looks at all rings, beginning after the one that was served last (V71).
[[gnu::noinline]] const std::uint64_t* next_of_several(Cq& cq, std::uint64_t& word0);

/// Takes the next entry out of the queue; it stays readable until the device comes round again.
/// @returns null if there is none
template <Rings kRings>
[[gnu::always_inline]] inline const std::uint64_t* next_entry(Cq& cq, std::uint64_t& word0) {
  if constexpr (kRings == Rings::kSeveral) return next_of_several(cq, word0);
  const std::uint64_t* entry = cq.first.next;
  if (!is_new(entry, cq.first.phase, word0)) return nullptr;
  cq.first.next = after(cq.first, entry);
  return entry;
}

/// Finds the request that a send completion is for, and frees its slot. All queue pairs of a device
/// have the same kind of request ids. @returns false if there is no such request in flight
template <RequestIds kIds>
[[gnu::always_inline]] inline bool take_send(Qp& qp, const std::uint64_t* entry,
                                             std::uint64_t word0, std::uint64_t& wr_id) {
  if constexpr (kIds == RequestIds::kSlots) {
    return qp.sq.work.complete(cqe::request_id(word0), wr_id);
  } else {
    wr_id = cqe::wide_request_id(word0, load_device(entry + 1));
    return qp.sq.work.complete_counted();
  }
}

/// The same for what is not a send: a receive, or nonsense.
[[gnu::always_inline]] inline bool take_receive(Qp& qp, std::uint64_t word0, std::uint8_t opcode,
                                                std::uint64_t& wr_id) {
  if (opcode == cqe::kInvalid) [[unlikely]]
    return false;
  // An unsolicited one used no receive request (V82).
  if (cqe::flags(word0) & EFA_CDESC_COMMON_UNSOLICITED_MASK) [[unlikely]]
    return true;
  return qp.rq.work.complete(cqe::request_id(word0), wr_id);
}
static_assert(IBV_WC_SEND == 0 && IBV_WC_RDMA_WRITE == 1, "opcodes of sends are the smallest");

/// For an entry that belongs to no request in flight: whether the user need not know. Logs if not.
[[gnu::cold, gnu::noinline]] bool is_leftover(Cq& cq, std::uint64_t word0);

}  // namespace efa
