// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/crc16.hpp"

#include <array>

namespace efa::emu {

namespace {

constexpr std::uint16_t kReflectedPolynomial = 0xa001;

constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    unsigned crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0u);
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}

constexpr std::array<std::uint16_t, 256> kTable = make_table();

}  // namespace

std::uint16_t crc16(std::span<const std::byte> bytes) noexcept {
  unsigned crc = 0xffff;
  for (const std::byte byte : bytes)
    crc = crc >> 8 ^ kTable[(crc ^ std::to_integer<unsigned>(byte)) & 0xff];
  return static_cast<std::uint16_t>(crc ^ 0xffff);
}

}  // namespace efa::emu
