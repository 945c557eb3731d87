// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// How much of a packet is header, and what is left for data (spec efa-rdm-protocol 5, 10.6, 11).
#ifndef EFA_PROVIDER_WIRE_CAPACITY_HPP
#define EFA_PROVIDER_WIRE_CAPACITY_HPP

#include <cstddef>
#include <cstdint>

#include "wire/layout.hpp"
#include "wire/protocol.hpp"
#include "wire/shape.hpp"

namespace efa::rdm {

// What the optional headers of a REQ take as the builders write them.
constexpr std::size_t options_length(std::uint16_t flags) {
  std::size_t bytes = 0;
  if ((flags & kReqRawAddress) != 0) bytes += sizeof(std::uint32_t) + kWrittenAddressBytes;
  if ((flags & kReqCqData) != 0) bytes += sizeof(std::uint64_t);
  if ((flags & kFlagConnid) != 0) bytes += sizeof(std::uint32_t);
  return bytes;
}

// Bytes before the payload. FLAGS as in the common header; IOVS counts remote iovs and the read
// iovs in front of data. A handshake is one without feature words.
constexpr std::size_t header_length(PacketType type, std::uint16_t flags, std::size_t iovs = 0) {
  const Shape& what = shape(type);
  if (is_request(what.kind)) return what.header_bytes + iovs * sizeof(Iov) + options_length(flags);
  // Control packets have their connid in the mandatory header, all but one.
  if (what.kind == Kind::kCtsData && (flags & kFlagConnid) != 0)
    return sizeof(CtsData) + sizeof(CtsDataConnid);
  return what.header_bytes;
}

// Data bytes in one packet of at most MTU bytes; 0 if the header alone does not fit.
constexpr std::size_t payload_capacity(std::size_t mtu, PacketType type, std::uint16_t flags,
                                       std::size_t iovs = 0) {
  const std::size_t header = header_length(type, flags, iovs);
  return mtu > header ? mtu - header : 0;
}

// The largest header of a REQ, from which peers derive limits (section 5): 168.
inline constexpr std::size_t kMaxReqHeader =
    header_length(PacketType::kLongCtsRtr, kReqRawAddress | kReqCqData, kMaxIovs);
static_assert(kMaxReqHeader == 168);

// One CTSDATA and one CTS window (section 12): the room is the one with a connid, always.
constexpr std::size_t ctsdata_capacity(std::size_t mtu) {
  return payload_capacity(mtu, PacketType::kCtsData, kFlagConnid);
}
constexpr std::uint64_t cts_window(std::size_t mtu, std::uint32_t packets) {
  return std::uint64_t{packets} * ctsdata_capacity(mtu);
}

// Largest operand of an atomic op (section 10.6): its packet has operand and compare data in it.
constexpr std::size_t max_atomic_bytes(std::size_t mtu, bool compare) {
  constexpr std::size_t reserved =
      sizeof(AtomicFetch) + sizeof(RawAddress) + kMaxIovs * sizeof(Iov);
  const std::size_t room = mtu > reserved ? mtu - reserved : 0;
  return compare ? room / 2 : room;
}

}  // namespace efa::rdm

#endif
