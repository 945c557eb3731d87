// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Spec efa-rdm-protocol 23, both ways: our builders give exactly these bytes, and these bytes read
// back as what the specification says in words.
#include "wire/vectors.hpp"

#include <gtest/gtest.h>

#include <string_view>

#include "wire/described.hpp"

namespace efa::rdm::test {
namespace {

constexpr std::uint64_t kTag = 0x1122334455667788;

class Vectors : public testing::Test {
 protected:
  Room room() { return std::span(buffer_).first<kBuildRoom>(); }

  Bytes built(std::size_t header, std::string_view payload = "") {
    Bytes made(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(header));
    for (const char c : payload) made.push_back(static_cast<std::byte>(c));
    return made;
  }

  std::array<std::byte, 512> buffer_ = [] {
    std::array<std::byte, 512> made{};
    made.fill(std::byte{0xee});
    return made;
  }();
};

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(Vectors, V1EagerWithRawAddress) {
  const ReqOptions options = ReqOptions::with_address(kSender);
  EXPECT_EQ(built(build_eager(room(), {}, options), "abcd"), vector_bytes("V1"));

  const Bytes bytes = vector_bytes("V1");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 52U);
  EXPECT_EQ(packet->type(), PacketType::kEagerMsgRtm);
  EXPECT_EQ(packet->msg_id(), 0U);
  EXPECT_EQ(packet->raw_address(), kSender);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->cq_data(), std::nullopt);
  EXPECT_FALSE(packet->tagged());
  EXPECT_EQ(packet->total_length(), 4U);
  EXPECT_EQ(text(packet->payload()), "abcd");
}

TEST_F(Vectors, V2TaggedEagerWithCqData) {
  ReqOptions options = ReqOptions::with_connid(kConnid);
  options.cq_data(0x99);
  const Envelope envelope{.msg_id = 7, .tagged = true, .tag = kTag};
  EXPECT_EQ(built(build_eager(room(), envelope, options), "hello"), vector_bytes("V2"));

  const Bytes bytes = vector_bytes("V2");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 33U);
  EXPECT_EQ(packet->type(), PacketType::kEagerTagRtm);
  EXPECT_EQ(packet->msg_id(), 7U);
  EXPECT_TRUE(packet->tagged());
  EXPECT_EQ(packet->tag(), kTag);
  EXPECT_EQ(packet->cq_data(), 0x99U);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->raw_address(), std::nullopt);
  EXPECT_EQ(text(packet->payload()), "hello");
}

TEST_F(Vectors, V3Handshake) {
  Handshake handshake;
  handshake.words[0] = Features::kAlways | Features::kRdmaRead;
  handshake.connid = kConnid;
  handshake.host_id = 0x0123456789abcdef;
  handshake.device = 0xefa1;
  EXPECT_EQ(built(build_handshake(room(), handshake)), vector_bytes("V3"));

  const Bytes bytes = vector_bytes("V3");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 40U);
  EXPECT_EQ(packet->kind(), Kind::kHandshake);
  EXPECT_EQ(packet->feature_words(), 1U);
  EXPECT_EQ(packet->features().word(), 0x5bU);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->host_id(), 0x0123456789abcdefU);
  EXPECT_EQ(packet->device(), 0xefa1U);
  EXPECT_EQ(packet->user_recv_qp(), std::nullopt);
  EXPECT_EQ(packet->hmem_p2p(), std::nullopt);
}

TEST_F(Vectors, V4Trigger) {
  EXPECT_EQ(built(build_trigger(room(), kSender)), vector_bytes("V4"));

  const Bytes bytes = vector_bytes("V4");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 48U);
  EXPECT_EQ(packet->type(), PacketType::kEagerRtw);
  EXPECT_TRUE(packet->is_trigger());
  EXPECT_EQ(packet->raw_address(), kSender);
  EXPECT_TRUE(packet->payload().empty());
}

TEST_F(Vectors, V5Cts) {
  const OpIds ids{.send_id = 5, .recv_id = 9};
  EXPECT_EQ(built(build_cts(room(), kConnid, ids, cts_window(8928, 32), false)),
            vector_bytes("V5"));

  const Bytes bytes = vector_bytes("V5");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->kind(), Kind::kCts);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->send_id(), 5U);
  EXPECT_EQ(packet->recv_id(), 9U);
  EXPECT_EQ(packet->recv_length(), 284672U);
  EXPECT_FALSE(packet->cts_for_emulated_read());
}

TEST_F(Vectors, V6CtsData) {
  const Segment segment{.length = 8, .offset = 8896};
  EXPECT_EQ(built(build_ctsdata(room(), kConnid, 9, segment), "01234567"), vector_bytes("V6"));

  const Bytes bytes = vector_bytes("V6");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->kind(), Kind::kCtsData);
  EXPECT_EQ(packet->recv_id(), 9U);
  EXPECT_EQ(packet->seg_offset(), 8896U);
  EXPECT_EQ(packet->seg_length(), 8U);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(text(packet->payload()), "01234567");
}

