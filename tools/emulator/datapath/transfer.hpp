// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Moves payload between two hosts' memories: one copy when either side is mapped here, two
/// (through a bounce buffer) when neither is. Two threads share the long ones of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datapath/copy_helper.hpp"
#include "device/dma_space.hpp"

namespace efa::emu {

/// One side of a transfer: segments of a DMA space, or plain bytes of this process.
struct Buffer {
  DmaSpace* space = nullptr;
  std::span<const DmaSegment> segments;
  const std::byte* bytes = nullptr;  ///< used instead of the segments when not null (source only)
  std::uint64_t length = 0;
};

enum class CopyResult { kDone, kSourceFault, kTargetFault };

class Transfer {
 public:
  /// Copies `from.length` bytes; the target has room for them. A fault may leave earlier bytes
  /// copied, as a real device would.
  CopyResult copy(const Buffer& from, const Buffer& to);

  /// Lets `helper` take part in long copies; nullptr: none does. The DMA spaces must then allow
  /// gather(), scatter() and map() in two threads at once.
  void share_with(CopyHelper* helper) noexcept { helper_ = helper; }

 private:
  static bool copy_pieces(const Buffer& from, const Buffer& to) noexcept;
  CopyResult through_bounce(const Buffer& from, const Buffer& to);
  CopyResult alone(const Buffer& from, const Buffer& to);
  CopyResult shared(const Buffer& from, const Buffer& to);
  static CopyResult move_part(const Buffer& from, const Buffer& to, std::uint64_t offset,
                              std::uint64_t length);

  CopyHelper* helper_ = nullptr;
  std::vector<CopyResult> results_;  ///< of the parts of a shared copy
};

/// Walks over segments and cuts off runs of a wanted length.
class SegmentCursor {
 public:
  explicit SegmentCursor(std::span<const DmaSegment> segments) : segments_(segments) {}

  /// Replaces `out` by the next `bytes` bytes. Precondition: that many are left.
  void take(std::uint64_t bytes, std::vector<DmaSegment>& out);
  /// Passes over the next `bytes` bytes, under the same condition.
  void skip(std::uint64_t bytes);

 private:
  std::span<const DmaSegment> segments_;
  std::size_t index_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace efa::emu
