// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "wire/random_packet.hpp"
#include "wire/vectors.hpp"

namespace efa::rdm::test {
namespace {

constexpr int kPacketsPerType = 500;

TEST(AnyValidPacket, ReadsBackAsItWasBuilt) {
  RandomPacket random(20261);
  for (const PacketType type : accepted_types())
    for (int i = 0; i < kPacketsPerType; ++i) {
      const Described d = random.of(type);
      const Bytes bytes = build(d);
      const Parsed parsed = parse(bytes);
      ASSERT_TRUE(parsed) << "type " << static_cast<int>(type) << ": " << parsed.error().subject
                          << ' ' << parsed.error().value << ' ' << parsed.error().limit;
      ASSERT_EQ(describe(*parsed), d) << "type " << static_cast<int>(type);
    }
}

TEST(AnyValidPacket, ReadsTheSameAtAnyAlignment) {
  RandomPacket random(20262);
  for (const PacketType type : accepted_types())
    for (std::size_t shift = 1; shift < 8; ++shift) {
      const Described d = random.of(type);
      Bytes bytes = build(d);
      bytes.insert(bytes.begin(), shift, std::byte{});
      const Parsed parsed = parse(std::span(bytes).subspan(shift));
      ASSERT_TRUE(parsed);
      ASSERT_EQ(describe(*parsed), d);
    }
}

TEST(AnyValidPacket, OfANewerVersionReadsTheSame) {
  RandomPacket random(20263);
  for (const PacketType type : accepted_types())
    for (const int version : {5, 6, 255}) {
      const Described d = random.of(type);
      Bytes bytes = build(d);
      bytes[1] = static_cast<std::byte>(version);
      const Parsed parsed = parse(bytes);
      ASSERT_TRUE(parsed);
      ASSERT_EQ(describe(*parsed), d);
    }
}

// Where the type has a length of its own or no data at all, a shorter packet is no packet. Eager
// data and the segments of other REQ packets end where the packet ends, so only their headers
// cannot be cut.
TEST(AnyValidPacket, CutAnywhereIsRefusedOrReadsWithoutWhatIsMissing) {
  RandomPacket random(20264);
  for (const PacketType type : accepted_types())
    for (int i = 0; i < 20; ++i) {
      const Described d = random.of(type);
      const Bytes whole = build(d);
      const std::size_t header = whole.size() - d.payload.size();
      const bool counted = !is_request(shape(type).kind) || shape(type).kind == Kind::kEagerWrite;
      for (std::size_t length = 0; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        const Parsed parsed = parse(cut);
        if (length < header || counted) {
          ASSERT_FALSE(parsed) << "type " << static_cast<int>(type) << " cut to " << length;
        }
        if (parsed) {
          ASSERT_LE(describe(*parsed).payload.size(), length - header);
        }
      }
    }
}

TEST(AnyValidPacket, WithBytesChangedNeverGivesMoreThanThePacket) {
  RandomPacket random(20265);
  for (const PacketType type : accepted_types())
    for (int i = 0; i < kPacketsPerType; ++i) {
      Bytes bytes = build(random.of(type));
      for (std::uint64_t changes = random.below(6) + 1; changes > 0; --changes)
        bytes[random.below(std::min<std::size_t>(bytes.size(), 120))] =
            static_cast<std::byte>(random.flip() ? random.below(256) : 0xff);
      const Parsed parsed = parse(bytes);
      const Described d = describe(*parsed);  // under a sanitizer, this is the test
      ASSERT_LE(d.payload.size(), bytes.size());
      ASSERT_LE(d.rma_iovs.size(), kMaxIovs);
      ASSERT_LE(d.read_iovs.size(), kMaxIovs);
      if (!parsed) {
        ASSERT_EQ(d, Described{}) << "a malformed packet shows something";
      }
    }
}

}  // namespace
}  // namespace efa::rdm::test
