// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Builders of control and data packets (spec efa-rdm-protocol 6.2, 7.1). Each writes the headers
// into ROOM and returns their length. All carry our connid. "Who puts which id where": the table
// in 6.2; send_id and recv_id here are the packet's fields.
#ifndef EFA_PROVIDER_WIRE_BUILD_CONTROL_HPP
#define EFA_PROVIDER_WIRE_BUILD_CONTROL_HPP

#include <array>
#include <optional>

#include "wire/req_options.hpp"

namespace efa::rdm {

struct OpIds {
  std::uint32_t send_id = 0;
  std::uint32_t recv_id = 0;
};

// WINDOW: bytes that the peer may send; more than 0, no more than are missing (11.3).
inline std::size_t build_cts(Room room, std::uint32_t connid, const OpIds& ids,
                             std::uint64_t window, bool emulated_read) {
  const auto flags =
      static_cast<std::uint16_t>(kFlagConnid | (emulated_read ? kCtsEmulatedRead : 0));
  detail::put_header(room, PacketType::kCts, flags,
                     Cts{{}, connid, ids.send_id, ids.recv_id, window});
  return sizeof(Cts);
}

struct Segment {
  std::uint64_t length = 0;
  std::uint64_t offset = 0;  // in the message, write or read
};

// CONNID: only for peers that ask for it in their handshake (R14, 7.4). Payload: the segment.
inline std::size_t build_ctsdata(Room room, std::optional<std::uint32_t> connid,
                                 std::uint32_t recv_id, const Segment& segment) {
  const std::uint16_t flags = connid ? kFlagConnid : std::uint16_t{0};
  std::byte* at = detail::put_header(room, PacketType::kCtsData, flags,
                                     CtsData{{}, recv_id, segment.length, segment.offset});
  const CtsDataConnid last{connid.value_or(0), 0};
  std::memcpy(at, &last, sizeof last);
  return header_length(PacketType::kCtsData, flags);
}

// Payload: the first bytes of the read.
inline std::size_t build_readrsp(Room room, std::uint32_t connid, const OpIds& ids,
                                 std::uint64_t seg_length) {
  detail::put_header(room, PacketType::kReadRsp, kFlagConnid,
                     ReadRsp{{}, connid, ids.recv_id, ids.send_id, seg_length});
  return sizeof(ReadRsp);
}

inline std::size_t build_eor(Room room, std::uint32_t connid, const OpIds& ids) {
  detail::put_header(room, PacketType::kEor, kFlagConnid,
                     Eor{{}, ids.send_id, ids.recv_id, connid});
  return sizeof(Eor);
}

inline std::size_t build_read_nack(Room room, std::uint32_t connid, const OpIds& ids) {
  detail::put_header(room, PacketType::kReadNack, kFlagConnid,
                     ReadNack{{}, ids.send_id, ids.recv_id, connid});
  return sizeof(ReadNack);
}

// Payload: the old value.
inline std::size_t build_atomrsp(Room room, std::uint32_t connid, std::uint32_t recv_id,
                                 std::uint64_t seg_length) {
  detail::put_header(room, PacketType::kAtomRsp, kFlagConnid,
                     AtomRsp{{}, connid, 0, recv_id, seg_length});
  return sizeof(AtomRsp);
}

inline std::size_t build_receipt(Room room, std::uint32_t connid, std::uint32_t send_id,
                                 std::uint32_t msg_id) {
  detail::put_header(room, PacketType::kReceipt, kFlagConnid, Receipt{{}, send_id, msg_id, connid});
  return sizeof(Receipt);
}

// Only for peers that announced kPeerError, which we do not announce ourselves (section 15).
inline std::size_t build_peer_error(Room room, std::uint32_t connid, ReferenceKind kind,
                                    std::uint32_t op_id, std::uint32_t prov_errno) {
  detail::put_header(room, PacketType::kPeerError, kFlagConnid,
                     PeerError{{}, op_id, kind, prov_errno, connid});
  return sizeof(PeerError);
}

struct Handshake {
  std::array<std::uint64_t, kFeatureWords> words{};
  std::uint32_t word_count = 1;  // at most kFeatureWords; everybody sends 1
  std::optional<std::uint32_t> connid;
  std::optional<std::uint64_t> host_id;
  std::optional<std::uint32_t> device;
  std::optional<HandshakeUserRecvQp> user_recv_qp;  // peers up to 2.5 only, never ours (section 16)
  std::optional<bool> hmem_p2p;                     // only together with kPeerError (section 15)
};

namespace detail {

template <class Option, class T>
std::byte* put_option(std::byte* at, std::uint16_t flag, const std::optional<T>& value,
                      std::uint16_t& flags) {
  static_assert(sizeof(Option) == kHandshakeOptionBytes);
  if (!value) return at;
  Option option{};
  std::memcpy(&option, &*value, sizeof *value);  // the value is each option's first member
  std::memcpy(at, &option, sizeof option);
  flags |= flag;
  return at + sizeof option;
}

}  // namespace detail

inline std::size_t build_handshake(Room room, const Handshake& handshake) {
  assert(handshake.word_count <= kFeatureWords);
  std::uint16_t flags = 0;
  std::byte* at = room.data() + sizeof(HandshakeHeader);
  const std::size_t words = handshake.word_count * sizeof(std::uint64_t);
  std::memcpy(at, handshake.words.data(), words);
  at += words;
  at = detail::put_option<HandshakeConnid>(at, kFlagConnid, handshake.connid, flags);
  at = detail::put_option<std::uint64_t>(at, kHandshakeHostId, handshake.host_id, flags);
  at = detail::put_option<HandshakeDevice>(at, kHandshakeDevice, handshake.device, flags);
  at = detail::put_option<HandshakeUserRecvQp>(at, kHandshakeUserRecvQp, handshake.user_recv_qp,
                                               flags);
  at = detail::put_option<HandshakeHmem>(at, kHandshakeHmem, handshake.hmem_p2p, flags);
  detail::put_header(room, PacketType::kHandshake, flags,
                     HandshakeHeader{{}, handshake.word_count + kHandshakeWordBias});
  return detail::length(room, at);
}

}  // namespace efa::rdm

#endif
