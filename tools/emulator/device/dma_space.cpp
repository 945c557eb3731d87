// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/dma_space.hpp"

#include <cstring>
#include <vector>

namespace efa::emu {

bool DmaSpace::gather(std::span<const DmaSegment> from, std::byte* out) noexcept {
  for (const DmaSegment& segment : from) {
    if (segment.length == 0) continue;
    const std::byte* source = map_for_reading(segment.addr, segment.length);
    if (source == nullptr) return false;
    std::memcpy(out, source, segment.length);
    out += segment.length;
  }
  return true;
}

bool DmaSpace::scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept {
  for (const DmaSegment& segment : to) {
    if (segment.length == 0) continue;
    std::byte* target = map(segment.addr, segment.length);
    if (target == nullptr) return false;
    std::memcpy(target, in, segment.length);
    in += segment.length;
  }
  return true;
}

bool MappedRange::accessible() noexcept {
  if (get() != nullptr) return true;
  if (space_ == nullptr) return false;
  std::vector<std::byte> copy(length_);
  return space_->read(addr_, copy.data(), length_);
}

}  // namespace efa::emu
