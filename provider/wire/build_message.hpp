// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Builders of two-sided REQ packets (spec efa-rdm-protocol 6.3). Each writes the headers into ROOM
// and returns their length; the payload goes behind them, at most payload_capacity() bytes of it.
// They allocate nothing and cannot fail; ids and lengths are written as given.
#ifndef EFA_PROVIDER_WIRE_BUILD_MESSAGE_HPP
#define EFA_PROVIDER_WIRE_BUILD_MESSAGE_HPP

#include "wire/req_options.hpp"

namespace efa::rdm {

// Payload: the whole message.
inline std::size_t build_eager(Room room, const Envelope& envelope, const ReqOptions& options) {
  return detail::length(
      room, detail::put_message(room, PacketType::kEagerMsgRtm, envelope, options, Eager{}));
}

// The same, and the peer answers RECEIPT to send_id when the message has been delivered.
inline std::size_t build_dc_eager(Room room, const Envelope& envelope, std::uint32_t send_id,
                                  const ReqOptions& options) {
  DcEager header{};
  header.send_id = send_id;
  return detail::length(
      room, detail::put_message(room, PacketType::kDcEagerMsgRtm, envelope, options, header));
}

// Payload: the bytes of the message from seg_offset on.
inline std::size_t build_medium(Room room, const Envelope& envelope, std::uint64_t msg_length,
                                std::uint64_t seg_offset, const ReqOptions& options) {
  Medium header{};
  header.msg_length = msg_length;
  header.seg_offset = seg_offset;
  return detail::length(
      room, detail::put_message(room, PacketType::kMediumMsgRtm, envelope, options, header));
}

inline std::size_t build_dc_medium(Room room, const Envelope& envelope, std::uint32_t send_id,
                                   std::uint64_t msg_length, std::uint64_t seg_offset,
                                   const ReqOptions& options) {
  DcMedium header{};
  header.send_id = send_id;
  header.msg_length = msg_length;
  header.seg_offset = seg_offset;
  return detail::length(
      room, detail::put_message(room, PacketType::kDcMediumMsgRtm, envelope, options, header));
}

// Of a transfer in windows, message or write.
struct Transfer {
  std::uint64_t length = 0;
  std::uint32_t send_id = 0;         // echoed by the peer
  std::uint32_t credit_request = 0;  // FI_EFA_TX_MIN_CREDITS; peers ignore it (11.3)
  bool delivery_complete = false;
};

namespace detail {

inline std::size_t put_longcts(Room room, const Envelope& envelope, const Transfer& transfer,
                               const ReqOptions& options, std::uint16_t more_flags) {
  LongCts header{};
  header.msg_length = transfer.length;
  header.send_id = transfer.send_id;
  header.credit_request = transfer.credit_request;
  const PacketType untagged =
      transfer.delivery_complete ? PacketType::kDcLongCtsMsgRtm : PacketType::kLongCtsMsgRtm;
  return length(room, put_message(room, untagged, envelope, options, header, more_flags));
}

}  // namespace detail

// Payload: the first bytes of the message.
inline std::size_t build_longcts(Room room, const Envelope& envelope, const Transfer& transfer,
                                 const ReqOptions& options) {
  return detail::put_longcts(room, envelope, transfer, options, 0);
}

// Once more, with the msg_id of the message that the peer could not read (11.9). No payload.
inline std::size_t build_longcts_after_read_nack(Room room, const Envelope& envelope,
                                                 const Transfer& transfer,
                                                 const ReqOptions& options) {
  return detail::put_longcts(room, envelope, transfer, options, kReqAfterReadNack);
}

// The peer reads the message from READ_IOVS (1 to kMaxIovs), which are written too and counted in
// the length. No payload.
inline std::size_t build_longread(Room room, const Envelope& envelope, std::uint64_t msg_length,
                                  std::uint32_t send_id, std::span<const Iov> read_iovs,
                                  const ReqOptions& options) {
  LongRead header{};
  header.msg_length = msg_length;
  header.send_id = send_id;
  header.read_iov_count = static_cast<std::uint32_t>(read_iovs.size());
  std::byte* at = detail::put_message(room, PacketType::kLongReadMsgRtm, envelope, options, header);
  return detail::length(room, detail::put_iovs(at, read_iovs));
}

// The start of a message that is sent in packets while the peer reads the rest.
struct Runt {
  std::uint64_t msg_length = 0;
  std::uint64_t runt_length = 0;  // bytes that go in packets
  std::uint64_t seg_offset = 0;   // of this packet's payload
  std::uint32_t send_id = 0;
};

// READ_IOVS: of the whole message, in every packet; written too and counted. Payload: the segment.
inline std::size_t build_runtread(Room room, const Envelope& envelope, const Runt& runt,
                                  std::span<const Iov> read_iovs, const ReqOptions& options) {
  RuntRead header{};
  header.msg_length = runt.msg_length;
  header.send_id = runt.send_id;
  header.read_iov_count = static_cast<std::uint32_t>(read_iovs.size());
  header.seg_offset = runt.seg_offset;
  header.runt_length = runt.runt_length;
  std::byte* at = detail::put_message(room, PacketType::kRuntReadMsgRtm, envelope, options, header);
  return detail::length(room, detail::put_iovs(at, read_iovs));
}

}  // namespace efa::rdm

#endif
