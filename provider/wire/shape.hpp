// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a packet type is, as data: kind, size of the mandatory header, where each field is. Made
// from layout.hpp by the compiler, so that there is no second place with an offset.
#ifndef EFA_PROVIDER_WIRE_SHAPE_HPP
#define EFA_PROVIDER_WIRE_SHAPE_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "wire/layout.hpp"
#include "wire/protocol.hpp"

namespace efa::rdm {

// What a receiver does with a packet: tagged and delivery-complete forms of one thing share a kind.
enum class Kind : std::uint8_t {
  kNone,  // not to be received: unknown, reserved, or defined and unused (section 18, R19)
  kRetired,
  kCts,
  kCtsData,
  kReadRsp,
  kEor,
  kAtomRsp,
  kHandshake,
  kReceipt,
  kReadNack,
  kPeerError,
  // REQ packets from here; messages first.
  kEager,
  kMedium,
  kLongCts,
  kLongRead,
  kRuntRead,
  kEagerWrite,
  kLongCtsWrite,
  kLongReadWrite,
  kShortRead,
  kLongCtsRead,
  kAtomicWrite,
  kAtomicFetch,
  kAtomicCompare,
};

constexpr bool is_request(Kind kind) {
  return kind >= Kind::kEager;
}
constexpr bool is_message(Kind kind) {
  return kind >= Kind::kEager && kind <= Kind::kRuntRead;
}
constexpr bool is_atomic(Kind kind) {
  return kind >= Kind::kAtomicWrite;
}

enum class Field : std::uint8_t {
  kConnid,
  kSendId,
  kRecvId,
  kMsgId,
  kMsgLength,
  kSegLength,
  kSegOffset,
  kRuntLength,
  kCreditRequest,
  kReadIovCount,
  kRmaIovCount,
  kRecvLength,
  kFirstWindow,
  kTag,
  kDatatype,
  kOp,
  kOpId,
  kRefKind,
  kProvErrno,
  kCount,
};

// 32 bytes, so that finding one is a shift.
struct alignas(32) Shape {
  Kind kind = Kind::kNone;
  bool tagged = false;
  bool delivery_complete = false;
  std::uint8_t header_bytes = 0;  // mandatory header, without iovs
  // Offset of each field, 0 where the type has none: the common header is there, no field.
  std::array<std::uint8_t, static_cast<std::size_t>(Field::kCount)> at{};

