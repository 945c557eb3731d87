// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Operations in flight, by the 32-bit ids that peers echo (spec efa-rdm-protocol 6.2, 18 R10).
//
// A peer may send back any id, also one of an operation that ended long ago: ids carry a generation
// above the slot's number, and are looked up with both. Operations are made once, in blocks, and
// used again; so none moves, and a steady flow allocates nothing.
#ifndef EFA_PROVIDER_RDM_OP_POOL_HPP
#define EFA_PROVIDER_RDM_OP_POOL_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace efa::rdm {

using OpId = std::uint32_t;

// T has a member `OpId id` and is default-constructible; who takes one sets all of its members.
template <class T>
class OpPool {
 public:
  // Most operations at once; what is left of an id is its generation.
  static constexpr std::uint32_t kSlotBits = 20;
  static constexpr std::size_t kMaxSlots = std::size_t{1} << kSlotBits;

  // An operation with a new id. @returns null when there are kMaxSlots of them
  T* take() {
    if (free_count_ == 0 && !add_block()) return nullptr;
    T* op = free_[--free_count_];
    ++live_;
    op->id ^= kDead;
    return op;
  }

  // Ends a living operation: its id is never found again.
  void give(T& op) {
    op.id = (op.id + (1U << kSlotBits)) ^ kDead;
    free_[free_count_++] = &op;
    --live_;
  }

  // The living operation with this id, else null. Any number may be asked for.
  T* find(OpId id) const {
    const std::size_t slot = id & (kMaxSlots - 1);
    if (slot >= blocks_.size() * kBlock) return nullptr;
    T& op = blocks_[slot / kBlock][slot % kBlock];
    return op.id == id ? &op : nullptr;
  }

  std::size_t size() const { return live_; }

  // Calls VISIT for every living operation.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::size_t slot = 0; slot < blocks_.size() * kBlock; ++slot) {
      T& op = blocks_[slot / kBlock][slot % kBlock];
      if ((op.id & (kMaxSlots - 1)) == slot) visit(op);
    }
  }

 private:
  static constexpr std::size_t kBlock = 64;
  // In the id of one that is not alive: its slot's number is then another one's.
  static constexpr OpId kDead = kMaxSlots >> 1;

  [[gnu::noinline, gnu::cold]] bool add_block() {
    const std::size_t first = blocks_.size() * kBlock;
    if (first == kMaxSlots / 2) return false;
    blocks_.push_back(std::make_unique<T[]>(kBlock));
    free_.resize(first + kBlock);  // room for all of them
    for (std::size_t i = kBlock; i-- > 0;) {
      blocks_.back()[i].id = static_cast<OpId>(first + i) ^ kDead;
      free_[free_count_++] = &blocks_.back()[i];
    }
    return true;
  }

  std::vector<std::unique_ptr<T[]>> blocks_;
  std::vector<T*> free_;  // the first free_count_ are
  std::size_t free_count_ = 0;
  std::size_t live_ = 0;
};

}  // namespace efa::rdm

#endif
