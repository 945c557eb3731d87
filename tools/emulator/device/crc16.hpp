// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The checksum of admin entries: CRC-16/USB (device-admin A2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace efa::emu {

/// Polynomial 0x8005 reflected, initial value and final XOR 0xFFFF.
std::uint16_t crc16(std::span<const std::byte> bytes) noexcept;

}  // namespace efa::emu
