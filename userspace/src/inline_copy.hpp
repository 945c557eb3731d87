// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Copies of a few bytes into a WQE: at most 80, most often 8 to 32. A call of memcpy costs more
/// than the copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace efa {

/// Two moves of Word that may overlap cover any size from sizeof(Word) to twice that.
template <class Word>
inline void copy_ends(std::byte* to, const std::byte* from, std::size_t bytes) {
  Word head, tail;
  std::memcpy(&head, from, sizeof(Word));
  std::memcpy(&tail, from + bytes - sizeof(Word), sizeof(Word));
  std::memcpy(to, &head, sizeof(Word));
  std::memcpy(to + bytes - sizeof(Word), &tail, sizeof(Word));
}

/// Reads and writes exactly `bytes` bytes, which are at most kMost.
template <std::size_t kMost>
inline void copy_inline(std::byte* to, const void* source, std::size_t bytes) {
  struct Chunk {
    std::uint64_t low, high;
  };
  auto from = static_cast<const std::byte*>(source);
  while (kMost > 2 * sizeof(Chunk) && bytes > 2 * sizeof(Chunk)) {
    std::memcpy(to, from, sizeof(Chunk));
    to += sizeof(Chunk);
    from += sizeof(Chunk);
    bytes -= sizeof(Chunk);
  }
  if (bytes >= sizeof(Chunk)) return copy_ends<Chunk>(to, from, bytes);
  if (bytes >= 8) return copy_ends<std::uint64_t>(to, from, bytes);
  if (bytes >= 4) return copy_ends<std::uint32_t>(to, from, bytes);
  if (bytes >= 2) return copy_ends<std::uint16_t>(to, from, bytes);
  if (bytes == 1) *to = *from;
}

}  // namespace efa
