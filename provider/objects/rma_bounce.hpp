// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Registered memory of a direct endpoint: for RMA of nothing, for which the device wants a segment
/// all the same, and for fi_inject_write(), as RDMA requests have no inline data.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace efa::fi {

class RmaBounce {
 public:
  RmaBounce() = default;
  ~RmaBounce() { close(); }
  RmaBounce(const RmaBounce&) = delete;
  RmaBounce& operator=(const RmaBounce&) = delete;

  /// Slots of `size` bytes. 0 or a negative errno.
  int open(ibv_pd* pd, size_t size);
  void close();

  uint32_t lkey() const { return mr_->lkey; }
  uint64_t address(uint32_t slot) const {
    return reinterpret_cast<uint64_t>(memory_) + slot * size_;
  }

  /// A slot for one write; 0: none is free. @param silent  its success is not reported
  uint32_t acquire(void* context, bool silent) {
    if (free_.empty()) return 0;
    const uint32_t slot = free_.back();
    free_.pop_back();
    uses_[slot] = {context, silent};
    return slot;
  }
  /// The id of a write from this slot: no pointer is that small.
  static uint64_t id(uint32_t slot) { return uint64_t{slot} << 1 | 1; }
  static bool is_slot(uint64_t id) { return (id >> 1) - 1 < kSlots; }

  struct Use {
    void* context = nullptr;
    bool silent = true;
  };
  /// Gives back the slot of a write with this id, which is_slot(). @returns what it was for
  Use release(uint64_t id) {
    const auto slot = static_cast<uint32_t>(id >> 1);
    free_.push_back(slot);
    return uses_[slot];
  }

 private:
  static constexpr uint32_t kSlots = 255;  ///< numbers 1 to 255; 0 is for nothing

  void* memory_ = nullptr;
  size_t bytes_ = 0;
  size_t size_ = 0;
  ibv_mr* mr_ = nullptr;
  std::vector<uint32_t> free_;  ///< never grows after open()
  std::vector<Use> uses_;
};

}  // namespace efa::fi
