// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/transfer.hpp"

#include <algorithm>
#include <cstring>

namespace efa::emu {

namespace {

// As long as a slice: every system call less counts for more than a warmer cache
// (docs/benchmarks.md).
constexpr std::size_t kBounceBytes = 1 << 20;

/// The whole of a buffer of a DMA space as one pointer, if it is one mapped run.
std::byte* contiguous(const Buffer& buffer) noexcept {
  if (buffer.segments.size() != 1) return nullptr;
  return buffer.space->map(buffer.segments[0].addr, buffer.length);
}

}  // namespace

void SegmentCursor::take(std::uint64_t bytes, std::vector<DmaSegment>& out) {
  out.clear();
  while (bytes != 0) {
    const DmaSegment& segment = segments_[index_];
    const std::uint64_t step = std::min(bytes, segment.length - offset_);
    if (step != 0) out.push_back({segment.addr + offset_, step});
    offset_ += step;
    bytes -= step;
    if (offset_ == segment.length) {
      ++index_;
      offset_ = 0;
    }
  }
}

CopyResult Transfer::copy(const Buffer& from, const Buffer& to) {
  if (from.length == 0) return CopyResult::kDone;
  const std::byte* source = from.bytes != nullptr ? from.bytes : contiguous(from);
  std::byte* target = contiguous(to);
  if (source != nullptr && target != nullptr) {
    std::memmove(target, source, from.length);
    return CopyResult::kDone;
  }
  // A host that sends to itself may name overlapping buffers.
  const bool apart = from.bytes != nullptr || from.space != to.space;
  if (source != nullptr && apart)
    return to.space->scatter(to.segments, source) ? CopyResult::kDone : CopyResult::kTargetFault;
  if (target != nullptr && apart)
    return from.space->gather(from.segments, target) ? CopyResult::kDone : CopyResult::kSourceFault;
  return through_bounce(from, to);
}

CopyResult Transfer::through_bounce(const Buffer& from, const Buffer& to) {
  if (bounce_.empty()) bounce_.resize(kBounceBytes);
  if (from.length <= kBounceBytes) {
    if (!from.space->gather(from.segments, bounce_.data())) return CopyResult::kSourceFault;
    return to.space->scatter(to.segments, bounce_.data()) ? CopyResult::kDone
                                                          : CopyResult::kTargetFault;
  }
  SegmentCursor source(from.segments);
  SegmentCursor target(to.segments);
  for (std::uint64_t left = from.length; left != 0;) {
    const std::uint64_t step = std::min<std::uint64_t>(left, kBounceBytes);
    source.take(step, from_part_);
    target.take(step, to_part_);
    if (!from.space->gather(from_part_, bounce_.data())) return CopyResult::kSourceFault;
    if (!to.space->scatter(to_part_, bounce_.data())) return CopyResult::kTargetFault;
    left -= step;
  }
  return CopyResult::kDone;
}

}  // namespace efa::emu
