// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// How the device publishes an entry of a ring that the host polls: everything first, then the
/// 32-bit word that carries the phase (device-io I10).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace efa::emu {

/// Stores `value` so that all earlier stores are visible before it. One store when `to` is aligned,
/// which only a host that misplaced its ring avoids.
template <class Word>
inline void store_release(std::byte* to, Word value) noexcept {
  if (reinterpret_cast<std::uintptr_t>(to) % sizeof(Word) == 0) {
    __atomic_store_n(reinterpret_cast<Word*>(to), value, __ATOMIC_RELEASE);
    return;
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
  std::memcpy(to, &value, sizeof value);
}

/// Copies `size` bytes of `entry` to `slot`; the word at `phase_word` becomes visible last.
inline void publish_entry(std::byte* slot, const void* entry, std::size_t size,
                          std::size_t phase_word = 0) noexcept {
  const auto* source = static_cast<const std::byte*>(entry);
  const std::size_t after = phase_word + sizeof(std::uint32_t);
  std::memcpy(slot, source, phase_word);
  std::memcpy(slot + after, source + after, size - after);
  std::uint32_t word = 0;
  std::memcpy(&word, source + phase_word, sizeof word);
  store_release(slot + phase_word, word);
}

/// Phase of entry `index` (free running) in a ring of `depth` entries: 1 in the first pass.
constexpr std::uint32_t phase_of(std::uint32_t index, std::uint32_t depth) noexcept {
  return (index / depth) % 2 == 0 ? 1 : 0;
}

}  // namespace efa::emu
