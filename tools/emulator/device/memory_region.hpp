// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A registered memory region: rights, range and the page list that translates it (A9.10 - A9.12).
#pragma once

#include <cstdint>
#include <vector>

#include "device/dma_space.hpp"

namespace efa::emu {

/// REG_MR permission bits; local read is always granted.
enum : std::uint8_t { kLocalWrite = 1, kRemoteWrite = 2, kRemoteRead = 4 };

struct MemoryRegion {
  std::uint32_t index = 0;  ///< key bits 19:0
  std::uint32_t key = 0;    ///< current l_key = r_key, generation in bits 23:20
  std::uint16_t pd = 0;
  std::uint8_t permissions = 0;
  std::uint8_t page_shift = 12;
  bool physical = false;        ///< addresses are DMA addresses, no page list
  bool fast_reg = false;        ///< made by ALLOC_MR
  bool valid = true;            ///< false while an ALLOC_MR region is not activated
  std::uint32_t max_pages = 0;  ///< of ALLOC_MR
  std::uint64_t iova = 0;
  std::uint64_t length = 0;
  std::vector<DmaAddr> pages;

  /// True if [addr, addr + bytes) lies inside the region. No overflow for any input.
  bool contains(std::uint64_t addr, std::uint64_t bytes) const noexcept {
    return addr >= iova && bytes <= length && addr - iova <= length - bytes;
  }

  /// Appends the DMA segments of [addr, addr + bytes), adjacent pages merged.
  /// Precondition: contains(addr, bytes).
  void translate(std::uint64_t addr, std::uint64_t bytes, std::vector<DmaSegment>& out) const;
};

}  // namespace efa::emu
