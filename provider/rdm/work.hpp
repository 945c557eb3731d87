// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the engine gives the device: each work request has one of these, and its wr_id points to it.
#ifndef EFA_PROVIDER_RDM_WORK_HPP
#define EFA_PROVIDER_RDM_WORK_HPP

#include <cstddef>
#include <cstdint>

#include "rdm/buffers.hpp"
#include "rdm/intrusive_list.hpp"

namespace efa::rdm {

class Engine;
struct Peer;
struct OutgoingOp;
struct IncomingOp;

enum class WorkKind : std::uint8_t {
  kReceive,    // a receive buffer of the engine
  kEager,      // a whole message; the packet itself is the operation
  kRequest,    // a REQ of an OutgoingOp, with or without data
  kAsk,        // a REQ of an IncomingOp: emulated read, fetching atomic
  kData,       // CTSDATA or READRSP of an OutgoingOp
  kControl,    // CTS of an IncomingOp
  kLast,       // EOR, RECEIPT, ATOMRSP, READ_NACK: ends something; owed before close
  kHandshake,  // and the trigger packet: nobody waits for them
  kRdmaRead,
  kRdmaWrite,
};

struct Work {
  WorkKind kind = WorkKind::kReceive;
  std::uint8_t not_ready = 0;  // times that the peer had no receive for it (RNR)
  Engine* engine = nullptr;
  Peer* peer = nullptr;
  Work* next_free = nullptr;  // in the pool of those that nobody uses
  Link queue;  // of those that wait: for room in the SQ, for a peer to be ready again
};

// A packet to send: HEAD in a registered buffer of ours, TAIL, if any, where the application has
// it.
struct TxPacket : Work {
  std::byte* buffer = nullptr;
  std::uint32_t lkey = 0;
  std::uint32_t capacity = 0;
  std::uint32_t length = 0;  // of the head
  bool copied = false;       // the head has all of the payload, there is no tail
  bool bare = false;         // no header, to the peer's other queue pair (section 16)
  std::uint32_t data = 0;    // payload bytes of the operation in head and tail
  Span tail{};

  OutgoingOp* outgoing = nullptr;  // kRequest, kData
  IncomingOp* incoming = nullptr;  // kAsk, kControl

  // kEager: the completion. A null `reports` is an operation that nobody asks about.
  void* context = nullptr;
  std::uint64_t flags = 0;
  std::uint64_t tag = 0;
  bool reports = false;
};

struct RxPacket : Work {
  std::byte* buffer = nullptr;
  std::uint32_t lkey = 0;
  std::uint32_t capacity = 0;
};

// An RDMA request: LOCAL is one piece of one registration.
struct RdmaWork : Work {
  OutgoingOp* outgoing = nullptr;  // kRdmaWrite
  IncomingOp* incoming = nullptr;  // kRdmaRead
  std::uintptr_t local = 0;
  std::uint32_t lkey = 0;
  std::uint32_t length = 0;
  std::uint64_t remote = 0;
  std::uint32_t rkey = 0;
  bool immediate = false;    // kRdmaWrite with CQ data
  TxPacket* copy = nullptr;  // kRdmaWrite of injected data: its buffer is `local`
};

// The operation that waits for the request, if any.
struct Owner {
  OutgoingOp* outgoing = nullptr;
  IncomingOp* incoming = nullptr;
};

inline Owner owner_of(const Work& work) {
  switch (work.kind) {
    case WorkKind::kReceive:
      return {};
    case WorkKind::kRdmaRead:
      return {nullptr, static_cast<const RdmaWork&>(work).incoming};
    case WorkKind::kRdmaWrite:
      return {static_cast<const RdmaWork&>(work).outgoing, nullptr};
    default:
      return {static_cast<const TxPacket&>(work).outgoing,
              static_cast<const TxPacket&>(work).incoming};
  }
}

}  // namespace efa::rdm

#endif
