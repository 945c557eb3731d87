// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a hostile or broken peer sends (spec efa-rdm-protocol 3, 7.1, 11.7, 18): each is refused
// with its code and a reason that names the thing, its value and the limit; and what has to be
// borne is borne.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "wire/described.hpp"
#include "wire/vectors.hpp"

namespace efa::rdm::test {
namespace {

template <class T>
Bytes patched(Bytes bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

Bytes resized(Bytes bytes, std::size_t size) {
  bytes.resize(size);
  return Bytes(bytes.begin(), bytes.end());
}

Bytes with_payload(std::size_t size) {
  return Bytes(size, std::byte{0x5a});
}

/// "code subject value limit", or "ok".
std::string verdict(const Bytes& bytes) {
  const Parsed parsed = parse(bytes);
  if (parsed) return "ok";
  const Malformed& error = parsed.error();
  return std::to_string(static_cast<int>(error.code)) + ' ' + error.subject + ' ' +
         std::to_string(error.value) + ' ' + std::to_string(error.limit);
}

Described described(PacketType type) {
  Described d;
  d.type = type;
  d.connid = kConnid;
  return d;
}

TEST(MalformedPacket, ShorterThanItsHeader) {
  EXPECT_EQ(verdict({}), "4098 packet shorter than any header 0 4");
  EXPECT_EQ(verdict(resized(vector_bytes("V5"), 3)), "4098 packet shorter than any header 3 4");
  EXPECT_EQ(verdict(resized(vector_bytes("V5"), 23)),
            "4098 packet shorter than the header of its type 23 24");
  EXPECT_EQ(verdict(resized(vector_bytes("V6"), 31)), "4098 CTSDATA shorter than its connid 31 32");
  EXPECT_EQ(verdict(resized(vector_bytes("V1"), 11)),
            "4098 packet shorter than the length of its address 11 12");
  EXPECT_EQ(verdict(resized(vector_bytes("V1"), 47)),
            "4098 packet shorter than its raw address 47 48");
  EXPECT_EQ(verdict(resized(vector_bytes("V2"), 23)), "4098 packet shorter than its CQ data 23 24");
  EXPECT_EQ(verdict(resized(vector_bytes("V2"), 27)), "4098 packet shorter than its connid 27 28");
  EXPECT_EQ(verdict(resized(vector_bytes("V8"), 39)), "4098 remote iovs 39 40");
  EXPECT_EQ(verdict(resized(vector_bytes("V7"), 59)), "4098 read iovs 59 60");
}

TEST(MalformedPacket, OfAnOldVersion) {
  for (const int version : {0, 1, 2, 3})
    EXPECT_EQ(verdict(patched(vector_bytes("V1"), 1, static_cast<std::uint8_t>(version))),
              "4098 protocol version " + std::to_string(version) + " 4");
}

TEST(MalformedPacket, OfARetiredTypeIsToldFromAnUnknownOneInEveryVersion) {
  for (const int version : {3, 4})
    for (const int type : {1, 2}) {
      Bytes bytes = patched(vector_bytes("V1"), 1, static_cast<std::uint8_t>(version));
      bytes[0] = static_cast<std::byte>(type);
      EXPECT_EQ(verdict(bytes), "4097 retired packet type " + std::to_string(type) + " 0");
    }
  EXPECT_EQ(verdict(patched(vector_bytes("V1"), 0, std::uint8_t{200})),
            "4098 packet type that is not in use 200 0");
}

TEST(MalformedPacket, WithAnAddressOfAnotherLength) {
  const auto address_of = [](std::uint32_t length, std::size_t total) {
    return patched(resized(vector_bytes("V1"), total), 8, length);
  };
  EXPECT_EQ(verdict(address_of(31, 52)), "4098 length of the raw address 31 32");
  EXPECT_EQ(verdict(address_of(65, 200)), "4098 length of the raw address 65 64");
  EXPECT_EQ(verdict(address_of(0xffffffff, 200)), "4098 length of the raw address 4294967295 64");
  EXPECT_EQ(verdict(address_of(64, 75)), "4098 packet shorter than its raw address 75 76");
  EXPECT_EQ(verdict(address_of(32, 44)), "ok");
  EXPECT_EQ(verdict(address_of(64, 76)), "ok");

  const Bytes longest = address_of(64, 80);
  const Parsed packet = parse(longest);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->raw_address(), kSender);
  EXPECT_EQ(packet->payload().size(), 4U) << "addr_len says where the address ends";
}

TEST(MalformedPacket, WithTheAddressOfNobody) {
  Bytes bytes = vector_bytes("V1");
  for (std::size_t i = 12; i < 28; ++i) bytes[i] = std::byte{0};
  EXPECT_EQ(verdict(bytes), "4098 GID of the raw address 0 0");
}

TEST(MalformedPacket, WithTooManyIovs) {
  EXPECT_EQ(verdict(patched(resized(vector_bytes("V8"), 4000), 4, std::uint32_t{5})),
            "4098 remote iovs 5 4");
  EXPECT_EQ(verdict(patched(vector_bytes("V8"), 4, std::uint32_t{0xffffffff})),
            "4098 remote iovs 4294967295 4");
  EXPECT_EQ(verdict(patched(resized(vector_bytes("V7"), 4000), 20, std::uint32_t{5})),
            "4098 read iovs 5 4");
  EXPECT_EQ(verdict(patched(vector_bytes("V7"), 20, std::uint32_t{0x0aaaaaab})),
            "4098 read iovs 178956971 4")
      << "times 24 it is 8 in 32 bits";
}

TEST(MalformedPacket, WhoseReadIovsHoldLessThanTheMessage) {
  EXPECT_EQ(verdict(patched(vector_bytes("V7"), 20, std::uint32_t{0})),
            "4098 bytes in read iovs 0 1048576");
  EXPECT_EQ(verdict(patched(vector_bytes("V7"), 44, std::uint64_t{1048575})),
            "4098 bytes in read iovs 1048575 1048576");

  Described d = described(PacketType::kLongReadMsgRtm);
  d.total_length = 100;
  d.read_iovs = {{1, ~std::uint64_t{0}, 2}, {3, 50, 4}};
  EXPECT_EQ(verdict(build(d)), "ok") << "a sum that does not wrap to 49";
}

TEST(MalformedPacket, WhoseSegmentLeavesTheMessage) {
  Described d = described(PacketType::kMediumMsgRtm);
  d.payload = with_payload(100);
  d.total_length = 1000;
  d.seg_offset = 900;
  EXPECT_EQ(verdict(build(d)), "ok");
  d.seg_offset = 901;
  EXPECT_EQ(verdict(build(d)), "4098 end of the segment 1001 1000");
  d.seg_offset = ~std::uint64_t{0} - 10;
  EXPECT_EQ(verdict(build(d)), "4098 end of the segment 18446744073709551615 1000");
  d.seg_offset = 0;
  d.payload.clear();
  EXPECT_EQ(verdict(build(d)), "4098 empty segment 0 1");

  d = described(PacketType::kRuntReadTagRtm);
  d.payload = with_payload(100);
  d.total_length = 1000;
  d.runt_length = 300;
  d.seg_offset = 200;
  d.read_iovs = {{1, 1000, 2}};
  EXPECT_EQ(verdict(build(d)), "ok");
  d.seg_offset = 201;
  EXPECT_EQ(verdict(build(d)), "4098 end of the segment 301 300");
  d.runt_length = 5000;  // longer than the message: all of it goes in packets (11.5)
  d.seg_offset = 900;
  EXPECT_EQ(verdict(build(d)), "ok");
  d.seg_offset = 901;
  EXPECT_EQ(verdict(build(d)), "4098 end of the segment 1001 1000");

  d = described(PacketType::kDcLongCtsTagRtm);
  d.payload = with_payload(100);
  d.total_length = 100;
  EXPECT_EQ(verdict(build(d)), "ok");
  d.total_length = 99;
  EXPECT_EQ(verdict(build(d)), "4098 end of the segment 100 99");
}

TEST(MalformedPacket, WhoseLengthFieldLeavesThePacket) {
  EXPECT_EQ(verdict(patched(vector_bytes("V6"), 8, std::uint64_t{9})), "4098 segment length 9 8");
  EXPECT_EQ(verdict(patched(vector_bytes("V6"), 8, ~std::uint64_t{0} - 8896)),
            "4098 segment length 18446744073709542719 8");
  EXPECT_EQ(verdict(patched(vector_bytes("V6"), 8, ~std::uint64_t{0} - 8895)),
            "4098 segment offset 8896 8")
      << "offset + length wraps";

  Described d = described(PacketType::kReadRsp);
  d.payload = with_payload(7);
  d.seg_length = 8;
  EXPECT_EQ(verdict(build(d)), "4098 segment length 8 7");
  d.type = PacketType::kAtomRsp;
  EXPECT_EQ(verdict(build(d)), "4098 segment length 8 7");
}

TEST(MalformedPacket, ThatGrantsNothing) {
  EXPECT_EQ(verdict(patched(vector_bytes("V5"), 16, std::uint64_t{0})), "4098 window of a CTS 0 1");
}

TEST(MalformedPacket, ThatSendsAgainAfterReadNackWithData) {
  Described d = described(PacketType::kLongCtsMsgRtm);
  d.total_length = 100;
  d.after_read_nack = true;
  EXPECT_EQ(verdict(build(d)), "ok");
  d.payload = with_payload(1);
  EXPECT_EQ(verdict(build(d)), "4098 payload of a message that is sent again 1 0");
}

TEST(MalformedHandshake, WithACountBeyondThePacket) {
  EXPECT_EQ(verdict(patched(vector_bytes("V3"), 4, std::uint32_t{2})),
            "4098 feature word count of a handshake 2 3");
  EXPECT_EQ(verdict(patched(vector_bytes("V3"), 4, std::uint32_t{0xffffffff})),
            "4098 feature words of a handshake 40 34359738344");
  EXPECT_EQ(verdict(patched(vector_bytes("V3"), 4, std::uint32_t{5})),
            "4098 options of a handshake 40 48");
  EXPECT_EQ(verdict(resized(vector_bytes("V3"), 23)), "4098 connid of a handshake 23 24");
  EXPECT_EQ(verdict(resized(vector_bytes("V3"), 39)), "4098 options of a handshake 39 40");
}

TEST(MalformedHandshake, OfANewerPeerIsReadAsFarAsItIsKnown) {
  // 200 words, an unknown option behind the known ones, surplus bytes (R8).
  Bytes bytes(8 + 200 * 8 + 6 * 8 + 3, std::byte{0x77});
  bytes = patched(bytes, 0, CommonHeader{PacketType::kHandshake, 9, 0x801f});
  bytes = patched(bytes, 4, std::uint32_t{203});
  bytes = patched(bytes, 8 + 200 * 8, kConnid);
  bytes = patched(bytes, 8 + 200 * 8 + 8, std::uint64_t{42});
  bytes = patched(bytes, 8 + 200 * 8 + 32, std::uint8_t{0});
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->feature_words(), 200U);
  EXPECT_EQ(packet->feature_word(199), 0x7777777777777777U);
  EXPECT_EQ(packet->feature_word(200), 0U);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->host_id(), 42U);
  EXPECT_EQ(packet->device(), 0x77777777U);
  EXPECT_EQ(packet->hmem_p2p(), false);
}

