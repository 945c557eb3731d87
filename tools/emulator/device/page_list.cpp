// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/page_list.hpp"

#include <algorithm>

#include "efa_hw.h"

namespace efa::emu {

namespace {

constexpr std::uint64_t kPagesPerPiece = EFA_PBL_CHUNK_SIZE / sizeof(efa_le64);

/// Appends `count` addresses, piece by piece: nothing is allocated for a list that is not there.
bool append_list(DmaSpace& memory, DmaAddr list, std::uint64_t count, std::vector<DmaAddr>& out) {
  while (count != 0) {
    const std::uint64_t step = std::min(count, kPagesPerPiece);
    const std::size_t before = out.size();
    out.resize(before + step);
    if (!memory.read(list, &out[before], step * sizeof(efa_le64))) return false;
    list += step * sizeof(efa_le64);
    count -= step;
  }
  return true;
}

/// The link is read only if another chunk follows: the driver need not map more of the last one.
bool read_chunk(DmaSpace& memory, DmaAddr addr, std::uint64_t pieces, efa_pbl_chunk& chunk) {
  if (!memory.read(addr, &chunk.page_list_ptr,
                   std::min<std::uint64_t>(pieces, EFA_PBL_PTRS_PER_CHUNK) * sizeof(efa_le64)))
    return false;
  return pieces <= EFA_PBL_PTRS_PER_CHUNK ||
         memory.read(addr + offsetof(efa_pbl_chunk, next), &chunk.next, sizeof chunk.next);
}

}  // namespace

std::optional<std::uint64_t> page_count(std::uint64_t iova, std::uint64_t length,
                                        unsigned page_shift) noexcept {
  if (length == 0 || iova > ~std::uint64_t{0} - (length - 1)) return std::nullopt;
  return ((iova + (length - 1)) >> page_shift) - (iova >> page_shift) + 1;
}

std::optional<std::vector<DmaAddr>> read_direct_page_list(DmaSpace& memory, DmaAddr list,
                                                          std::uint64_t count) {
  std::vector<DmaAddr> pages;
  if (!append_list(memory, list, count, pages)) return std::nullopt;
  return pages;
}

std::optional<std::vector<DmaAddr>> read_indirect_page_list(DmaSpace& memory, DmaAddr chunk_addr,
                                                            std::uint64_t count) {
  std::vector<DmaAddr> pages;
  efa_pbl_chunk chunk{};
  std::uint64_t pieces = (count + kPagesPerPiece - 1) / kPagesPerPiece;
  while (pieces != 0) {
    if (!read_chunk(memory, chunk_addr, pieces, chunk)) return std::nullopt;
    const std::uint64_t here = std::min<std::uint64_t>(pieces, EFA_PBL_PTRS_PER_CHUNK);
    for (std::uint64_t i = 0; i < here; ++i) {
      const std::uint64_t step = std::min(count - pages.size(), kPagesPerPiece);
      if (!append_list(memory, chunk.page_list_ptr[i], step, pages)) return std::nullopt;
    }
    pieces -= here;
    chunk_addr = efa_mem_addr_get(&chunk.next.address);
  }
  return pages;
}

}  // namespace efa::emu
