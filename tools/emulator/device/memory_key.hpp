// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Keys of memory regions: index and generation (A9.12). A generation that changes with every reuse
/// of an index makes stale keys miss.
#pragma once

#include <cstdint>

#include "efa_hw.h"

namespace efa::emu {

inline constexpr std::uint32_t kMemoryKeyIndexMask = (1u << EFA_FRWR_KEY_GEN_SHIFT) - 1;
inline constexpr std::uint32_t kMemoryKeyGenerations =
    (EFA_FRWR_KEY_GEN_MASK >> EFA_FRWR_KEY_GEN_SHIFT) + 1;

constexpr std::uint32_t memory_key(std::uint32_t index, std::uint32_t generation) noexcept {
  return index | (generation % kMemoryKeyGenerations) << EFA_FRWR_KEY_GEN_SHIFT;
}

constexpr std::uint32_t memory_key_index(std::uint32_t key) noexcept {
  return key & kMemoryKeyIndexMask;
}

constexpr std::uint32_t memory_key_generation(std::uint32_t key) noexcept {
  return (key & EFA_FRWR_KEY_GEN_MASK) >> EFA_FRWR_KEY_GEN_SHIFT;
}

}  // namespace efa::emu
