// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A 128-bit GID: 16 raw bytes in network order (device.md 6.1).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

namespace efa::emu {

struct Gid {
  std::array<std::uint8_t, 16> raw{};

  auto operator<=>(const Gid&) const = default;

  bool is_zero() const { return *this == Gid{}; }
  bool is_multicast() const { return raw[0] == 0xff; }

  /// Colon-separated form with all 32 digits, as sysfs prints GIDs.
  std::string text() const;

  /// Link-local GID from a 48-bit MAC address: fe80::/64 plus EUI-64 (device.md 6.1).
  static Gid from_mac(const std::array<std::uint8_t, 6>& mac);
};

}  // namespace efa::emu

template <>
struct std::hash<efa::emu::Gid> {
  std::size_t operator()(const efa::emu::Gid& gid) const noexcept {
    std::uint64_t hi = 0;
    std::uint64_t lo = 0;
    std::memcpy(&hi, gid.raw.data(), 8);
    std::memcpy(&lo, gid.raw.data() + 8, 8);
    return hi * 0x9e3779b97f4a7c15ULL ^ lo;
  }
};
