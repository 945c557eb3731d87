// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/transfer.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

namespace efa::emu {

namespace {

// As long as a slice: every system call less counts for more than a warmer cache
// (docs/benchmarks.md).
constexpr std::size_t kBounceBytes = 1 << 20;
// Two threads: pieces small enough for both to end at about the same time. Shorter transfers end
// before a second thread would be awake.
constexpr std::uint64_t kPartBytes = 128 << 10;
constexpr std::uint64_t kShortestShared = 512 << 10;
// Unit of promised ascending order (I10, F11): no two threads write to the same one.
constexpr std::uint64_t kOrderedBlock = 128;

/// What a thread needs to move bytes between others' memories: one for all devices.
struct Scratch {
  std::vector<std::byte> bounce;
  std::vector<DmaSegment> from_part;
  std::vector<DmaSegment> to_part;

  std::byte* room_for(std::size_t bytes) {
    if (bounce.size() < bytes) bounce = std::vector<std::byte>(std::bit_ceil(bytes));
    return bounce.data();
  }
};
thread_local Scratch scratch;

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

/// True if no byte is certainly or possibly named on both sides.
bool disjoint(const Buffer& from, const Buffer& to) noexcept {
  constexpr std::size_t kComparisons = 1024;
  if (from.space != to.space) return true;
  if (from.segments.size() * to.segments.size() > kComparisons) return false;
  for (const DmaSegment& source : from.segments)
    for (const DmaSegment& target : to.segments)
      if (source.addr < target.addr + target.length && target.addr < source.addr + source.length)
        return false;
  return true;
}

/// True if copying to or from the buffer takes system calls.
bool unmapped(const Buffer& buffer) noexcept {
  return std::ranges::all_of(buffer.segments, [&](const DmaSegment& segment) {
    return buffer.space->map_for_reading(segment.addr, segment.length) == nullptr;
  });
}

std::byte* alias_of(const Buffer& buffer) noexcept {
  if (buffer.segments.size() != 1) return nullptr;
  return buffer.space->alias(buffer.segments[0].addr, buffer.length);
}

/// One system call where one side is shared memory. False if neither is, or if it failed: the other
/// way then finds out which side was the reason.
bool by_alias(const Buffer& from, const Buffer& to) noexcept {
  if (const std::byte* source = alias_of(from); source != nullptr && unmapped(to))
    return to.space->scatter(to.segments, source);
  if (std::byte* target = alias_of(to); target != nullptr && unmapped(from))
    return from.space->gather(from.segments, target);
  return false;
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
  const bool apart = from.bytes != nullptr || disjoint(from, to);
  if (source != nullptr && apart)
    return place(to, source) ? CopyResult::kDone : CopyResult::kTargetFault;
  std::byte* target = contiguous_target(to);
  if (source != nullptr && target != nullptr) {
    std::memmove(target, source, from.length);
    return CopyResult::kDone;
  }
  if (target != nullptr && apart)
    return from.space->gather(from.segments, target) ? CopyResult::kDone : CopyResult::kSourceFault;
  if (apart && by_alias(from, to)) return CopyResult::kDone;
  if (apart && copy_pieces(from, to)) return CopyResult::kDone;
  return through_bounce(from, to);
}

/// One copy between scattered pages of two guests. False when something is not mapped here, or a
/// fault: then it is not known how much was copied.
bool Transfer::copy_pieces(const Buffer& from, const Buffer& to) noexcept {
  std::size_t target_index = 0;
  std::uint64_t target_offset = 0;
  for (const DmaSegment& source : from.segments) {
    for (std::uint64_t done = 0; done < source.length;) {
      const DmaSegment& target = to.segments[target_index];
      const std::uint64_t step = std::min(source.length - done, target.length - target_offset);
      if (step != 0) {
        const std::byte* in = from.space->map_for_reading(source.addr + done, step);
        std::byte* out = in != nullptr ? to.space->map(target.addr + target_offset, step) : nullptr;
        if (out == nullptr) return false;
        copy_ascending(out, in, step);
      }
      done += step;
      target_offset += step;
      if (target_offset == target.length) {
        ++target_index;
        target_offset = 0;
      }
    }
  }
  return true;
}

void SegmentCursor::skip(std::uint64_t bytes) {
  while (bytes != 0) {
    const std::uint64_t step = std::min(bytes, segments_[index_].length - offset_);
    offset_ += step;
    bytes -= step;
    if (offset_ == segments_[index_].length) {
      ++index_;
      offset_ = 0;
    }
  }
}

CopyResult Transfer::through_bounce(const Buffer& from, const Buffer& to) {
  if (helper_ == nullptr || from.length < kShortestShared || !disjoint(from, to))
    return alone(from, to);
  const bool share = helper_->policy().share_next();
  const auto start = std::chrono::steady_clock::now();
  const CopyResult result = share ? shared(from, to) : alone(from, to);
  const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
  helper_->policy().took(share, from.length, static_cast<Nanoseconds>(time.count()));
  return result;
}

CopyResult Transfer::alone(const Buffer& from, const Buffer& to) {
  if (from.length <= kBounceBytes) {
    std::byte* bounce = scratch.room_for(from.length);
    if (!from.space->gather(from.segments, bounce)) return CopyResult::kSourceFault;
    return place(to, bounce) ? CopyResult::kDone : CopyResult::kTargetFault;
  }
  for (std::uint64_t at = 0; at < from.length; at += kBounceBytes) {
    const std::uint64_t length = std::min<std::uint64_t>(from.length - at, kBounceBytes);
    const CopyResult result = move_part(from, to, at, length);
    if (result != CopyResult::kDone) return result;
  }
  return CopyResult::kDone;
}

/// As after alone(), bytes before the fault are copied; of those after it some may be, too.
CopyResult Transfer::shared(const Buffer& from, const Buffer& to) {
  const std::uint64_t lead = to.segments[0].addr % kOrderedBlock;
  const auto boundary = [&](std::uint64_t part) {
    return part == 0 ? 0 : std::min(part * kPartBytes - lead, from.length);
  };
  const auto parts = static_cast<unsigned>((from.length + lead + kPartBytes - 1) / kPartBytes);
  results_.assign(parts, CopyResult::kDone);
  const auto job = [&](unsigned part, unsigned) {
    const std::uint64_t begin = boundary(part), end = boundary(part + 1);
    results_[part] = move_part(from, to, begin, end - begin);
  };
  helper_->run(parts, job);
  const auto fault =
      std::ranges::find_if(results_, [](CopyResult result) { return result != CopyResult::kDone; });
  return fault == results_.end() ? CopyResult::kDone : *fault;
}

CopyResult Transfer::move_part(const Buffer& from, const Buffer& to, std::uint64_t offset,
                               std::uint64_t length) {
  SegmentCursor source(from.segments), target(to.segments);
  source.skip(offset);
  target.skip(offset);
  source.take(length, scratch.from_part);
  target.take(length, scratch.to_part);
  std::byte* bounce = scratch.room_for(length);
  if (!from.space->gather(scratch.from_part, bounce)) return CopyResult::kSourceFault;
  const Buffer part{to.space, scratch.to_part, nullptr, length};
  return place(part, bounce) ? CopyResult::kDone : CopyResult::kTargetFault;
}

}  // namespace efa::emu
