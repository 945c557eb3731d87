// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Page lists of REG_MR in host memory (A9.10, A10). All counts follow from the region; the lengths
/// that the driver writes next to the addresses are not trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "device/dma_space.hpp"

namespace efa::emu {

/// Pages that [iova, iova + length) touches; nothing if the range is empty or leaves the address
/// space.
std::optional<std::uint64_t> page_count(std::uint64_t iova, std::uint64_t length,
                                        unsigned page_shift) noexcept;

/// `count` page addresses from one contiguous list. Nothing if part of it is unreachable.
std::optional<std::vector<DmaAddr>> read_direct_page_list(DmaSpace& memory, DmaAddr list,
                                                          std::uint64_t count);

/// The same from a chain of chunks that starts at `chunk`. Reads no more chunks and pieces than
/// `count` needs, whatever the links say.
std::optional<std::vector<DmaAddr>> read_indirect_page_list(DmaSpace& memory, DmaAddr chunk,
                                                            std::uint64_t count);

}  // namespace efa::emu