  constexpr std::uint8_t offset(Field field) const { return at[static_cast<std::size_t>(field)]; }
  constexpr bool has(Field field) const { return offset(field) != 0; }
};

namespace detail {

// NOLINTBEGIN(bugprone-macro-parentheses): a member's name cannot be in parentheses
#define EFA_FIELD(field, member)                            \
  if constexpr (requires(Header header) { header.member; }) \
  made.at[static_cast<std::size_t>(Field::field)] =         \
      static_cast<std::uint8_t>(offsetof(Header, member))
// NOLINTEND(bugprone-macro-parentheses)

template <class Header>
constexpr Shape shape_of(Kind kind, bool delivery_complete = false) {
  Shape made;
  made.kind = kind;
  made.delivery_complete = delivery_complete;
  made.header_bytes = sizeof(Header);
  EFA_FIELD(kConnid, connid);
  EFA_FIELD(kSendId, send_id);
  EFA_FIELD(kRecvId, recv_id);
  EFA_FIELD(kMsgId, msg_id);
  EFA_FIELD(kMsgLength, msg_length);
  EFA_FIELD(kSegLength, seg_length);
  EFA_FIELD(kSegOffset, seg_offset);
  EFA_FIELD(kRuntLength, runt_length);
  EFA_FIELD(kCreditRequest, credit_request);
  EFA_FIELD(kReadIovCount, read_iov_count);
  EFA_FIELD(kRmaIovCount, rma_iov_count);
  EFA_FIELD(kRecvLength, recv_length);
  EFA_FIELD(kFirstWindow, first_window);
  EFA_FIELD(kDatatype, datatype);
  EFA_FIELD(kOp, op);
  EFA_FIELD(kOpId, op_id);
  EFA_FIELD(kRefKind, ref_kind);
  EFA_FIELD(kProvErrno, prov_errno);
  return made;
}

#undef EFA_FIELD

template <class Header>
constexpr Shape tagged_shape_of(Shape made) {
  made.tagged = true;
  made.header_bytes = sizeof(Tagged<Header>);
  made.at[static_cast<std::size_t>(Field::kTag)] = offsetof(Tagged<Header>, tag);
  return made;
}

using ShapeTable = std::array<Shape, 256>;

constexpr void set(ShapeTable& table, PacketType type, const Shape& shape) {
  table[static_cast<std::size_t>(type)] = shape;
}

template <class Header>
constexpr void set_message(ShapeTable& table, PacketType untagged, Kind kind,
                           bool delivery_complete = false) {
  const Shape shape = shape_of<Header>(kind, delivery_complete);
  set(table, untagged, shape);
  set(table, tagged_form(untagged, true), tagged_shape_of<Header>(shape));
}

constexpr ShapeTable make_shapes() {
  using enum PacketType;
  ShapeTable table{};
  set(table, kRts, {.kind = Kind::kRetired});
  set(table, kConnack, {.kind = Kind::kRetired});

  set(table, kCts, shape_of<Cts>(Kind::kCts));
  set(table, kCtsData, shape_of<CtsData>(Kind::kCtsData));
  set(table, kReadRsp, shape_of<ReadRsp>(Kind::kReadRsp));
  set(table, kEor, shape_of<Eor>(Kind::kEor));
  set(table, kAtomRsp, shape_of<AtomRsp>(Kind::kAtomRsp));
  set(table, kHandshake, shape_of<HandshakeHeader>(Kind::kHandshake));
  set(table, kReceipt, shape_of<Receipt>(Kind::kReceipt));
  set(table, kReadNack, shape_of<ReadNack>(Kind::kReadNack));
  set(table, kPeerError, shape_of<PeerError>(Kind::kPeerError));

  set_message<Eager>(table, kEagerMsgRtm, Kind::kEager);
  set_message<Medium>(table, kMediumMsgRtm, Kind::kMedium);
  set_message<LongCts>(table, kLongCtsMsgRtm, Kind::kLongCts);
  set_message<LongRead>(table, kLongReadMsgRtm, Kind::kLongRead);
  set_message<RuntRead>(table, kRuntReadMsgRtm, Kind::kRuntRead);
  set_message<DcEager>(table, kDcEagerMsgRtm, Kind::kEager, true);
  set_message<DcMedium>(table, kDcMediumMsgRtm, Kind::kMedium, true);
  set_message<LongCts>(table, kDcLongCtsMsgRtm, Kind::kLongCts, true);

  set(table, kEagerRtw, shape_of<EagerWrite>(Kind::kEagerWrite));
  set(table, kLongCtsRtw, shape_of<LongCtsWrite>(Kind::kLongCtsWrite));
  set(table, kLongReadRtw, shape_of<LongReadWrite>(Kind::kLongReadWrite));
  set(table, kDcEagerRtw, shape_of<DcEagerWrite>(Kind::kEagerWrite, true));
  set(table, kDcLongCtsRtw, shape_of<LongCtsWrite>(Kind::kLongCtsWrite, true));

  set(table, kShortRtr, shape_of<ReadRequest>(Kind::kShortRead));
  set(table, kLongCtsRtr, shape_of<ReadRequest>(Kind::kLongCtsRead));

  set(table, kWriteRta, shape_of<AtomicWrite>(Kind::kAtomicWrite));
  set(table, kDcWriteRta, shape_of<DcAtomicWrite>(Kind::kAtomicWrite, true));
  set(table, kFetchRta, shape_of<AtomicFetch>(Kind::kAtomicFetch));
  set(table, kCompareRta, shape_of<AtomicFetch>(Kind::kAtomicCompare));
  return table;
}

inline constexpr ShapeTable kShapes = make_shapes();

}  // namespace detail

// Any byte may be asked for.
constexpr const Shape& shape(PacketType type) {
  return detail::kShapes[static_cast<std::size_t>(type)];
}

// Feature bits that a receiver must have announced before this type may be sent (section 4,
// "Feature").
constexpr std::uint64_t required_features(PacketType type) {
  const Shape& what = shape(type);
  if (what.delivery_complete) return Features::kDeliveryComplete;
  switch (what.kind) {
    case Kind::kLongRead:
    case Kind::kLongReadWrite:
      return Features::kRdmaRead;
    case Kind::kRuntRead:
      return Features::kRunt | Features::kRdmaRead;
    case Kind::kReadNack:
      return Features::kReadNack;
    case Kind::kPeerError:
      return Features::kPeerError;
    default:
      return 0;
  }
}

}  // namespace efa::rdm

#endif
