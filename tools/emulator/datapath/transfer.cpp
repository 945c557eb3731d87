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
std::byte* contiguous_target(const Buffer& buffer) noexcept {
  if (buffer.segments.size() != 1) return nullptr;
  return buffer.space->map(buffer.segments[0].addr, buffer.length);
}
const std::byte* contiguous_source(const Buffer& buffer) noexcept {
  if (buffer.bytes != nullptr) return buffer.bytes;
  if (buffer.segments.size() != 1) return nullptr;
  return buffer.space->map_for_reading(buffer.segments[0].addr, buffer.length);
}

/// Bytes become visible in ascending order, which devices with data_polling_128 promise within
/// 128-byte blocks (I10) and memcpy() does not.
void copy_ascending(std::byte* to, const std::byte* from, std::uint64_t length) noexcept {
  constexpr std::uint64_t word_size = sizeof(std::uint64_t);
  const auto byte = [&] {
    __atomic_store_n(reinterpret_cast<std::uint8_t*>(to++), static_cast<std::uint8_t>(*from++),
                     __ATOMIC_RELEASE);
    --length;
  };
  while (length != 0 && reinterpret_cast<std::uintptr_t>(to) % word_size != 0) byte();
  for (; length >= word_size; length -= word_size, to += word_size, from += word_size) {
    std::uint64_t word;
    std::memcpy(&word, from, word_size);
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(to), word, __ATOMIC_RELEASE);
  }
  while (length != 0) byte();
}

/// Writes `source` to all of `to`, directly where that is mapped.
bool place(const Buffer& to, const std::byte* source) noexcept {
  for (std::size_t i = 0; i < to.segments.size(); ++i) {
    const DmaSegment& segment = to.segments[i];
    if (segment.length == 0) continue;
    std::byte* target = to.space->map(segment.addr, segment.length);
    if (target == nullptr) return to.space->scatter(to.segments.subspan(i), source);
    copy_ascending(target, source, segment.length);
    source += segment.length;
  }
  return true;
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
  const std::byte* source = contiguous_source(from);
  // A host that sends to itself may name overlapping buffers.
  const bool apart = from.bytes != nullptr || from.space != to.space;
  if (source != nullptr && apart)
    return place(to, source) ? CopyResult::kDone : CopyResult::kTargetFault;
  std::byte* target = contiguous_target(to);
  if (source != nullptr && target != nullptr) {
    std::memmove(target, source, from.length);
    return CopyResult::kDone;
  }
  if (target != nullptr && apart)
    return from.space->gather(from.segments, target) ? CopyResult::kDone : CopyResult::kSourceFault;
  return through_bounce(from, to);
}

CopyResult Transfer::through_bounce(const Buffer& from, const Buffer& to) {
  if (bounce_.empty()) bounce_.resize(kBounceBytes);
  if (from.length <= kBounceBytes) {
    if (!from.space->gather(from.segments, bounce_.data())) return CopyResult::kSourceFault;
    return place(to, bounce_.data()) ? CopyResult::kDone : CopyResult::kTargetFault;
  }
  SegmentCursor source(from.segments);
  SegmentCursor target(to.segments);
  for (std::uint64_t left = from.length; left != 0;) {
    const std::uint64_t step = std::min<std::uint64_t>(left, kBounceBytes);
    source.take(step, from_part_);
    target.take(step, to_part_);
    if (!from.space->gather(from_part_, bounce_.data())) return CopyResult::kSourceFault;
    if (!place({to.space, to_part_, nullptr, step}, bounce_.data()))
      return CopyResult::kTargetFault;
    left -= step;
  }
  return CopyResult::kDone;
}

}  // namespace efa::emu
