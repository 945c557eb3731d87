// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Requests in flight on a send or receive queue.
///
/// The device answers out of order and names requests by 16-bit ids. An id is the number of a slot
/// that remembers the user's wr_id, and above it bits of a generation, which tell completions of a
/// former owner of the queue pair's number (V106).
///
/// Free slots wait in a ring. Posting takes its next entry and completion puts one in at its end,
/// so the two need no common lock: one thread posts at a time (the queue's lock), one completes at
/// a time (the lock of the completion queue), and each of them writes only its own count. Undoing
/// posts that were never announced is stepping back.
#pragma once

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "object.hpp"

namespace efa {

inline constexpr std::size_t kCacheLine = 64;

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each side has cache lines of its own
class WorkQueue {
 public:
  /// @param requests  how many may be in flight, 0 to 32768
  /// @returns 0 or ENOMEM
  int allocate(std::uint32_t requests) {
    const std::uint32_t slots = std::bit_ceil(requests);
    wr_ids_ = make_array<std::uint64_t>(slots);
    free_slots_ = make_array<std::uint32_t>(slots);
    if (wr_ids_ == nullptr || free_slots_ == nullptr) return ENOMEM;
    mask_ = slots - 1;
    requests_ = requests;
    reset();
    return 0;
  }

  /// Forgets all requests; their late completions will not be taken for those of new ones.
  /// @note no thread may post or complete meanwhile
  void restart(std::uint16_t generation) {
    former_generation_ = generation_;
    generation_ = id_bits(generation);
    reset();
  }

  void set_first_generation(std::uint16_t generation) {
    former_generation_ = generation_ = id_bits(generation);
  }

  /// Whether posting is possible in the queue pair's state; the hot path only sees a full queue.
  void set_open(bool open) {
    open_ = open;
    end_ = posted_;
  }

  // Posting. `posted` is the caller's copy of the count, so that it can live in a register.

  std::uint32_t posted() const { return posted_; }
  /// Of requests that are only counted, to be called before the device is told of them.
  void set_posted(std::uint32_t posted) { __atomic_store_n(&posted_, posted, __ATOMIC_RELAXED); }

  /// Whether the request number `posted` surely fits; if not, `look_for_room` knows.
  bool has_room(std::uint32_t posted) const { return posted != end_; }

  /// How many surely fit from request number `posted` on.
  std::uint32_t room(std::uint32_t posted) const { return end_ - posted; }

  /// Asks the completing side how far it is. Looked at no more often than needed, because its cache
  /// line belongs to another core. @returns 0, ENOMEM (full) or EINVAL (wrong state)
  int look_for_room(std::uint32_t posted) {
    if (posted != end_) return 0;
    if (!open_) return EINVAL;
    end_ = completed_.load(std::memory_order_acquire) + requests_;
    return posted == end_ ? ENOMEM : 0;
  }

  /// @param place  of the request in the ring: its number & mask()
  /// @returns the slot that remembers `wr_id`; with the generation it is the request id
  std::uint32_t remember(std::uint32_t place, std::uint64_t wr_id) {
    const std::uint32_t slot = __atomic_load_n(&free_slots_[place], __ATOMIC_RELAXED);
    __atomic_store_n(&wr_ids_[slot], wr_id, __ATOMIC_RELAXED);
    return slot;
  }

  std::uint32_t generation() const { return generation_; }
  std::uint32_t mask() const { return mask_; }

  // Completing.

  /// @returns whether `request_id` is one of this queue; then `wr_id` is the user's
  bool complete(std::uint16_t request_id, std::uint64_t& wr_id) {
    const std::uint32_t slot = std::uint32_t{request_id} ^ generation_;
    if (slot > mask_) [[unlikely]]
      return false;
    wr_id = __atomic_load_n(&wr_ids_[slot], __ATOMIC_RELAXED);
    const std::uint32_t completed = completed_.load(std::memory_order_relaxed);
    __atomic_store_n(&free_slots_[completed & mask_], slot, __ATOMIC_RELAXED);
    completed_.store(completed + 1, std::memory_order_release);
    return true;
  }

  /// For queues whose request ids are the users' own: only counts.
  /// @returns whether anything was in flight
  bool complete_counted() {
    const std::uint32_t completed = completed_.load(std::memory_order_relaxed);
    if (completed == __atomic_load_n(&posted_, __ATOMIC_RELAXED)) return false;
    completed_.store(completed + 1, std::memory_order_release);
    return true;
  }

  /// Whether `request_id` was given out before the last restart.
  bool is_from_before_restart(std::uint16_t request_id) const {
    return (request_id ^ former_generation_) <= mask_;
  }

 private:
  /// The bits of `generation` that fit above the slot number.
  std::uint16_t id_bits(std::uint16_t generation) const {
    return static_cast<std::uint16_t>(generation * (mask_ + 1));
  }

  void reset() {
    for (std::uint32_t slot = 0; slot <= mask_; ++slot) {
      free_slots_[slot] = slot;
    }
    completed_.store(0);
    posted_ = end_ = 0;
  }

  Array<std::uint64_t> wr_ids_;
  Array<std::uint32_t> free_slots_;
  std::uint32_t mask_ = 0;
  std::uint32_t generation_ = 0;  // its bits within a request id
  std::uint32_t former_generation_ = 0;
  std::uint32_t requests_ = 0;
  bool open_ = false;
  // The posting side's.
  alignas(kCacheLine) std::uint32_t posted_ = 0;
  std::uint32_t end_ = 0;  // posted_ may come up to here without another look
  // The completing side's.
  alignas(kCacheLine) std::atomic<std::uint32_t> completed_{0};
};

}  // namespace efa
