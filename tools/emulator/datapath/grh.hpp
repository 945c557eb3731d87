// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The 40 bytes in front of every datagram: an IPv6-style global routing header (device-io I9).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/gid.hpp"

namespace efa::emu {

inline constexpr std::size_t kGrhBytes = 40;

/// Writes the header for `payload` bytes to `out` (kGrhBytes of room).
inline void write_grh(std::byte* out, const Gid& source, const Gid& destination,
                      std::uint32_t payload) noexcept {
  std::fill_n(out, kGrhBytes, std::byte{0});
  out[0] = std::byte{0x60};  // version 6
  out[4] = static_cast<std::byte>(payload >> 8);
  out[5] = static_cast<std::byte>(payload);
  out[6] = std::byte{0x1b};  // next header: InfiniBand transport
  out[7] = std::byte{0x40};  // hop limit
  const auto* from = reinterpret_cast<const std::byte*>(source.raw.data());
  const auto* to = reinterpret_cast<const std::byte*>(destination.raw.data());
  std::copy_n(from, source.raw.size(), out + 8);
  std::copy_n(to, destination.raw.size(), out + 24);
}

}  // namespace efa::emu
