// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A received packet after its check: the only way to read one. parse() makes it; what it gives lies
// inside the packet's bytes, whatever the peer wrote (spec efa-rdm-protocol 18, R7 - R14).
#ifndef EFA_PROVIDER_WIRE_PACKET_HPP
#define EFA_PROVIDER_WIRE_PACKET_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "wire/layout.hpp"
#include "wire/protocol.hpp"
#include "wire/provider_errno.hpp"
#include "wire/shape.hpp"

namespace efa::rdm {

// A view: valid as long as the bytes that were parsed stay where and as they are. Every accessor is
// safe for every packet: a field that the type does not have reads as 0, an absent option as
// nullopt. Not checked here, because one packet does not tell: whether ids are known, whether
// offsets are within the op (R10, R11), whether datatype and op of an atomic exist.
class Packet {
 public:
  PacketType type() const { return type_; }
  Kind kind() const { return shape_->kind; }
  bool tagged() const { return shape_->tagged; }
  bool delivery_complete() const { return shape_->delivery_complete; }
  std::uint16_t flags() const { return flags_; }
  bool has(Field field) const { return shape_->has(field); }

  // The bytes behind all headers, iovs included: message or segment; operand (and compare data) of
  // an atomic; nothing for types without data.
  std::span<const std::byte> payload() const { return {base_ + payload_at_, payload_size_}; }

  // Fields of mandatory headers.
  std::uint32_t msg_id() const { return u32(Field::kMsgId); }
  std::uint32_t send_id() const { return u32(Field::kSendId); }
  std::uint32_t recv_id() const { return u32(Field::kRecvId); }
  std::uint64_t tag() const { return u64(Field::kTag); }
  std::uint64_t seg_offset() const { return u64(Field::kSegOffset); }
  std::uint64_t seg_length() const { return u64(Field::kSegLength); }
  std::uint64_t runt_length() const { return u64(Field::kRuntLength); }
  std::uint32_t credit_request() const { return u32(Field::kCreditRequest); }
  std::uint64_t recv_length() const { return u64(Field::kRecvLength); }
  std::uint32_t first_window() const { return u32(Field::kFirstWindow); }
  std::uint32_t datatype() const { return u32(Field::kDatatype); }
  std::uint32_t op() const { return u32(Field::kOp); }
  std::uint32_t op_id() const { return u32(Field::kOpId); }
  ReferenceKind ref_kind() const { return static_cast<ReferenceKind>(u32(Field::kRefKind)); }
  std::uint32_t prov_errno() const { return u32(Field::kProvErrno); }

  // Bytes of the whole message, write or read: from the header where it says so, else the payload.
  std::uint64_t total_length() const {
    return has(Field::kMsgLength) ? u64(Field::kMsgLength) : payload_size_;
  }

  bool after_read_nack() const {
    return kind() == Kind::kLongCts && (flags_ & kReqAfterReadNack) != 0;
  }
  bool cts_for_emulated_read() const {
    return kind() == Kind::kCts && (flags_ & kCtsEmulatedRead) != 0;
  }
  // EAGER_RTW without iovs and data: wants our handshake and nothing else (R4).
  bool is_trigger() const {
    return type_ == PacketType::kEagerRtw && rma_iov_count_ == 0 && payload_size_ == 0;
  }

  // Who sent it. With a raw address its connid is authoritative (R5); without kFlagConnid the fixed
  // places of control packets say nothing (section 8, step 2).
  std::optional<std::uint32_t> connid() const {
    if (connid_at_ == 0) return std::nullopt;
    return load<std::uint32_t>(connid_at_);
  }
  std::optional<RawAddress> raw_address() const {
    if (address_at_ == 0) return std::nullopt;
    return load<RawAddress>(address_at_);
  }
  std::optional<std::uint64_t> cq_data() const {
    if (cq_data_at_ == 0) return std::nullopt;
    return load<std::uint64_t>(cq_data_at_);
  }

  // At most kMaxIovs of each; past the count an empty iov.
  std::size_t rma_iov_count() const { return rma_iov_count_; }
  Iov rma_iov(std::size_t i) const {
    return i < rma_iov_count_ ? load<Iov>(shape_->header_bytes + i * sizeof(Iov)) : Iov{};
  }
  std::size_t read_iov_count() const { return read_iov_count_; }
  Iov read_iov(std::size_t i) const {
    return i < read_iov_count_ ? load<Iov>(read_iovs_at_ + i * sizeof(Iov)) : Iov{};
  }

