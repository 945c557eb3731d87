// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Operations in flight, by the 32-bit ids that peers echo (spec efa-rdm-protocol 6.2, 18 R10).
//
// A peer may send back any id, also one of an operation that ended long ago: ids carry a generation
// above the slot's number, and are looked up with both. Slots are reused oldest first, which keeps
// generations from coming round soon.
#ifndef EFA_PROVIDER_RDM_OP_TABLE_HPP
#define EFA_PROVIDER_RDM_OP_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace efa::rdm {

using OpId = std::uint32_t;

template <class T>
class OpTable {
 public:
  // Most operations at once; what is left of an id is its generation.
  static constexpr std::uint32_t kSlotBits = 20;
  static constexpr std::size_t kMaxSlots = std::size_t{1} << kSlotBits;

  // The id of a new operation, made from the arguments. There may be kMaxSlots of them.
  // @returns null when there are
  template <class... Arguments>
  T* create(OpId& id, Arguments&&... arguments) {
    std::uint32_t slot;
    if (free_count_ > kReserve || slots_.size() == kMaxSlots) {
      if (free_count_ == 0) return nullptr;
      slot = first_free_;
      first_free_ = slots_[slot].next_free;
      --free_count_;
    } else {
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    }
    Slot& place = slots_[slot];
    place.value = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    id = place.generation << kSlotBits | slot;
    ++live_;
    return place.value.get();
  }

  // The operation with this id if it is alive, else null. Any number may be asked for.
  T* find(OpId id) const {
    const std::uint32_t slot = id & (kMaxSlots - 1);
    if (slot >= slots_.size() || slots_[slot].generation != id >> kSlotBits) return nullptr;
    return slots_[slot].value.get();
  }

  // Ends an operation that is alive.
  void destroy(OpId id) {
    const std::uint32_t slot = id & (kMaxSlots - 1);
    Slot& place = slots_[slot];
    place.value.reset();
    place.generation = (place.generation + 1) & kGenerationMask;
    place.next_free = 0;
    if (free_count_++ == 0) {
      first_free_ = slot;
    } else {
      slots_[last_free_].next_free = slot;
    }
    last_free_ = slot;
    --live_;
  }

  std::size_t size() const { return live_; }

 private:
  static constexpr std::uint32_t kGenerationMask = (std::uint32_t{1} << (32 - kSlotBits)) - 1;
  // Ended operations that rest before their slots are used again.
  static constexpr std::size_t kReserve = 256;

  struct Slot {
    std::unique_ptr<T> value;
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
  };

  std::vector<Slot> slots_;
  std::size_t live_ = 0;
  std::size_t free_count_ = 0;
  std::uint32_t first_free_ = 0;
  std::uint32_t last_free_ = 0;
};

}  // namespace efa::rdm

#endif
