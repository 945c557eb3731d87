// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A packet as plain values: what a view says, and what the builders make of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "wire/build_control.hpp"
#include "wire/build_message.hpp"
#include "wire/build_rma.hpp"
#include "wire/packet.hpp"

namespace efa::rdm::test {

using Bytes = std::vector<std::byte>;

struct Described {
  PacketType type = PacketType::kNone;
  bool after_read_nack = false;
  bool emulated_read = false;
  std::uint32_t msg_id = 0, send_id = 0, recv_id = 0, credit_request = 0, first_window = 0;
  std::uint32_t datatype = 0, op = 0, op_id = 0, prov_errno = 0;
  ReferenceKind ref_kind = ReferenceKind::kOperation;
  std::uint64_t tag = 0, seg_offset = 0, seg_length = 0, runt_length = 0, recv_length = 0;
  std::uint64_t total_length = 0;
  std::optional<std::uint32_t> connid;
  std::optional<RawAddress> address;
  std::optional<std::uint64_t> cq_data;
  std::vector<Iov> rma_iovs, read_iovs;
  std::vector<std::uint64_t> words;
  std::optional<std::uint64_t> host_id;
  std::optional<std::uint32_t> device;
  std::optional<HandshakeUserRecvQp> user_recv_qp;
  std::optional<bool> hmem_p2p;
  Bytes payload;

