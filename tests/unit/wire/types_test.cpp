// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The table of packet types (spec efa-rdm-protocol 4), by number: the names in the code may be
// wrong together.
#include <gtest/gtest.h>

#include <map>

#include "wire/described.hpp"

namespace efa::rdm::test {
namespace {

struct Row {
  std::size_t header;
  std::uint64_t features;  // bits of feature word 0
};

// Column "A" of the table, with "Mandatory header bytes" and "Feature".
const std::map<int, Row> accepted = {
    {3, {24, 0}},      {4, {24, 0}},   {5, {24, 0}},     {7, {16, 0}},      {8, {24, 0}},
    {9, {8, 0}},       {10, {16, 0}},  {11, {16, 0x40}}, {12, {20, 0x200}}, {64, {8, 0}},
    {65, {16, 0}},     {66, {24, 0}},  {67, {32, 0}},    {68, {24, 0}},     {69, {32, 0}},
    {70, {8, 0}},      {71, {24, 0}},  {72, {24, 0}},    {73, {24, 0}},     {74, {24, 0}},
    {75, {24, 0}},     {76, {24, 0}},  {128, {24, 1}},   {129, {32, 1}},    {130, {24, 1}},
    {133, {16, 2}},    {134, {24, 2}}, {135, {32, 2}},   {136, {40, 2}},    {137, {24, 2}},
    {138, {32, 2}},    {139, {16, 2}}, {140, {24, 2}},   {141, {24, 2}},    {145, {40, 0x11}},
    {146, {48, 0x11}},
};

TEST(PacketTypes, EachHasTheHeaderLengthAndFeaturesOfTheSpecification) {
  for (const auto& [id, row] : accepted) {
    const auto type = static_cast<PacketType>(id);
    EXPECT_EQ(header_length(type, 0), row.header) << "type " << id;
    EXPECT_EQ(required_features(type), row.features) << "type " << id;
  }
}

TEST(PacketTypes, EveryOtherNumberIsRefusedWithTheCodeOfTheSpecification) {
  for (int id = 0; id < 256; ++id) {
    Bytes bytes(512);
    bytes[0] = static_cast<std::byte>(id);
    bytes[1] = std::byte{4};
    const Parsed parsed = parse(bytes);
    const auto code = static_cast<int>(parsed.error().code);
    if (id == 1 || id == 2) {
      EXPECT_EQ(code, 4097) << "type " << id;
    } else if (!accepted.contains(id)) {
      EXPECT_EQ(code, 4098) << "type " << id;
      EXPECT_EQ(parsed.error().value, static_cast<std::uint64_t>(id));
      EXPECT_STREQ(parsed.error().subject, "packet type that is not in use");
    } else {
      EXPECT_STRNE(parsed.error().subject, "packet type that is not in use") << "type " << id;
    }
  }
}

TEST(PacketTypes, TheTaggedFormFollowsTheUntaggedOneAndHasTheTagLast) {
  for (const int id : {64, 66, 68, 128, 133, 135, 137, 145}) {
    const Shape& untagged = shape(static_cast<PacketType>(id));
    const Shape& tagged = shape(static_cast<PacketType>(id + 1));
    EXPECT_EQ(tagged.kind, untagged.kind) << "type " << id;
    EXPECT_TRUE(tagged.tagged && !untagged.tagged) << "type " << id;
    EXPECT_EQ(tagged.header_bytes, untagged.header_bytes + 8) << "type " << id;
    EXPECT_EQ(tagged.offset(Field::kTag), untagged.header_bytes) << "type " << id;
  }
}

TEST(PacketTypes, BuildersSetTheFlagsOfTheSpecification) {
  const std::map<PacketType, std::uint16_t> expected = {
      {PacketType::kEagerMsgRtm, 0x0004},
      {PacketType::kEagerTagRtm, 0x000c},
      {PacketType::kDcMediumTagRtm, 0x000c},
      {PacketType::kRuntReadMsgRtm, 0x0004},
      {PacketType::kEagerRtw, 0},
      {PacketType::kDcLongCtsRtw, 0},
      {PacketType::kShortRtr, 0},
      {PacketType::kWriteRta, 0x0020},
      {PacketType::kDcWriteRta, 0x0020},
      {PacketType::kFetchRta, 0x0020},
      {PacketType::kCompareRta, 0x0020},
      {PacketType::kCts, 0x8000},
      {PacketType::kReadRsp, 0x8000},
      {PacketType::kAtomRsp, 0x8000},
      {PacketType::kReadNack, 0x8000},
      {PacketType::kPeerError, 0x8000},
      {PacketType::kCtsData, 0},
      {PacketType::kHandshake, 0},
  };
  for (const auto& [type, flags] : expected) {
    Described d;
    d.type = type;
    const Bytes bytes = build(d);
    EXPECT_EQ(std::to_integer<int>(bytes[2]) | std::to_integer<int>(bytes[3]) << 8, flags)
        << "type " << static_cast<int>(type);
    EXPECT_EQ(std::to_integer<int>(bytes[1]), 4);
  }
}

}  // namespace
}  // namespace efa::rdm::test
