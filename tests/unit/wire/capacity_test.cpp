// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "wire/capacity.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "wire/random_packet.hpp"

namespace efa::rdm::test {
namespace {

constexpr std::size_t kMtu = 8928;  // of real devices

TEST(Capacity, OptionalHeadersTakeWhatTheSpecificationSays) {
  const auto eager = [](std::uint16_t flags) {
    return header_length(PacketType::kEagerMsgRtm, flags);
  };
  EXPECT_EQ(eager(0), 8U);
  EXPECT_EQ(eager(kReqRawAddress), 48U);
  EXPECT_EQ(eager(kReqCqData), 16U);
  EXPECT_EQ(eager(kFlagConnid), 12U);
  EXPECT_EQ(eager(kReqRawAddress | kReqCqData), 56U);
  EXPECT_EQ(eager(kReqTwoSided | kReqTagged | 0x4000), 8U) << "other flags change no length (R7)";
  EXPECT_EQ(header_length(PacketType::kLongCtsRtr, kReqRawAddress | kReqCqData, 4), 168U);
}

TEST(Capacity, IsWhatTheHeaderLeaves) {
  EXPECT_EQ(payload_capacity(kMtu, PacketType::kEagerMsgRtm, kFlagConnid), kMtu - 12);
  EXPECT_EQ(payload_capacity(kMtu, PacketType::kEagerRtw, kFlagConnid, 4), kMtu - 8 - 96 - 4);
  EXPECT_EQ(payload_capacity(kMtu, PacketType::kReadRsp, kFlagConnid), kMtu - 24);
  EXPECT_EQ(payload_capacity(12, PacketType::kEagerMsgRtm, kFlagConnid), 0U);
  EXPECT_EQ(payload_capacity(11, PacketType::kEagerMsgRtm, kFlagConnid), 0U);
  EXPECT_EQ(payload_capacity(13, PacketType::kEagerMsgRtm, kFlagConnid), 1U);
}

TEST(Capacity, DataInWindowsHasRoomForAConnid) {
  EXPECT_EQ(ctsdata_capacity(kMtu), kMtu - 32);
  EXPECT_EQ(cts_window(kMtu, 32), 284672U);
}

TEST(Capacity, AtomicsAreAsLongAsTheSpecificationSays) {
  EXPECT_EQ(max_atomic_bytes(kMtu, false), 8776U);
  EXPECT_EQ(max_atomic_bytes(kMtu, true), 4388U);
  EXPECT_EQ(max_atomic_bytes(100, false), 0U);
}

TEST(Capacity, HeaderLengthIsWhatTheBuilderReturns) {
  RandomPacket random(1);
  for (const PacketType type : accepted_types()) {
    if (type == PacketType::kHandshake) continue;  // its options are no part of the function
    for (int i = 0; i < 100; ++i) {
      const Described d = random.of(type);
      const std::uint16_t flags =
          is_request(shape(type).kind) ? options_of(d).flags() : (d.connid ? kFlagConnid : 0);
      EXPECT_EQ(header_length(type, flags, d.rma_iovs.size() + d.read_iovs.size()),
                build(d).size() - d.payload.size())
          << "type " << static_cast<int>(type);
    }
  }
}

TEST(Capacity, NoBuilderWritesBeyondItsRoom) {
  RandomPacket random(2);
  for (const PacketType type : accepted_types())
    for (int i = 0; i < 100; ++i) {
      Described d = random.of(type);
      d.payload.clear();
      d.cq_data = 1;
      d.address = RawAddress{{1}, 1, 0, 1, 0};
      // Heap memory of exactly the room: build() writes nothing else, a sanitizer watches the end.
      const auto heap = std::make_unique<std::array<std::byte, kBuildRoom>>();
      const Kind kind = shape(type).kind;
      const Room room(*heap);
      const std::size_t length = is_message(kind)   ? build_message_headers(room, d)
                                 : is_request(kind) ? build_rma_headers(room, d)
                                                    : build_control_headers(room, d);
      EXPECT_LE(length, kBuildRoom) << "type " << static_cast<int>(type);
    }
}

}  // namespace
}  // namespace efa::rdm::test
