// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the builders of REQ packets share: optional headers, message envelope, room to write in
// (spec efa-rdm-protocol 5).
#ifndef EFA_PROVIDER_WIRE_REQ_OPTIONS_HPP
#define EFA_PROVIDER_WIRE_REQ_OPTIONS_HPP

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "wire/capacity.hpp"
#include "wire/layout.hpp"

namespace efa::rdm {

// The builders store optional parts whether they are wanted or not, and go on behind those that
// are: so they write up to this many bytes, more than the length that they return. The largest
// header with the largest array of read iovs, LONGREAD_RTW:
inline constexpr std::size_t kBuildRoom =
    header_length(PacketType::kLongReadRtw, kReqRawAddress | kReqCqData | kFlagConnid,
                  2 * kMaxIovs) +
    sizeof(std::uint64_t);
// Where a packet is built: the start of a buffer with so many bytes.
using Room = std::span<std::byte, kBuildRoom>;

// The optional headers of one REQ: who sends it, and CQ data. Raw address and connid exclude each
// other by construction.
class ReqOptions {
 public:
  // Neither: for a peer that knows (AH, QPN) already; allowed, used by nobody.
  constexpr ReqOptions() = default;
  // Before the peer's handshake has arrived. The address is read when the packet is built.
  static constexpr ReqOptions with_address(const RawAddress& own) {
    ReqOptions made;
    made.flags_ = kReqRawAddress;
    made.address_ = &own;
    return made;
  }
  // After it has arrived.
  static constexpr ReqOptions with_connid(std::uint32_t own) {
    ReqOptions made;
    made.flags_ = kFlagConnid;
    made.connid_ = own;
    return made;
  }
  constexpr ReqOptions& cq_data(std::uint64_t value) {
    flags_ |= kReqCqData;
    cq_data_ = value;
    return *this;
  }

  // Of the common header; for header_length() and payload_capacity().
  constexpr std::uint16_t flags() const { return flags_; }

  // Writes them at AT; gives the place behind.
  std::byte* put(std::byte* at) const {
    if (address_ != nullptr) at = put_address(at);
    std::memcpy(at, &cq_data_, sizeof cq_data_);
    at += (flags_ & kReqCqData) != 0 ? sizeof cq_data_ : 0;
    std::memcpy(at, &connid_, sizeof connid_);
    return at + ((flags_ & kFlagConnid) != 0 ? sizeof connid_ : 0);
  }

 private:
  std::byte* put_address(std::byte* at) const {
    constexpr std::uint32_t length = kWrittenAddressBytes;
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + sizeof length, address_, sizeof *address_);
    std::memset(at + sizeof length + sizeof *address_, 0, length - sizeof *address_);
    return at + sizeof length + length;
  }

  const RawAddress* address_ = nullptr;
  std::uint64_t cq_data_ = 0;
  std::uint32_t connid_ = 0;
  std::uint16_t flags_ = 0;
};

// What every two-sided message has.
struct Envelope {
  std::uint32_t msg_id = 0;
  bool tagged = false;
  std::uint64_t tag = 0;  // sent if tagged
};

namespace detail {

// IOVS: at most kMaxIovs, which the limits of the provider's attributes ensure.
inline std::byte* put_iovs(std::byte* at, std::span<const Iov> iovs) {
  assert(iovs.size() <= kMaxIovs);
  for (const Iov& iov : iovs) {
    std::memcpy(at, &iov, sizeof iov);
    at += sizeof iov;
  }
  return at;
}

template <class Header>
std::byte* put_header(Room room, PacketType type, std::uint16_t flags, Header header) {
  header.common = {type, kProtocolVersion, flags};
  std::memcpy(room.data(), &header, sizeof header);
  return room.data() + sizeof header;
}

// The tag stands behind the untagged header, see Tagged.
template <class Header>
std::byte* put_message(Room room, PacketType untagged, const Envelope& envelope,
                       const ReqOptions& options, Header header, std::uint16_t more_flags = 0) {
  const auto flags = static_cast<std::uint16_t>(options.flags() | more_flags | kReqTwoSided |
                                                (envelope.tagged ? kReqTagged : 0));
  header.msg_id = envelope.msg_id;
  std::byte* at = put_header(room, tagged_form(untagged, envelope.tagged), flags, header);
  std::memcpy(at, &envelope.tag, sizeof envelope.tag);
  return options.put(at + (envelope.tagged ? sizeof envelope.tag : 0));
}

// RMA and atomic REQ packets: the remote iovs are between header and options.
template <class Header>
std::byte* put_rma(Room room, PacketType type, std::span<const Iov> iovs, const ReqOptions& options,
                   Header header, std::uint16_t more_flags = 0) {
  header.rma_iov_count = static_cast<std::uint32_t>(iovs.size());
  const auto flags = static_cast<std::uint16_t>(options.flags() | more_flags);
  return options.put(put_iovs(put_header(room, type, flags, header), iovs));
}

inline std::size_t length(Room room, const std::byte* end) {
  return static_cast<std::size_t>(end - room.data());
}

}  // namespace detail

}  // namespace efa::rdm

#endif
