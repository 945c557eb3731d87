// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The test vectors of spec efa-rdm-protocol 23, as they stand there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/layout.hpp"

namespace efa::rdm::test {

struct Vector {
  std::string_view name;
  std::string_view hex;
};

inline constexpr std::array<Vector, 12> kVectors = {{
    {"V1",
     "4004050000000000 24000000 fe8000000000000004a528fffe98e500 1200 0000 4d3c2b1a "
     "0000000000000000 00000000 61626364"},
    {"V2", "41040e80 07000000 8877665544332211 9900000000000000 4d3c2b1a 68656c6c6f"},
    {"V3", "09040380 04000000 5b00000000000000 4d3c2b1a00000000 efcdab8967452301 a1ef000000000000"},
    {"V4",
     "46040100 00000000 24000000 fe8000000000000004a528fffe98e500 1200 0000 4d3c2b1a "
     "0000000000000000 00000000"},
    {"V5", "03040080 4d3c2b1a 05000000 09000000 0058040000000000"},
    {"V6",
     "04040080 09000000 0800000000000000 c022000000000000 4d3c2b1a 00000000 3031323334353637"},
    {"V7",
     "81040c80 03000000 0000100000000000 05000000 01000000 bc0a000000000000 4d3c2b1a "
     "00100000007f0000 0000100000000000 3412000000000000"},
    {"V8",
     "8b040080 01000000 0b000000 00000000 00200000007f0000 0800000000000000 7700000000000000 "
     "4d3c2b1a 5752495445384221"},
    {"V9",
     "4b042080 04000000 01000000 07000000 02000000 0d000000 00300000007f0000 0800000000000000 "
     "8800000000000000 4d3c2b1a 0100000000000000"},
    {"V10", "07040080 05000000 09000000 4d3c2b1a"},
    {"V11", "0a040080 05000000 03000000 4d3c2b1a"},
    {"V12", "43040c80 02000000 4045000000000000 a022000000000000 bc0a000000000000 4d3c2b1a"},
}};

inline std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> made;
  int digits = 0;
  unsigned value = 0;
  for (const char c : hex) {
    if (c == ' ') continue;
    value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 == 0) made.push_back(static_cast<std::byte>(value));
    if (digits % 2 == 0) value = 0;
  }
  return made;
}

/// By its name; V12 is only a header there.
inline std::vector<std::byte> vector_bytes(std::string_view name) {
  for (const Vector& vector : kVectors)
    if (vector.name == name) return from_hex(vector.hex);
  return {};
}

inline constexpr std::uint32_t kConnid = 0x1a2b3c4d;

/// fe80::4a5:28ff:fe98:e500
inline constexpr RawAddress kSender = {
    {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x04, 0xa5, 0x28, 0xff, 0xfe, 0x98, 0xe5, 0x00},
    0x12,
    0,
    kConnid,
    0};

}  // namespace efa::rdm::test
