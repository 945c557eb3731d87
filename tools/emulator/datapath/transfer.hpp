// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Moves payload between two hosts' memories: one copy when either side is mapped here, two
/// (through a cache-sized bounce buffer) when neither is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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

 private:
  CopyResult through_bounce(const Buffer& from, const Buffer& to);

  std::vector<std::byte> bounce_;
  std::vector<DmaSegment> from_part_;
  std::vector<DmaSegment> to_part_;
};

/// Walks over segments and cuts off runs of a wanted length.
class SegmentCursor {
 public:
  explicit SegmentCursor(std::span<const DmaSegment> segments) : segments_(segments) {}

  /// Replaces `out` by the next `bytes` bytes. Precondition: that many are left.
  void take(std::uint64_t bytes, std::vector<DmaSegment>& out);

 private:
  std::span<const DmaSegment> segments_;
  std::size_t index_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace efa::emu
