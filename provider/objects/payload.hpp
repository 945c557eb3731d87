// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Buffers of an application on their way into a work request: one, or a few.
#pragma once

#include <infiniband/verbs.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "objects/mr.hpp"

namespace efa::fi {

inline ibv_sge segment(const void* address, size_t length, const rdm::Region* region) {
  return {reinterpret_cast<uint64_t>(address), static_cast<uint32_t>(length),
          region ? region->lkey : 0};
}

/// A buffer with the registration that describes it, or null.
struct OneBuffer {
  const void* address;
  size_t bytes;
  const rdm::Region* region;

  size_t length() const { return bytes; }
  /// Whether the processor may read it.
  bool on_host() const { return !region || region->memory == rdm::MemoryType::kHost; }
  /// Whether the device may read or write it.
  bool registered() const { return region != nullptr; }
  int segments(ibv_sge* to) const {
    *to = segment(address, bytes, region);
    return 1;
  }
  void copy_to(void* to) const { std::memcpy(to, address, bytes); }
  void put_inline(ibv_qp_ex* qp) const {
    ibv_wr_set_inline_data(qp, const_cast<void*>(address), bytes);
  }
  void put_segments(ibv_qp_ex* qp) const {
    ibv_wr_set_sge(qp, region->lkey, reinterpret_cast<uint64_t>(address),
                   static_cast<uint32_t>(bytes));
  }
};

/// As many as a work request takes; who makes it checks the count.
class Buffers {
 public:
  static constexpr size_t kMost = 8;

  /// @param descriptors  null: none of them is registered
  Buffers(const iovec* pieces, void** descriptors, size_t count) {
    for (size_t i = 0; i < count && i < kMost; ++i)
      append(pieces[i].iov_base, pieces[i].iov_len, descriptors ? descriptors[i] : nullptr);
  }

  size_t length() const { return length_; }
  bool on_host() const { return on_host_; }
  bool registered() const { return registered_; }
  int segments(ibv_sge* to) const {
    for (int i = 0; i < count_; ++i) to[i] = segments_[i];
    return count_;
  }
  void copy_to(void* to) const {
    auto* end = static_cast<std::byte*>(to);
    for (int i = 0; i < count_; end += segments_[i++].length)
      std::memcpy(end, reinterpret_cast<const void*>(segments_[i].addr), segments_[i].length);
  }
  void put_inline(ibv_qp_ex* qp) const {
    ibv_data_buf pieces[kMost];
    for (int i = 0; i < count_; ++i)
      pieces[i] = {reinterpret_cast<void*>(segments_[i].addr), segments_[i].length};
    ibv_wr_set_inline_data_list(qp, static_cast<size_t>(count_), pieces);
  }
  void put_segments(ibv_qp_ex* qp) const {
    ibv_wr_set_sge_list(qp, static_cast<size_t>(count_), segments_);
  }

 private:
  void append(const void* address, size_t bytes, void* descriptor) {
    const rdm::Region* region = region_of(descriptor);
    length_ += bytes;
    on_host_ = on_host_ && (!region || region->memory == rdm::MemoryType::kHost);
    registered_ = registered_ && region;
    segments_[count_++] = segment(address, bytes, region);
  }

  ibv_sge segments_[kMost];
  int count_ = 0;
  size_t length_ = 0;
  bool on_host_ = true;
  bool registered_ = true;
};

/// use(payload), for the commonest count with the shorter code.
template <class Use>
[[gnu::always_inline]] inline auto with_pieces(const iovec* pieces, void** descriptors,
                                               size_t count, Use&& use) {
  if (count == 1) [[likely]]
    return use(OneBuffer{pieces->iov_base, pieces->iov_len,
                         descriptors ? region_of(*descriptors) : nullptr});
  return use(Buffers(pieces, descriptors, count));
}

}  // namespace efa::fi