  friend bool operator==(const Described&, const Described&) = default;
};

/// Calls every accessor and reads every byte that it gives.
inline Described describe(const Packet& packet) {
  Described made;
  made.type = packet.type();
  made.after_read_nack = packet.after_read_nack();
  made.emulated_read = packet.cts_for_emulated_read();
  made.msg_id = packet.msg_id();
  made.send_id = packet.send_id();
  made.recv_id = packet.recv_id();
  made.credit_request = packet.credit_request();
  made.first_window = packet.first_window();
  made.datatype = packet.datatype();
  made.op = packet.op();
  made.op_id = packet.op_id();
  made.prov_errno = packet.prov_errno();
  made.ref_kind = packet.ref_kind();
  made.tag = packet.tag();
  made.seg_offset = packet.seg_offset();
  made.seg_length = packet.seg_length();
  made.runt_length = packet.runt_length();
  made.recv_length = packet.recv_length();
  made.total_length = packet.total_length();
  made.connid = packet.connid();
  made.address = packet.raw_address();
  made.cq_data = packet.cq_data();
  for (std::size_t i = 0; i < packet.rma_iov_count(); ++i)
    made.rma_iovs.push_back(packet.rma_iov(i));
  for (std::size_t i = 0; i < packet.read_iov_count(); ++i)
    made.read_iovs.push_back(packet.read_iov(i));
  for (std::size_t i = 0; i < packet.feature_words(); ++i)
    made.words.push_back(packet.feature_word(i));
  made.host_id = packet.host_id();
  made.device = packet.device();
  made.user_recv_qp = packet.user_recv_qp();
  made.hmem_p2p = packet.hmem_p2p();
  made.payload.assign(packet.payload().begin(), packet.payload().end());
  return made;
}

inline ReqOptions options_of(const Described& d) {
  ReqOptions options;
  if (d.address)
    options = ReqOptions::with_address(*d.address);
  else if (d.connid)
    options = ReqOptions::with_connid(*d.connid);
  if (d.cq_data) options.cq_data(*d.cq_data);
  return options;
}

inline std::size_t build_message_headers(Room room, const Described& d) {
  const Envelope envelope{d.msg_id, shape(d.type).tagged, d.tag};
  const ReqOptions options = options_of(d);
  const Transfer transfer{d.total_length, d.send_id, d.credit_request,
                          shape(d.type).delivery_complete};
  switch (shape(d.type).kind) {
    case Kind::kEager:
      return transfer.delivery_complete ? build_dc_eager(room, envelope, d.send_id, options)
                                        : build_eager(room, envelope, options);
    case Kind::kMedium:
      return transfer.delivery_complete
                 ? build_dc_medium(room, envelope, d.send_id, d.total_length, d.seg_offset, options)
                 : build_medium(room, envelope, d.total_length, d.seg_offset, options);
    case Kind::kLongCts:
      return d.after_read_nack ? build_longcts_after_read_nack(room, envelope, transfer, options)
                               : build_longcts(room, envelope, transfer, options);
    case Kind::kLongRead:
      return build_longread(room, envelope, d.total_length, d.send_id, d.read_iovs, options);
    case Kind::kRuntRead:
      return build_runtread(room, envelope,
                            {d.total_length, d.runt_length, d.seg_offset, d.send_id}, d.read_iovs,
                            options);
    default:
      std::abort();
  }
}

inline std::size_t build_rma_headers(Room room, const Described& d) {
  const ReqOptions options = options_of(d);
  const bool dc = shape(d.type).delivery_complete;
  const EmulatedRead read{d.total_length, d.recv_id, d.first_window};
  const Atomic atomic{d.msg_id, d.datatype, d.op};
  switch (shape(d.type).kind) {
    case Kind::kEagerWrite:
      return dc ? build_dc_eager_write(room, d.send_id, d.rma_iovs, options)
                : build_eager_write(room, d.rma_iovs, options);
    case Kind::kLongCtsWrite:
      return build_longcts_write(room, {d.total_length, d.send_id, d.credit_request, dc},
                                 d.rma_iovs, options);
    case Kind::kLongReadWrite:
      return build_longread_write(room, d.total_length, d.send_id, d.rma_iovs, d.read_iovs,
                                  options);
    case Kind::kShortRead:
      return build_short_read(room, read, d.rma_iovs, options);
    case Kind::kLongCtsRead:
      return build_longcts_read(room, read, d.rma_iovs, options);
    case Kind::kAtomicWrite:
      return dc ? build_dc_atomic_write(room, atomic, d.send_id, d.rma_iovs, options)
                : build_atomic_write(room, atomic, d.rma_iovs, options);
    case Kind::kAtomicFetch:
      return build_atomic_fetch(room, atomic, d.recv_id, d.rma_iovs, options);
    case Kind::kAtomicCompare:
      return build_atomic_compare(room, atomic, d.recv_id, d.rma_iovs, options);
    default:
      std::abort();
  }
}

inline Handshake handshake_of(const Described& d) {
  Handshake made;
  made.word_count = static_cast<std::uint32_t>(d.words.size());
  for (std::size_t i = 0; i < d.words.size(); ++i) made.words.at(i) = d.words[i];
  made.connid = d.connid;
  made.host_id = d.host_id;
  made.device = d.device;
  made.user_recv_qp = d.user_recv_qp;
  made.hmem_p2p = d.hmem_p2p;
  return made;
}

inline std::size_t build_control_headers(Room room, const Described& d) {
  const OpIds ids{d.send_id, d.recv_id};
  const std::uint32_t connid = d.connid.value_or(0);
  switch (shape(d.type).kind) {
    case Kind::kCts:
      return build_cts(room, connid, ids, d.recv_length, d.emulated_read);
    case Kind::kCtsData:
      return build_ctsdata(room, d.connid, d.recv_id, {d.seg_length, d.seg_offset});
    case Kind::kReadRsp:
      return build_readrsp(room, connid, ids, d.seg_length);
    case Kind::kEor:
      return build_eor(room, connid, ids);
    case Kind::kAtomRsp:
      return build_atomrsp(room, connid, d.recv_id, d.seg_length);
    case Kind::kHandshake:
      return build_handshake(room, handshake_of(d));
    case Kind::kReceipt:
      return build_receipt(room, connid, d.send_id, d.msg_id);
    case Kind::kReadNack:
      return build_read_nack(room, connid, ids);
    case Kind::kPeerError:
      return build_peer_error(room, connid, d.ref_kind, d.op_id, d.prov_errno);
    default:
      std::abort();
  }
}

/// The packet that D describes: the headers from its builder, then the payload. What is not header
/// is filled with rubbish first, as in a buffer that was used before.
inline Bytes build(const Described& d) {
  Bytes bytes(kBuildRoom + d.payload.size(), std::byte{0xee});
  const Room room = std::span(bytes).first<kBuildRoom>();
  const Kind kind = shape(d.type).kind;
  const std::size_t header = is_message(kind)   ? build_message_headers(room, d)
                             : is_request(kind) ? build_rma_headers(room, d)
                                                : build_control_headers(room, d);
  if (header > kBuildRoom) std::abort();
  for (std::size_t i = 0; i < d.payload.size(); ++i) bytes[header + i] = d.payload[i];
  bytes.resize(header + d.payload.size());
  return Bytes(bytes.begin(),
               bytes.end());  // of exactly that size, so that a sanitizer sees the end
}

}  // namespace efa::rdm::test
