// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Operations of an RDM endpoint, by the direction of their data: a message, an emulated write and
// the answer to an emulated read go out; a receive, the target of a write, a read come in. So each
// of the two has one machine for windows (spec efa-rdm-protocol 6.2, "Who puts which id where").
#ifndef EFA_PROVIDER_RDM_OPERATION_HPP
#define EFA_PROVIDER_RDM_OPERATION_HPP

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rdm/buffers.hpp"
#include "rdm/completion.hpp"
#include "rdm/host.hpp"
#include "rdm/intrusive_list.hpp"
#include "rdm/matcher.hpp"
#include "rdm/op_pool.hpp"
#include "wire/choose.hpp"
#include "wire/packet.hpp"

namespace efa::rdm {

struct Peer;

// Registrations made for one operation, one for each of its pieces without a descriptor.
struct Temporary : std::array<Pinned, kMaxIovs> {
  bool any = false;
};

struct RmaIovs {
  std::array<Iov, kMaxIovs> iov{};
  std::size_t count = 0;
};

enum class OutKind : std::uint8_t {
  kMessage,
  kWrite,       // emulated, or by the device
  kAtomic,      // without a result
  kReadAnswer,  // to the peer's emulated read
};

struct OutgoingOp {
  OpId id = 0;
  OutKind kind = OutKind::kMessage;
  Peer* peer = nullptr;

  // What the application asked for.
  Buffers source;
  RmaIovs target;  // kWrite, kAtomic
  void* context = nullptr;
  std::uint64_t completion_flags = 0;
  std::uint64_t tag = 0;
  std::uint64_t cq_data = 0;
  bool has_cq_data = false;
  bool tagged = false;
  bool reports = false;  // a success is written to the CQ
  bool inject = false;
  bool delivery_complete = false;
  std::uint32_t datatype = 0;  // kAtomic
  std::uint32_t atomic_op = 0;

  // Where it stands.
  Choice choice;
  std::uint32_t msg_id = 0;
  std::uint64_t total = 0;        // bytes that go in packets or by RDMA
  std::uint64_t sent = 0;         // bytes of these given to the device
  std::uint64_t acked = 0;        // bytes of these that it completed
  std::uint64_t window = 0;       // bytes that the peer will take now
  std::uint32_t peer_id = 0;      // the peer's id of the operation, from its CTS
  std::uint32_t outstanding = 0;  // work requests on the device
  bool awaits_answer = false;     // EOR or RECEIPT
  bool takes_windows = false;     // the peer asks for the data by CTS
  bool nacked = false;            // goes as LONGCTS when there is room
  bool failed = false;            // and reported; is freed when nothing is outstanding
  bool reads_remote = false;      // LONGREAD or RUNTREAD: counted in the engine
  bool deferred = false;          // waits for a handshake: counted in the engine
  Temporary temporary{};

  Link queue;    // waits for a handshake, or has a window to fill
  Link by_peer;  // all of a peer
};

enum class InKind : std::uint8_t {
  kMessage,      // a receive of the application
  kWriteTarget,  // an emulated write of the peer
  kRead,         // the application's read, emulated or by the device
  kFetch,        // the application's atomic with a result
};

// A receive that the application posted.
struct PostedOp : PostedReceive {
  OpId id = 0;
  Buffers destination;
  bool reports = false;
  bool multi = false;
  bool tagged = false;
  std::uint64_t used = 0;   // bytes of a multi-receive that are taken
  std::uint32_t users = 0;  // operations that fill it
  bool closed = false;      // a multi-receive that takes no more
};

// A packet that waits: its bytes, copied out of the receive buffer. None: a message that never
// comes (PEER_ERROR).
struct Held {
  std::unique_ptr<std::byte[]> bytes;
  std::size_t length = 0;
};

struct IncomingOp : UnexpectedMessage {
  OpId id = 0;
  InKind kind = InKind::kMessage;
  PacketType type = PacketType::kNone;  // that it began with
  Peer* peer = nullptr;

  // Where the data goes.
  Buffers destination;
  PostedOp* posted = nullptr;  // kMessage, when matched
  void* context = nullptr;
  std::uint64_t completion_flags = 0;
  bool reports = false;
  std::uint64_t cq_data = 0;
  bool has_cq_data = false;

  // Where it stands.
  std::uint32_t msg_id = 0;
  std::uint64_t total = 0;        // bytes of the whole message, write or read
  std::uint64_t received = 0;     // placed, or dropped because they do not fit
  std::uint64_t window = 0;       // bytes that the peer was granted and has not sent
  std::uint32_t peer_id = 0;      // the peer's id of the operation
  bool peer_id_known = false;     // of a read, READRSP tells it
  std::uint64_t in_packets = 0;   // bytes that came in REQ packets
  std::uint64_t runt = 0;         // bytes of a RUNTREAD in packets; 0 for others
  std::uint64_t read_from = 0;    // where our RDMA reads begin
  std::uint64_t read_asked = 0;   // bytes asked from there on
  std::uint32_t outstanding = 0;  // work requests on the device
  bool delivery_complete = false;
  bool matched = false;
  bool tagged = false;
  bool claimed = false;    // by FI_PEEK with FI_CLAIM
  bool discarded = false;  // what comes is dropped
  bool nacked = false;     // waits for the LONGCTS after our READ_NACK
  bool was_nacked = false;
  bool nack_due = false;    // READ_NACK goes when the runt is here
  bool waits_read = false;  // in the queue of those that have reads to ask
  bool grant_due = false;   // in the same queue, for a packet to send its CTS in
  bool deferred = false;    // waits for a handshake: counted in the engine
  bool failed = false;
  RmaIovs remote;  // what of the peer's memory we read
  Temporary temporary{};
  std::vector<Held> held;  // packets that came before the match

  // kFetch
  Buffers compare;
  Buffers operand;
  std::uint64_t operand_length = 0;  // bytes of the remote memory
  std::uint32_t datatype = 0;
  std::uint32_t atomic_op = 0;
  bool has_compare = false;
  Choice choice;  // of kRead and kFetch that wait for a handshake

  Link partial;  // in the peer's list of messages with several packets
  Link queue;
  Link by_peer;
};

}  // namespace efa::rdm

#endif
