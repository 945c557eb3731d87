// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which sub-protocol an op uses (spec efa-rdm-protocol 7.4, 10, 16): functions of values alone. The
// receiver obeys the packet, so a choice decides on speed, and on which peers can take it.
#ifndef EFA_PROVIDER_WIRE_CHOOSE_HPP
#define EFA_PROVIDER_WIRE_CHOOSE_HPP

#include <cstddef>
#include <cstdint>

#include "wire/capacity.hpp"
#include "wire/protocol.hpp"

namespace efa::rdm {

enum class MemoryType : std::uint8_t { kHost, kGpu, kNeuron, kSynapse };

// Section 10.1, in bytes.
struct MemoryLimits {
  std::uint64_t runt_size = 0;
  std::uint64_t max_medium = 65536;
  std::uint64_t min_read_message = 1048576;
  std::uint64_t min_read_write = 65536;
  std::uint32_t alignment = 8;  // of segments
};

// The column of 10.1. HOST: what the environment made of the defaults, for host memory only
// (FI_EFA_RUNT_SIZE, FI_EFA_INTER_*). IN_ORDER_128: the 128-byte in-order option is set; GPU only.
constexpr MemoryLimits memory_limits(MemoryType type, std::size_t mtu,
                                     const MemoryLimits& host = {}, bool in_order_128 = false) {
  const std::uint64_t above_eager = mtu - kMaxReqHeader + 1;
  switch (type) {
    case MemoryType::kGpu:
      return {307200, 0, above_eager, above_eager, in_order_128 ? 128U : 64U};
    case MemoryType::kNeuron:
      return {131072, 0, above_eager, above_eager, 8};
    case MemoryType::kSynapse:
      return {0, 0, 1, 1, 8};
    case MemoryType::kHost:
      break;
  }
  return host;
}

// One side of a pair of endpoints.
struct Side {
  Features features;
  std::uint32_t device = 0;  // PCI device id, 0 if the peer did not tell
};

// What is known of a peer: nothing before its handshake. For a peer that is the endpoint itself,
// and with FI_OPT_EFA_HOMOGENEOUS_PEERS, give the own side and KNOWN.
struct PeerKnown {
  Side side;
  bool known = false;
  bool self = false;
};

// The first generation of devices and later ones do not read each other's memory (10.1).
bool devices_interoperate(std::uint32_t own, std::uint32_t peer);

// Everything that the choice for one op depends on.
struct Question {
  std::uint64_t length = 0;  // bytes
  std::size_t mtu = 0;       // bytes of the largest packet; more than kMaxReqHeader
  MemoryLimits limits;
  Side own;
  PeerKnown peer;
  bool p2p = true;          // the device can reach the buffer
  bool registrable = true;  // the application gave a descriptor, or there is a registration cache.
                            // Ask again with false when a registration fails (ENOMR)
  bool delivery_complete = false;
  bool inject = false;
  bool tagged = false;
  std::uint16_t option_flags = 0;  // ReqOptions::flags() of the packets to come
  std::size_t local_iovs = 1;
  std::size_t rma_iovs = 1;
  // Runting (10.2): one read-based message at a time, a limited number of bytes per peer.
  bool read_in_flight = false;
  std::uint64_t runt_bytes_in_flight = 0;
};

struct Choice {
  enum class How : std::uint8_t {
    kPackets,      // of TYPE
    kBare,         // one SEND without any header to the peer's user receive QP (section 16)
    kDeviceWrite,  // RDMA WRITE, with immediate if there is CQ data
    kDeviceRead,   // RDMA READ
    kWait,         // trigger the peer's handshake, ask again when it is here
    kUnsupported,  // the peer does not know the DC packets: FI_EOPNOTSUPP
    kTooLong,      // for the one way that is left: FI_EMSGSIZE
  };
  How how = How::kPackets;
  PacketType type = PacketType::kNone;
  std::uint64_t runt_length = 0;  // of a RUNTREAD

  friend bool operator==(const Choice&, const Choice&) = default;
};

// Section 10.2.
Choice choose_send(const Question& question);
// Section 10.3: fi_write and its kin.
Choice choose_write(const Question& question);
// Section 10.4.
Choice choose_read(const Question& question);

enum class AtomicForm : std::uint8_t { kWrite, kFetch, kCompare };
// Section 10.6; LENGTH is that of the operand.
Choice choose_atomic(const Question& question, AtomicForm form);

// How a MEDIUM message is cut (11.2): COUNT segments of SIZE bytes, the last one of LAST.
struct MediumPlan {
  std::uint64_t count = 0;
  std::uint64_t size = 0;
  std::uint64_t last = 0;
};
// LENGTH > 0 bytes in packets of CAPACITY >= ALIGNMENT payload bytes.
MediumPlan plan_medium(std::uint64_t length, std::uint64_t capacity, std::uint32_t alignment);

}  // namespace efa::rdm

#endif
