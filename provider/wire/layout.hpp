// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Every layout of the RDM protocol (spec efa-rdm-protocol 2, 3, 5, 6, 7), each field once. Members
// have the names of the specification; other files take offsets from here (shape.hpp) and load and
// store by memcpy, since a payload and what is behind optional headers is aligned to 4 bytes only.
#ifndef EFA_PROVIDER_WIRE_LAYOUT_HPP
#define EFA_PROVIDER_WIRE_LAYOUT_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "wire/protocol.hpp"

namespace efa::rdm {

// Section 2. Also what fi_getname gives and fi_av_insert takes.
struct RawAddress {
  std::array<std::uint8_t, 16> gid;
  std::uint16_t qpn;
  std::uint16_t pad;
  std::uint32_t connid;
  std::uint64_t reserved;

  friend bool operator==(const RawAddress&, const RawAddress&) = default;
};

// Section 6.1: what of the responder's memory an op is about, or what of the requester's may be
// read.
struct Iov {
  std::uint64_t addr;
  std::uint64_t len;
  std::uint64_t key;

  friend bool operator==(const Iov&, const Iov&) = default;
};

// Section 3.
struct CommonHeader {
  PacketType type;
  std::uint8_t version;
  std::uint16_t flags;
};

// Control and data packets, section 6.2.

struct Cts {
  CommonHeader common;
  std::uint32_t connid;
  std::uint32_t send_id;
  std::uint32_t recv_id;
  std::uint64_t recv_length;
};

struct CtsData {
  CommonHeader common;
  std::uint32_t recv_id;
  std::uint64_t seg_length;
  std::uint64_t seg_offset;
};

// Follows CtsData when kFlagConnid is set; the only connid that is both optional and not of a REQ.
struct CtsDataConnid {
  std::uint32_t connid;
  std::uint32_t pad;
};

struct ReadRsp {
  CommonHeader common;
  std::uint32_t connid;
  std::uint32_t recv_id;  // before send_id, unlike everywhere else
  std::uint32_t send_id;
  std::uint64_t seg_length;
};

struct Eor {
  CommonHeader common;
  std::uint32_t send_id;
  std::uint32_t recv_id;
  std::uint32_t connid;
};

using ReadNack = Eor;

struct AtomRsp {
  CommonHeader common;
  std::uint32_t connid;
  std::uint32_t reserved;
  std::uint32_t recv_id;
  std::uint64_t seg_length;
};

struct Receipt {
  CommonHeader common;
  std::uint32_t send_id;
  std::uint32_t msg_id;
  std::uint32_t connid;
};

struct PeerError {
  CommonHeader common;
  std::uint32_t op_id;
  ReferenceKind ref_kind;
  std::uint32_t prov_errno;
  std::uint32_t connid;
};

// Two-sided REQ packets, section 6.3. Tagged<H> is the tagged form of H.

struct Eager {
  CommonHeader common;
  std::uint32_t msg_id;
};

struct Medium {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint64_t msg_length;  // of the whole message
  std::uint64_t seg_offset;
};

struct LongCts {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t credit_request;
};

struct LongRead {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t read_iov_count;
};

struct DcEager {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint32_t send_id;
  std::uint32_t pad;
};

struct DcMedium {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint32_t send_id;
  std::uint32_t pad;
  std::uint64_t msg_length;
  std::uint64_t seg_offset;
};

struct RuntRead {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t read_iov_count;
  std::uint64_t seg_offset;
  std::uint64_t runt_length;
};

// Ids 142 and 143: here because they are defined, nobody sends or accepts them.
struct RuntCts {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t credit_request;
  std::uint64_t seg_offset;
  std::uint64_t runt_length;
};

template <class Header>
struct Tagged {
  Header untagged;
  std::uint64_t tag;
};

// Write, read and atomic REQ packets, section 6.4. The remote iovs follow each of them.

struct EagerWrite {
  CommonHeader common;
  std::uint32_t rma_iov_count;
};

struct DcEagerWrite {
  CommonHeader common;
  std::uint32_t rma_iov_count;
  std::uint32_t send_id;
  std::uint32_t pad;
};

struct LongCtsWrite {
  CommonHeader common;
  std::uint32_t rma_iov_count;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t credit_request;
};

struct LongReadWrite {
  CommonHeader common;
  std::uint32_t rma_iov_count;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t read_iov_count;
};

struct ReadRequest {
  CommonHeader common;
  std::uint32_t rma_iov_count;
  std::uint64_t msg_length;
  std::uint32_t recv_id;
  std::uint32_t first_window;  // "recv_length" of the specification, where that of CTS is a u64
};

struct AtomicWrite {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint32_t rma_iov_count;
  std::uint32_t datatype;  // enum fi_datatype
  std::uint32_t op;        // enum fi_op
  std::uint32_t zero;
};

struct DcAtomicWrite {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint32_t rma_iov_count;
  std::uint32_t datatype;
  std::uint32_t op;
  std::uint32_t send_id;
};

// FETCH_RTA and COMPARE_RTA.
struct AtomicFetch {
  CommonHeader common;
  std::uint32_t msg_id;
  std::uint32_t rma_iov_count;
  std::uint32_t datatype;
  std::uint32_t op;
  std::uint32_t recv_id;
};

// Ids 144 and 147, used by nobody.
struct RuntWrite {
  CommonHeader common;
  std::uint32_t rma_iov_count;
  std::uint64_t msg_length;
  std::uint32_t send_id;
  std::uint32_t credit_or_iov_count;
  std::uint64_t seg_offset;
  std::uint64_t runt_length;
};

// Handshake, section 7.1. The feature words follow, then the options.

struct HandshakeHeader {
  CommonHeader common;
  std::uint32_t nextra_p3;
};

struct HandshakeConnid {
  std::uint32_t connid;
  std::uint32_t zero;
};

struct HandshakeDevice {
  std::uint32_t device;  // PCI device id: 0xefa0, 0xefa1, ...
  std::uint32_t zero;
};

struct HandshakeUserRecvQp {
  std::uint32_t qpn;
  std::uint32_t qkey;

  friend bool operator==(const HandshakeUserRecvQp&, const HandshakeUserRecvQp&) = default;
};

struct HandshakeHmem {
  std::uint8_t p2p_supported;
  std::array<std::uint8_t, 7> zero;
};

inline constexpr std::size_t kHandshakeOptionBytes = 8;

}  // namespace efa::rdm

#endif