TEST(MalformedHandshake, WithoutWordsAnnouncesNothing) {
  Described d = described(PacketType::kHandshake);
  const Bytes bytes = build(d);
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->feature_words(), 0U);
  EXPECT_EQ(packet->features().word(), 0U);
}

TEST(MalformedWrite, WhoseDataAndRemoteMemoryDisagree) {
  EXPECT_EQ(verdict(resized(vector_bytes("V8"), 51)), "4115 data of a write 7 8");
  EXPECT_EQ(verdict(resized(vector_bytes("V8"), 53)), "4115 data of a write 9 8");
  Bytes bytes = vector_bytes("V4");
  bytes.push_back(std::byte{1});
  EXPECT_EQ(verdict(bytes), "4115 data of a write 1 0");

  Described d = described(PacketType::kEagerRtw);
  d.rma_iovs = {{1, 0, 2}};
  EXPECT_EQ(verdict(build(d)), "ok") << "R17";
  d.rma_iovs = {{1, ~std::uint64_t{0}, 2}, {1, 9, 2}};
  d.payload = with_payload(8);
  EXPECT_EQ(verdict(build(d)), "4115 data of a write 8 18446744073709551615")
      << "a sum that does not wrap to 8";

  d = described(PacketType::kLongCtsRtw);
  d.rma_iovs = {{1, 50, 2}, {3, 50, 4}};
  d.total_length = 100;
  d.payload = with_payload(99);
  EXPECT_EQ(verdict(build(d)), "ok");
  d.payload = with_payload(100);
  EXPECT_EQ(verdict(build(d)), "4115 data of the first packet of a write 100 100");
  d.payload = with_payload(10);
  d.total_length = 101;
  EXPECT_EQ(verdict(build(d)), "4115 length of a write 101 100");

  d = described(PacketType::kLongReadRtw);
  d.rma_iovs = {{1, 100, 2}};
  d.read_iovs = {{1, 101, 2}};
  d.total_length = 101;
  EXPECT_EQ(verdict(build(d)), "4115 length of a write 101 100");
}

