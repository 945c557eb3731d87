// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "extensible.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace efa {
namespace {

struct Attr {
  std::uint64_t comp_mask;
  std::uint32_t first;
  std::uint32_t newer;
};
constexpr std::size_t kMinimum = EFA_THROUGH(Attr, first);

TEST(Extensible, ReadsWhatTheCallerKnows) {
  std::array<unsigned char, 32> memory;
  memory.fill(0x11);
  Attr attr;
  EXPECT_EQ(read_extensible(attr, memory.data(), kMinimum, kMinimum), 0);
  EXPECT_EQ(attr.first, 0x11111111u);
  EXPECT_EQ(attr.newer, 0u) << "the caller does not know it";
  EXPECT_EQ(read_extensible(attr, memory.data(), sizeof(Attr), kMinimum), 0);
  EXPECT_EQ(attr.newer, 0x11111111u);
}

TEST(Extensible, RefusesTheTooShortAndTheUnknown) {
  std::array<unsigned char, 32> memory{};
  Attr attr;
  EXPECT_EQ(read_extensible(attr, memory.data(), kMinimum - 1, kMinimum), EINVAL);
  EXPECT_EQ(read_extensible(attr, memory.data(), 0, kMinimum), EINVAL);
  EXPECT_EQ(read_extensible(attr, nullptr, sizeof(attr), kMinimum), EINVAL);
  EXPECT_EQ(read_extensible(attr, memory.data(), memory.size(), kMinimum), 0) << "newer, but zero";
  for (std::size_t i = sizeof(Attr); i < memory.size(); ++i) {
    memory.fill(0);
    memory[i] = 1;
    EXPECT_EQ(read_extensible(attr, memory.data(), memory.size(), kMinimum), EINVAL) << i;
    EXPECT_EQ(read_extensible(attr, memory.data(), i, kMinimum), 0) << "before it";
  }
}

TEST(Extensible, WritesWhatTheCallerKnows) {
  const Attr attr{1, 2, 3};
  for (const auto newer : {NewerPart::kZeroed, NewerPart::kUntouched}) {
    for (std::size_t length = 0; length <= 32; ++length) {
      std::array<unsigned char, 33> memory;
      memory.fill(0x77);
      const bool enough = length >= kMinimum;
      EXPECT_EQ(write_extensible(memory.data(), attr, length, kMinimum, newer),
                enough ? 0 : EINVAL);
      const std::size_t known = enough ? std::min(length, sizeof(attr)) : 0;
      EXPECT_EQ(std::memcmp(memory.data(), &attr, known), 0);
      const std::size_t zeroed = enough && newer == NewerPart::kZeroed ? length : known;
      for (std::size_t i = known; i < memory.size(); ++i) {
        ASSERT_EQ(memory[i], i < zeroed ? 0 : 0x77) << "length " << length << " byte " << i;
      }
    }
  }
  EXPECT_EQ(write_extensible(nullptr, attr, sizeof(attr), kMinimum, NewerPart::kZeroed), EINVAL);
}

}  // namespace
}  // namespace efa
