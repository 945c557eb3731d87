// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Page lists in host memory as a driver lays them out (device-admin A10).
#pragma once

#include <algorithm>
#include <vector>

#include "device/harness.hpp"

namespace efa::emu::test {

inline DmaAddr direct_list(ArrayMemory& memory, const std::vector<DmaAddr>& pages,
                           std::size_t misalign = 0) {
  const std::size_t bytes = pages.size() * sizeof(efa_le64);
  const DmaAddr list = memory.allocate(bytes + misalign) + misalign;
  std::memcpy(&memory.at<std::byte>(list), pages.data(), bytes);
  return list;
}

struct IndirectList {
  DmaAddr first = 0;
  std::uint32_t first_length = 0;  ///< for the command
  std::vector<DmaAddr> chunks;
  std::vector<DmaAddr> pieces;
};

/// Chunks with the lengths of a correct driver; `misalign` shifts chunks and pieces off their
/// pages.
inline IndirectList indirect_list(ArrayMemory& memory, const std::vector<DmaAddr>& pages,
                                  std::size_t misalign = 0) {
  constexpr std::size_t kPerPiece = EFA_PBL_CHUNK_SIZE / sizeof(efa_le64);
  IndirectList list;
  for (std::size_t i = 0; i < pages.size(); i += kPerPiece) {
    const std::size_t end = std::min(i + kPerPiece, pages.size());
    list.pieces.push_back(direct_list(memory,
                                      {pages.begin() + static_cast<std::ptrdiff_t>(i),
                                       pages.begin() + static_cast<std::ptrdiff_t>(end)},
                                      misalign));
  }
  std::vector<std::uint32_t> lengths;
  for (std::size_t i = 0; i < list.pieces.size(); i += EFA_PBL_PTRS_PER_CHUNK) {
    const std::size_t used = std::min<std::size_t>(EFA_PBL_PTRS_PER_CHUNK, list.pieces.size() - i);
    const DmaAddr chunk = memory.allocate(sizeof(efa_pbl_chunk) + misalign) + misalign;
    std::memcpy(&memory.at<std::byte>(chunk), &list.pieces[i], used * sizeof(efa_le64));
    list.chunks.push_back(chunk);
    lengths.push_back(
        static_cast<std::uint32_t>(used * sizeof(efa_le64) + sizeof(efa_ctrl_buff_info)));
  }
  for (std::size_t i = 0; i + 1 < list.chunks.size(); ++i) {
    efa_ctrl_buff_info next{};
    next.length = lengths[i + 1];
    efa_mem_addr_set(&next.address, list.chunks[i + 1]);
    std::memcpy(&memory.at<std::byte>(list.chunks[i] + offsetof(efa_pbl_chunk, next)), &next,
                sizeof next);
  }
  list.first = list.chunks.front();
  list.first_length = lengths.front();
  return list;
}

}  // namespace efa::emu::test