TEST(MalformedRead, OfMoreThanTheRemoteMemory) {
  Described d = described(PacketType::kShortRtr);
  d.rma_iovs = {{1, 100, 2}};
  d.total_length = 100;
  EXPECT_EQ(verdict(build(d)), "ok");
  d.total_length = 101;
  EXPECT_EQ(verdict(build(d)), "4098 length of a read 101 100");
  d.rma_iovs.clear();
  d.total_length = 0;
  EXPECT_EQ(verdict(build(d)), "ok") << "a read of nothing";
}

TEST(MalformedAtomic, WithTooLittleOperand) {
  EXPECT_EQ(verdict(resized(vector_bytes("V9"), 59)), "4098 operand of an atomic 7 8");

  Described d = described(PacketType::kCompareRta);
  d.rma_iovs = {{1, 4, 2}, {3, 4, 4}};
  d.payload = with_payload(15);
  EXPECT_EQ(verdict(build(d)), "4098 operand of an atomic 15 16");
  d.payload = with_payload(16);
  EXPECT_EQ(verdict(build(d)), "ok");
  d.rma_iovs = {{1, ~std::uint64_t{0} / 2 + 5, 2}};  // twice it is 8
  EXPECT_EQ(verdict(build(d)), "4098 operand of an atomic 16 18446744073709551615");

  d = described(PacketType::kWriteRta);
  d.rma_iovs = {{1, 4, 2}};
  d.op = 10;
  EXPECT_EQ(verdict(build(d)), "4098 operand of an atomic 0 4");
  d.type = PacketType::kFetchRta;
  EXPECT_EQ(verdict(build(d)), "ok") << "FI_ATOMIC_READ has no operand";
}