TEST_F(Vectors, V7TaggedLongRead) {
  const std::array iovs = {Iov{0x7f0000001000, 1 << 20, 0x1234}};
  const Envelope envelope{.msg_id = 3, .tagged = true, .tag = 0xabc};
  const auto length =
      build_longread(room(), envelope, 1 << 20, 5, iovs, ReqOptions::with_connid(kConnid));
  EXPECT_EQ(built(length), vector_bytes("V7"));

  const Bytes bytes = vector_bytes("V7");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 60U);
  EXPECT_EQ(packet->type(), PacketType::kLongReadTagRtm);
  EXPECT_EQ(packet->msg_id(), 3U);
  EXPECT_EQ(packet->total_length(), 1U << 20);
  EXPECT_EQ(packet->send_id(), 5U);
  EXPECT_EQ(packet->tag(), 0xabcU);
  EXPECT_EQ(packet->connid(), kConnid);
  ASSERT_EQ(packet->read_iov_count(), 1U);
  EXPECT_EQ(packet->read_iov(0), iovs[0]);
  EXPECT_TRUE(packet->payload().empty());
}

TEST_F(Vectors, V8DeliveryCompleteEagerWrite) {
  const std::array iovs = {Iov{0x7f0000002000, 8, 0x77}};
  const auto length = build_dc_eager_write(room(), 11, iovs, ReqOptions::with_connid(kConnid));
  EXPECT_EQ(built(length, "WRITE8B!"), vector_bytes("V8"));

  const Bytes bytes = vector_bytes("V8");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 52U);
  EXPECT_EQ(packet->kind(), Kind::kEagerWrite);
  EXPECT_TRUE(packet->delivery_complete());
  EXPECT_FALSE(packet->is_trigger());
  EXPECT_EQ(packet->send_id(), 11U);
  ASSERT_EQ(packet->rma_iov_count(), 1U);
  EXPECT_EQ(packet->rma_iov(0), iovs[0]);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(text(packet->payload()), "WRITE8B!");
}

TEST_F(Vectors, V9AtomicFetch) {
  const std::array iovs = {Iov{0x7f0000003000, 8, 0x88}};
  const Atomic sum{.msg_id = 4, .datatype = 7, .op = 2};
  const auto length = build_atomic_fetch(room(), sum, 13, iovs, ReqOptions::with_connid(kConnid));
  EXPECT_EQ(built(length, std::string_view("\1\0\0\0\0\0\0\0", 8)), vector_bytes("V9"));

  const Bytes bytes = vector_bytes("V9");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(bytes.size(), 60U);
  EXPECT_EQ(packet->type(), PacketType::kFetchRta);
  EXPECT_EQ(packet->msg_id(), 4U);
  EXPECT_EQ(packet->datatype(), 7U);
  EXPECT_EQ(packet->op(), 2U);
  EXPECT_EQ(packet->recv_id(), 13U);
  ASSERT_EQ(packet->rma_iov_count(), 1U);
  EXPECT_EQ(packet->rma_iov(0), iovs[0]);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->payload().size(), 8U);
}

TEST_F(Vectors, V10Eor) {
  EXPECT_EQ(built(build_eor(room(), kConnid, {.send_id = 5, .recv_id = 9})), vector_bytes("V10"));

  const Bytes bytes = vector_bytes("V10");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->kind(), Kind::kEor);
  EXPECT_EQ(packet->send_id(), 5U);
  EXPECT_EQ(packet->recv_id(), 9U);
  EXPECT_EQ(packet->connid(), kConnid);
}

TEST_F(Vectors, V11Receipt) {
  EXPECT_EQ(built(build_receipt(room(), kConnid, 5, 3)), vector_bytes("V11"));

  const Bytes bytes = vector_bytes("V11");
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->kind(), Kind::kReceipt);
  EXPECT_EQ(packet->send_id(), 5U);
  EXPECT_EQ(packet->msg_id(), 3U);
  EXPECT_EQ(packet->connid(), kConnid);
}

TEST_F(Vectors, V12TaggedMediumHeader) {
  const Envelope envelope{.msg_id = 2, .tagged = true, .tag = 0xabc};
  const auto length = build_medium(room(), envelope, 17728, 8864, ReqOptions::with_connid(kConnid));
  EXPECT_EQ(built(length), vector_bytes("V12"));

  // The vector is the header alone; its segment is the second half.
  Bytes bytes = vector_bytes("V12");
  EXPECT_EQ(bytes.size(), 36U);
  bytes.resize(36 + 8864);
  const Parsed packet = parse(bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type(), PacketType::kMediumTagRtm);
  EXPECT_EQ(packet->msg_id(), 2U);
  EXPECT_EQ(packet->total_length(), 17728U);
  EXPECT_EQ(packet->seg_offset(), 8864U);
  EXPECT_EQ(packet->tag(), 0xabcU);
  EXPECT_EQ(packet->connid(), kConnid);
  EXPECT_EQ(packet->payload().size(), 8864U);
}

}  // namespace
}  // namespace efa::rdm::test
