// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What an endpoint knows of another one (spec efa-rdm-protocol 7, 8, 19).
#ifndef EFA_PROVIDER_RDM_PEER_HPP
#define EFA_PROVIDER_RDM_PEER_HPP

#include <cstdint>
#include <optional>

#include "rdm/host.hpp"
#include "rdm/intrusive_list.hpp"
#include "rdm/matcher.hpp"
#include "rdm/message_order.hpp"
#include "rdm/operation.hpp"
#include "rdm/work.hpp"
#include "wire/choose.hpp"
#include "wire/layout.hpp"
#include "wire/req_options.hpp"

namespace efa::rdm {

struct Peer {
  // For every packet.
  ibv_ah* ah = nullptr;
  std::uint32_t qpn = 0;
  std::uint32_t connid = 0;
  Source source = kAnySource;  // its fi_addr_t; kAnySource: not in the address vector (implicit)
  ReqOptions options;          // raw address before its handshake, connid after
  std::uint32_t next_msg_id = 0;
  // Shorter messages go eagerly, untagged and tagged; 0: only choose_send() knows.
  std::uint32_t eager_below[2] = {0, 0};
  bool handshake_received = false;
  bool handshake_sent = false;
  bool trigger_sent = false;
  bool backing_off = false;
  bool unresponsive = false;  // close does not wait for it
  bool self = false;
  bool own_destination = false;  // the address handle is the engine's, not an address vector's
  bool gone = false;             // removed: packets are dropped, operations end without a word
  std::uint32_t works = 0;       // work requests on the device

  RawAddress address{};
  std::uint16_t ahn = 0;
  Side side;
  std::uint64_t host_id = 0;
  std::optional<HandshakeUserRecvQp> user_recv_qp;
  std::optional<std::uint32_t> ctsdata_connid;  // what CTSDATA to it carries

  MessageOrder<Held> order;
  List<IncomingOp, &IncomingOp::partial> partial;  // messages of which packets are missing
  List<OutgoingOp, &OutgoingOp::by_peer> outgoing;
  List<IncomingOp, &IncomingOp::by_peer> incoming;
  List<OutgoingOp, &OutgoingOp::queue> waiting;      // for its handshake
  List<IncomingOp, &IncomingOp::queue> waiting_ask;  // same

  // RNR (section 12).
  List<Work, &Work::queue> resend;
  Link resending;                     // in the engine's list of peers with something to send again
  std::uint64_t resume_at = 0;        // microseconds
  std::uint64_t backoff = 0;          // the last pause
  std::uint64_t not_ready_since = 0;  // microseconds
  bool told_not_ready = false;        // the user was
  bool told_away = false;             // the same about a peer that does not answer

  std::uint64_t runt_in_flight = 0;  // bytes
  Link handshake_due;
  Link launch_due;  // its handshake is here, and operations that waited for it are not sent yet
  Link implicit;    // in the order of age
};

}  // namespace efa::rdm

#endif