// Things that look odd and are legal.

TEST(OddPacket, BytesBehindAPacketWithoutDataMeanNothing) {
  for (const char* name : {"V5", "V10", "V11"}) {
    Bytes bytes = vector_bytes(name);
    bytes.resize(bytes.size() + 100);
    const Parsed packet = parse(bytes);
    ASSERT_TRUE(packet) << name;
    EXPECT_TRUE(packet->payload().empty()) << name;
  }
}

TEST(OddPacket, BytesBehindTheOperandOfAnAtomicAreNoneOfIt) {
  const Bytes bytes = resized(vector_bytes("V9"), 100);
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload().size(), 8U);
}

TEST(OddPacket, UnknownFlagsChangeNothing) {  // R7
  Bytes bytes = vector_bytes("V2");
  bytes[2] |= std::byte{0xd0};
  bytes[3] |= std::byte{0x7f};
  const Bytes plain = vector_bytes("V2");
  EXPECT_EQ(describe(*parse(bytes)), describe(*parse(plain)));
}

TEST(OddPacket, OfAControlTypeWithoutTheConnidFlagHasNoConnid) {
  Bytes bytes = vector_bytes("V10");
  bytes[3] = std::byte{0};
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->connid(), std::nullopt);
}

TEST(OddPacket, WithAddressAndConnidBelongsToTheAddress) {  // R5
  Bytes bytes = vector_bytes("V1");
  bytes[3] |= std::byte{0x80};
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_TRUE(packet->payload().empty()) << "what was payload is the connid now";
}

TEST(OddPacket, OnlyAPlainWriteOfNothingIsATrigger) {
  for (const auto& [type, iovs, expected] :
       {std::tuple(PacketType::kEagerRtw, 0, true), std::tuple(PacketType::kEagerRtw, 1, false),
        std::tuple(PacketType::kDcEagerRtw, 0, false)}) {
    Described d = described(type);
    d.rma_iovs.resize(static_cast<std::size_t>(iovs));
    const Bytes bytes = build(d);
    EXPECT_EQ(parse(bytes)->is_trigger(), expected) << static_cast<int>(type) << ' ' << iovs;
  }
}

TEST(OddPacket, WithNeitherAddressNorConnidIsRead) {  // R6
  Described d = described(PacketType::kEagerMsgRtm);
  d.connid = std::nullopt;
  d.payload = with_payload(3);
  const Bytes bytes = build(d);
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->connid(), std::nullopt);
  EXPECT_EQ(packet->payload().size(), 3U);
}

TEST(OddPacket, WithoutAnythingInItIsAMessageOfNothing) {  // R17
  const Bytes bytes = build(described(PacketType::kEagerTagRtm));
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->total_length(), 0U);
}

}  // namespace
}  // namespace efa::rdm::test
