// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/memory_region.hpp"

#include <algorithm>

namespace efa::emu {

namespace {

void append(std::vector<DmaSegment>& out, DmaAddr addr, std::uint64_t bytes) {
  if (!out.empty() && out.back().addr + out.back().length == addr)
    out.back().length += bytes;
  else
    out.push_back({addr, bytes});
}

}  // namespace

void MemoryRegion::translate(std::uint64_t addr, std::uint64_t bytes,
                             std::vector<DmaSegment>& out) const {
  if (physical) {
    if (bytes != 0) append(out, addr, bytes);
    return;
  }
  const std::uint64_t page_size = std::uint64_t{1} << page_shift;
  const std::uint64_t first_page = iova & ~(page_size - 1);
  while (bytes != 0) {
    const std::uint64_t in_page = addr & (page_size - 1);
    const std::uint64_t step = std::min(bytes, page_size - in_page);
    append(out, pages[(addr - first_page) >> page_shift] + in_page, step);
    addr += step;
    bytes -= step;
  }
}

}  // namespace efa::emu
