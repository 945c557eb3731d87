// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/llq_pool.hpp"

#include <algorithm>

namespace efa::emu {

std::optional<std::uint32_t> LlqPool::allocate(std::size_t bytes) {
  const std::size_t length =
      (std::max<std::size_t>(bytes, 1) + kPageSize - 1) / kPageSize * kPageSize;
  std::size_t gap = 0;
  for (const auto& [offset, taken] : taken_) {
    if (offset - gap >= length) break;
    gap = offset + taken;
  }
  if (gap > size_ || size_ - gap < length) return std::nullopt;
  const auto offset = static_cast<std::uint32_t>(gap);
  taken_[offset] = length;
  return offset;
}

}  // namespace efa::emu
