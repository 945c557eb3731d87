// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Random valid packets of a given type, small and large, with every option that the type allows.
#pragma once

#include <algorithm>
#include <numeric>
#include <random>

#include "wire/described.hpp"

namespace efa::rdm::test {

class RandomPacket {
 public:
  explicit RandomPacket(std::uint64_t seed) : random_(seed) {}

  Described of(PacketType type) {
    Described made;
    made.type = type;
    const Kind kind = shape(type).kind;
    if (is_request(kind))
      request(made);
    else if (kind == Kind::kHandshake)
      handshake(made);
    else
      control(made);
    if (!shape(type).has(Field::kMsgLength)) made.total_length = made.payload.size();
    return made;
  }

  std::uint64_t below(std::uint64_t limit) { return u64() % limit; }
  bool flip() { return below(2) != 0; }

 private:
  std::uint64_t u64() { return random_(); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(u64()); }
  template <class T>
  std::optional<T> maybe(T value) {
    return flip() ? std::optional<T>(value) : std::nullopt;
  }

  Bytes bytes(std::size_t count) {
    Bytes made(count);
    for (std::byte& byte : made) byte = static_cast<std::byte>(u64());
    return made;
  }

  RawAddress address() {
    RawAddress made{};
    for (std::uint8_t& byte : made.gid) byte = static_cast<std::uint8_t>(u64());
    made.gid[0] = 0xfe;
    made.qpn = static_cast<std::uint16_t>(u64());
    made.connid = u32() & 0x7fffffff;
    return made;
  }

  /// Iovs of TOTAL bytes together.
  std::vector<Iov> iovs(std::size_t count, std::uint64_t total) {
    std::vector<Iov> made;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t len = i + 1 == count ? total : below(total + 1);
      made.push_back({u64(), len, u64()});
      total -= len;
    }
    return made;
  }

  void request(Described& d) {
    if (flip()) {
      d.address = address();
      d.connid = d.address->connid;
    } else {
      d.connid = maybe(u32());
    }
    d.cq_data = maybe(u64());
    const Shape& what = shape(d.type);
    if (what.has(Field::kMsgId)) d.msg_id = u32();
    if (what.has(Field::kSendId)) d.send_id = u32();
    if (what.has(Field::kRecvId)) d.recv_id = u32();
    if (what.has(Field::kTag)) d.tag = u64();
    if (what.has(Field::kCreditRequest)) d.credit_request = u32();
    if (what.has(Field::kFirstWindow)) d.first_window = u32();
    if (what.has(Field::kDatatype)) d.datatype = u32();
    if (what.has(Field::kOp)) d.op = u32();
    if (is_message(what.kind))
      message(d);
    else
      rma(d);
  }

  void message(Described& d) {
    const std::uint64_t size = below(200) + 1;
    d.payload = bytes(size);
    switch (shape(d.type).kind) {
      case Kind::kEager:
        if (flip()) d.payload.clear();
        break;
      case Kind::kMedium:
        segment_of_message(d, size);
        break;
      case Kind::kLongCts:
        d.total_length = size + below(1 << 20);
        d.after_read_nack = flip();
        if (d.after_read_nack || flip()) d.payload.clear();
        break;
      case Kind::kLongRead:
        d.payload.clear();
        d.total_length = u64() >> below(64);
        d.read_iovs = iovs(1 + below(kMaxIovs), d.total_length);
        break;
      default:
        segment_of_message(d, size);
        d.runt_length = d.seg_offset + size + below(1 << 20);
        d.read_iovs = iovs(1 + below(kMaxIovs), d.total_length);
        break;
    }
  }

  void segment_of_message(Described& d, std::uint64_t size) {
    d.seg_offset = below(1 << 20);
    d.total_length = d.seg_offset + size + (flip() ? below(1 << 20) : 0);
  }

  void rma(Described& d) {
    const std::uint64_t size = below(200);
    const std::size_t count = below(kMaxIovs) + 1;
    switch (shape(d.type).kind) {
      case Kind::kEagerWrite:
        if (flip()) d.rma_iovs = iovs(count, size);
        d.payload = bytes(d.rma_iovs.empty() ? 0 : size);
        break;
      case Kind::kLongCtsWrite:
        d.total_length = size + 1 + below(1 << 20);
        d.rma_iovs = iovs(count, d.total_length);
        d.payload = bytes(size);
        break;
      case Kind::kLongReadWrite:
        d.total_length = u64() >> below(64);
        d.rma_iovs = iovs(count, d.total_length);
        d.read_iovs = iovs(1 + below(kMaxIovs), d.total_length);
        break;
      case Kind::kShortRead:
      case Kind::kLongCtsRead:
        d.total_length = u64() >> below(64);
        d.rma_iovs = iovs(count, d.total_length);
        break;
      case Kind::kAtomicCompare:
        d.rma_iovs = iovs(count, size);
        d.payload = bytes(2 * size);
        break;
      default:
        d.rma_iovs = iovs(count, size);
        d.payload = bytes(size);
        break;
    }
  }

  void handshake(Described& d) {
    d.words.resize(below(kFeatureWords + 1));
    for (std::uint64_t& word : d.words) word = u64();
    d.connid = maybe(u32());
    d.host_id = maybe(u64());
    d.device = maybe(u32());
    d.user_recv_qp = maybe(HandshakeUserRecvQp{u32(), u32()});
    d.hmem_p2p = maybe(flip());
  }

  void control(Described& d) {
    const Shape& what = shape(d.type);
    d.connid = what.kind == Kind::kCtsData ? maybe(u32()) : u32();
    if (what.has(Field::kMsgId)) d.msg_id = u32();
    if (what.has(Field::kSendId)) d.send_id = u32();
    if (what.has(Field::kRecvId)) d.recv_id = u32();
    if (what.has(Field::kOpId)) d.op_id = u32();
    if (what.has(Field::kRefKind)) d.ref_kind = static_cast<ReferenceKind>(u32());
    if (what.has(Field::kProvErrno)) d.prov_errno = u32();
    if (what.has(Field::kSegOffset)) d.seg_offset = u64() >> (1 + below(63));
    if (what.has(Field::kRecvLength)) {
      d.recv_length = (u64() >> below(64)) | 1;
      d.emulated_read = flip();
    }
    if (what.has(Field::kSegLength)) {
      d.payload = bytes(below(200));
      d.seg_length = d.payload.size();
    }
  }

  std::mt19937_64 random_;
};

/// Every type that a receiver has to accept (section 4, column A).
inline std::vector<PacketType> accepted_types() {
  std::vector<PacketType> made;
  for (unsigned id = 0; id < 256; ++id) {
    const auto type = static_cast<PacketType>(id);
    if (shape(type).kind != Kind::kNone && shape(type).kind != Kind::kRetired) made.push_back(type);
  }
  return made;
}

}  // namespace efa::rdm::test