  // Handshake. A word or an option that the peer did not send is 0 or nullopt.
  std::size_t feature_words() const { return feature_words_; }
  std::uint64_t feature_word(std::size_t i) const {
    return i < feature_words_
               ? load<std::uint64_t>(sizeof(HandshakeHeader) + i * sizeof(std::uint64_t))
               : 0;
  }
  Features features() const { return Features(feature_word(0)); }
  std::optional<std::uint64_t> host_id() const { return option<std::uint64_t>(kHandshakeHostId); }
  std::optional<std::uint32_t> device() const { return option<std::uint32_t>(kHandshakeDevice); }
  std::optional<HandshakeUserRecvQp> user_recv_qp() const {
    return option<HandshakeUserRecvQp>(kHandshakeUserRecvQp);
  }
  std::optional<bool> hmem_p2p() const {
    const auto value = option<std::uint8_t>(kHandshakeHmem);
    if (!value) return std::nullopt;
    return *value != 0;
  }

 private:
  friend class Parser;
  friend class Parsed;
  Packet() = default;

  template <class T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, base_ + at, sizeof value);
    return value;
  }
  std::uint32_t u32(Field field) const {
    return has(field) ? load<std::uint32_t>(shape_->offset(field)) : 0;
  }
  std::uint64_t u64(Field field) const {
    return has(field) ? load<std::uint64_t>(shape_->offset(field)) : 0;
  }

  // Options of a handshake stand in the order of their flags; an absent one takes no room.
  template <class T>
  std::optional<T> option(std::uint16_t flag) const {
    if (kind() != Kind::kHandshake || (flags_ & flag) == 0) return std::nullopt;
    const auto before = static_cast<std::size_t>(
        std::popcount(static_cast<unsigned>(flags_ & (flag - 1U) & kHandshakeOptions)));
    return load<T>(options_at_ + before * kHandshakeOptionBytes);
  }

  // A packet that was never parsed is of kind kNone: has no field, option or payload.
  const std::byte* base_ = nullptr;
  const Shape* shape_ = &shape(PacketType::kNone);
  std::size_t payload_at_ = 0;
  std::size_t payload_size_ = 0;
  std::size_t feature_words_ = 0;
  std::size_t options_at_ = 0;  // of a handshake, behind the connid
  std::size_t connid_at_ = 0;
  std::uint16_t flags_ = 0;
  std::uint16_t address_at_ = 0;
  std::uint16_t cq_data_at_ = 0;
  std::uint16_t read_iovs_at_ = 0;
  std::uint8_t rma_iov_count_ = 0;
  std::uint8_t read_iov_count_ = 0;
  PacketType type_ = PacketType::kNone;
};

// Why bytes are no packet: CODE for the EQ entry, the rest for the sentence in the log.
struct Malformed {
  ProviderErrno code = ProviderErrno::kNone;
  const char* subject = "";  // what of the packet is wrong, e.g. "remote iovs"
  std::uint64_t value = 0;   // what it is
  std::uint64_t limit = 0;   // what it may be at most (or at least, for a length or the version)
};

// A packet or the reason why there is none.
class [[nodiscard]] Parsed {
 public:
  explicit operator bool() const { return error_.code == ProviderErrno::kNone; }
  // Without a packet an empty one, of kind kNone.
  const Packet& operator*() const { return packet_; }
  const Packet* operator->() const { return &packet_; }
  const Malformed& error() const { return error_; }

 private:
  friend class Parser;
  Parsed() = default;

  Packet packet_;
  Malformed error_;
};

// The boundary to the network: checks all that one packet tells about itself, against its length.
//   bytes   what the device wrote into the receive buffer: its start, and the length that the
//           completion says; any alignment. Must stay unchanged as long as the Packet is used.
// No allocation, no exception; thread-safe. Error codes: kRetiredPacketType (types 1 and 2),
// kSizeMismatch (an emulated write whose data and remote iovs disagree, section 11.7),
// kInvalidPacketType (all else, R11 and R19). A version above 4 is read as 4 (section 3).
Parsed parse(std::span<const std::byte> bytes);

}  // namespace efa::rdm

#endif
