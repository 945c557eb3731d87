// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Names and numbers of the EFA RDM wire protocol, version 4 (spec efa-rdm-protocol 3, 4, 5, 7).
#ifndef EFA_PROVIDER_WIRE_PROTOCOL_HPP
#define EFA_PROVIDER_WIRE_PROTOCOL_HPP

#include <bit>
#include <cstddef>
#include <cstdint>

namespace efa::rdm {

// Section 1: the wire is the layout of little-endian hosts; nothing here swaps bytes.
static_assert(std::endian::native == std::endian::little);

inline constexpr std::uint8_t kProtocolVersion = 4;

// Remote or read iovs in one packet (section 18, R12).
inline constexpr std::size_t kMaxIovs = 4;

// What "addr_len" of an optional raw address may say (section 5).
inline constexpr std::uint32_t kMinAddressBytes = 32;
inline constexpr std::uint32_t kMaxAddressBytes = 64;
// What it says when we write it: 32 bytes of address and 4 zero bytes, as every peer does.
inline constexpr std::uint32_t kWrittenAddressBytes = 36;

// Section 4. In every pair the tagged id is the untagged id + 1; the builders rely on it.
enum class PacketType : std::uint8_t {
  kNone = 0,
  kRts = 1,      // retired
  kConnack = 2,  // retired
  kCts = 3,
  kCtsData = 4,
  kReadRsp = 5,
  kEor = 7,
  kAtomRsp = 8,
  kHandshake = 9,
  kReceipt = 10,
  kReadNack = 11,
  kPeerError = 12,

  kEagerMsgRtm = 64,
  kEagerTagRtm = 65,
  kMediumMsgRtm = 66,
  kMediumTagRtm = 67,
  kLongCtsMsgRtm = 68,
  kLongCtsTagRtm = 69,
  kEagerRtw = 70,
  kLongCtsRtw = 71,
  kShortRtr = 72,
  kLongCtsRtr = 73,
  kWriteRta = 74,
  kFetchRta = 75,
  kCompareRta = 76,

  kLongReadMsgRtm = 128,
  kLongReadTagRtm = 129,
  kLongReadRtw = 130,
  kReadRtr = 131,  // reserved
  kDcBegin = 132,  // reserved
  kDcEagerMsgRtm = 133,
  kDcEagerTagRtm = 134,
  kDcMediumMsgRtm = 135,
  kDcMediumTagRtm = 136,
  kDcLongCtsMsgRtm = 137,
  kDcLongCtsTagRtm = 138,
  kDcEagerRtw = 139,
  kDcLongCtsRtw = 140,
  kDcWriteRta = 141,
  kRuntCtsMsgRtm = 142,  // defined, used by nobody
  kRuntCtsTagRtm = 143,  // same
  kRuntCtsRtw = 144,     // same
  kRuntReadMsgRtm = 145,
  kRuntReadTagRtm = 146,
  kRuntReadRtw = 147,  // defined, used by nobody
};

constexpr PacketType tagged_form(PacketType untagged, bool tagged) {
  return static_cast<PacketType>(static_cast<unsigned>(untagged) + (tagged ? 1U : 0U));
}

// Flags of every type (section 3).
inline constexpr std::uint16_t kFlagConnid = 0x8000;

// Flags of REQ packets (section 5).
inline constexpr std::uint16_t kReqRawAddress = 0x0001;
inline constexpr std::uint16_t kReqCqData = 0x0002;
inline constexpr std::uint16_t kReqTwoSided = 0x0004;
inline constexpr std::uint16_t kReqTagged = 0x0008;
inline constexpr std::uint16_t kReqRma = 0x0010;  // set by nobody
inline constexpr std::uint16_t kReqAtomic = 0x0020;
inline constexpr std::uint16_t kReqAfterReadNack = 0x2000;

// Flag of CTS: the window is for an emulated read (section 6.2).
inline constexpr std::uint16_t kCtsEmulatedRead = 0x0080;

// Flags of HANDSHAKE: which options follow, in this order, after the connid (section 7.1).
inline constexpr std::uint16_t kHandshakeHostId = 0x0001;
inline constexpr std::uint16_t kHandshakeDevice = 0x0002;
inline constexpr std::uint16_t kHandshakeUserRecvQp = 0x0004;
inline constexpr std::uint16_t kHandshakeHmem = 0x0008;
inline constexpr std::uint16_t kHandshakeOptions = 0x000f;

// The word count of a handshake is sent plus this (section 7.1).
inline constexpr std::uint32_t kHandshakeWordBias = 3;
// Words that we write at most and keep of a peer.
inline constexpr std::size_t kFeatureWords = 4;

// Feature word 0 of a handshake (section 7.2).
class Features {
 public:
  enum Bit : std::uint64_t {
    kRdmaRead = 0x001,
    kDeliveryComplete = 0x002,
    kConstantHeader = 0x004,
    kConnid = 0x008,
    kRunt = 0x010,
    kRdmaWrite = 0x020,
    kReadNack = 0x040,
    kUserRecvQp = 0x080,
    kUnsolicitedWriteRecv = 0x100,
    kPeerError = 0x200,
  };
  // "Ours MUST set always"; the device and the configuration decide on the RDMA and unsolicited
  // bits.
  static constexpr std::uint64_t kAlways = kDeliveryComplete | kConnid | kRunt | kReadNack;

  constexpr Features() = default;
  constexpr explicit Features(std::uint64_t word) : word_(word) {}

  constexpr std::uint64_t word() const { return word_; }
  constexpr bool has(std::uint64_t bits) const { return (word_ & bits) == bits; }

 private:
  std::uint64_t word_ = 0;
};

// PEER_ERROR: what op_id is (section 15).
enum class ReferenceKind : std::uint32_t {
  kOperation = 0,         // an op id of the receiver
  kDeliveredMessage = 1,  // a msg id, of whose message something was delivered
  kMissingMessage = 2,    // a msg id, of whose message nothing was delivered
};

}  // namespace efa::rdm

#endif
