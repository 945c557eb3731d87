// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/native_dma_space.hpp"

#include <algorithm>
#include <climits>
#include <limits>

namespace efa::emu {

namespace {

constexpr unsigned kSpaceShift = 48;
constexpr DmaAddr kOffsetMask = (DmaAddr{1} << kSpaceShift) - 1;

}  // namespace

DmaAddr NativeDmaSpace::insert(Space space) {
  std::uint16_t number;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else if (spaces_.size() <= std::numeric_limits<std::uint16_t>::max()) {
    number = static_cast<std::uint16_t>(spaces_.size());
    spaces_.emplace_back();
  } else {
    return 0;
  }
  spaces_[number] = std::move(space);
  return DmaAddr{number} << kSpaceShift;
}

DmaAddr NativeDmaSpace::add(QueueMemory& memory) {
  return insert({nullptr, &memory, nullptr, 0, {}});
}

DmaAddr NativeDmaSpace::add(const std::shared_ptr<Process>& process) {
  return insert({process, nullptr, nullptr, 0, {}});
}

DmaAddr NativeDmaSpace::add(std::byte* pointer, std::size_t length) {
  return insert({nullptr, nullptr, pointer, length, {}});
}

void NativeDmaSpace::remove(DmaAddr base) {
  const auto number = static_cast<std::uint16_t>(base >> kSpaceShift);
  spaces_[number] = {};
  free_.push_back(number);
  invalidate_mappings();
}

const NativeDmaSpace::Space* NativeDmaSpace::find(DmaAddr addr) const noexcept {
  const std::size_t number = addr >> kSpaceShift;
  return number < spaces_.size() ? &spaces_[number] : nullptr;
}

std::byte* NativeDmaSpace::map(DmaAddr addr, std::size_t length) noexcept {
  const Space* space = find(addr);
  if (space == nullptr) return nullptr;
  const std::uint64_t offset = addr & kOffsetMask;
  if (space->queues != nullptr) return space->queues->find(offset, length);
  if (space->own != nullptr && offset <= space->own_length && length <= space->own_length - offset)
    return space->own + offset;
  return nullptr;
}

void NativeDmaSpace::add_alias(DmaAddr addr, std::size_t length, std::byte* alias) {
  spaces_[addr >> kSpaceShift].aliases.emplace(addr, Alias{length, alias});
}

void NativeDmaSpace::remove_alias(DmaAddr addr, const std::byte* alias) {
  auto& aliases = spaces_[addr >> kSpaceShift].aliases;
  const auto [first, last] = aliases.equal_range(addr);
  const auto found =
      std::find_if(first, last, [&](const auto& entry) { return entry.second.at == alias; });
  if (found != last) aliases.erase(found);
}

/// Regions may overlap; a few of those that begin before `addr` are looked at.
std::byte* NativeDmaSpace::alias(DmaAddr addr, std::size_t length) noexcept {
  constexpr int kCandidates = 8;
  const Space* space = find(addr);
  if (space == nullptr || space->aliases.empty() || space->process->dead()) return nullptr;
  auto it = space->aliases.upper_bound(addr);
  for (int tries = 0; tries < kCandidates && it != space->aliases.begin(); ++tries) {
    const auto& [start, alias] = *--it;
    const std::uint64_t offset = addr - start;
    if (offset <= alias.length && length <= alias.length - offset) return alias.at + offset;
  }
  return nullptr;
}

/// Hands runs of segments that belong to one process to `transfer` as one vectored call each.
template <class Transfer>
bool NativeDmaSpace::vectored(std::span<const DmaSegment> segments, Transfer&& transfer) noexcept {
  thread_local std::vector<iovec> vector;  // the copy helper comes here, too
  for (std::size_t i = 0; i < segments.size();) {
    const Space* space = find(segments[i].addr);
    if (space == nullptr) return false;
    std::size_t bytes = 0;
    vector.clear();
    do {
      vector.push_back({reinterpret_cast<void*>(segments[i].addr & kOffsetMask),
                        static_cast<std::size_t>(segments[i].length)});
      bytes += segments[i].length;
      ++i;
    } while (space->process && vector.size() < IOV_MAX && i < segments.size() &&
             find(segments[i].addr) == space);
    if (!transfer(*space, segments[i - 1].addr, bytes, vector)) return false;
  }
  return true;
}

bool NativeDmaSpace::gather(std::span<const DmaSegment> from, std::byte* out) noexcept {
  return vectored(from, [&](const Space& space, DmaAddr addr, std::size_t bytes,
                            const std::vector<iovec>& vector) {
    bool good;
    if (space.process) {
      good = vector.size() == 1 ? space.process->read(addr & kOffsetMask, out, bytes)
                                : space.process->read_vector(vector, out, bytes);
    } else {
      const std::byte* source = map(addr, bytes);
      good = source != nullptr;
      if (good) std::copy_n(source, bytes, out);
    }
    out += bytes;
    return good;
  });
}

bool NativeDmaSpace::scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept {
  return vectored(to, [&](const Space& space, DmaAddr addr, std::size_t bytes,
                          const std::vector<iovec>& vector) {
    bool good;
    if (space.process) {
      good = space.process->write_vector(vector, in, bytes);
    } else {
      std::byte* target = map(addr, bytes);
      good = target != nullptr;
      if (good) std::copy_n(in, bytes, target);
    }
    in += bytes;
    return good;
  });
}

}  // namespace efa::emu
