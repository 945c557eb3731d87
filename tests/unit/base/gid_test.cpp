// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/gid.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace efa::emu {
namespace {

TEST(Gid, TextHasAll32DigitsInEightGroups) {
  Gid gid;
  for (std::uint8_t i = 0; i < 16; ++i) gid.raw[i] = i;
  EXPECT_EQ(gid.text(), "0001:0203:0405:0607:0809:0a0b:0c0d:0e0f");
  EXPECT_EQ(Gid{}.text(), "0000:0000:0000:0000:0000:0000:0000:0000");
}

TEST(Gid, FromMacIsLinkLocalWithTheUniversalBitTurned) {
  const Gid gid = Gid::from_mac({0x02, 0x1d, 0x0f, 0xaa, 0xbb, 0xcc});
  EXPECT_EQ(gid.text(), "fe80:0000:0000:0000:001d:0fff:feaa:bbcc");
  EXPECT_EQ(Gid::from_mac({}).raw[8], 0x02);
}

TEST(Gid, OnlyTheAllZeroGidIsZero) {
  EXPECT_TRUE(Gid{}.is_zero());
  for (std::size_t i = 0; i < 16; ++i) {
    Gid gid;
    gid.raw[i] = 1;
    EXPECT_FALSE(gid.is_zero()) << "byte " << i;
  }
}

TEST(Gid, MulticastIsToldByTheFirstByte) {
  Gid gid;
  EXPECT_FALSE(gid.is_multicast());
  gid.raw[0] = 0xff;
  EXPECT_TRUE(gid.is_multicast());
  gid.raw[0] = 0xfe;
  EXPECT_FALSE(gid.is_multicast());
}

TEST(Gid, OrderIsThatOfTheBytes) {
  Gid low, high;
  low.raw[15] = 0xff;
  high.raw[0] = 1;
  EXPECT_LT(low, high);
  EXPECT_EQ(low, Gid{low});
}

TEST(Gid, HashTellsTheHostsOfAFabricApart) {
  std::unordered_set<std::size_t> hashes;
  for (unsigned host = 0; host < 1024; ++host)
    hashes.insert(std::hash<Gid>{}(
        Gid::from_mac({0x02, 0, 0, 0, std::uint8_t(host >> 8), std::uint8_t(host)})));
  EXPECT_EQ(hashes.size(), 1024u);
}

}  // namespace
}  // namespace efa::emu
