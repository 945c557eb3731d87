// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/crc16.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <vector>

namespace efa::emu {
namespace {

std::uint16_t crc_of(const std::vector<std::uint8_t>& bytes) {
  return crc16(std::as_bytes(std::span(bytes)));
}

std::vector<std::uint8_t> counting(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

TEST(Crc16, EqualsTheCheckValueOfCrc16Usb) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(crc16(std::as_bytes(std::span(digits))), 0xB4C8);
}

TEST(Crc16, EqualsTheVectorsOfTheSpecificationForAdminEntries) {
  EXPECT_EQ(crc_of(std::vector<std::uint8_t>(64)), 0xD0BF);
  EXPECT_EQ(crc_of(counting(64)), 0xF726);
  EXPECT_EQ(crc_of(std::vector<std::uint8_t>(128)), 0x0401);
  EXPECT_EQ(crc_of(counting(128)), 0xFD25);
}

TEST(Crc16, CoversTheHeaderOfACompletion) {
  std::vector<std::uint8_t> entry(64);
  entry[0] = 0x20;
  entry[3] = 0x01;
  EXPECT_EQ(crc_of(entry), 0x084A);
}

TEST(Crc16, OfNothingIsZero) {
  EXPECT_EQ(crc16({}), 0);
}

}  // namespace
}  // namespace efa::emu
