// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Handshakes, and operations that wait for them (spec efa-rdm-protocol 7).
#include <rdma/fi_errno.h>

#include "rdm/engine.hpp"
#include "wire/build_control.hpp"
#include "wire/build_rma.hpp"

namespace efa::rdm {

// Once to each peer, as soon as there is room.
void Engine::send_handshake(Peer& peer) {
  peer.handshake_sent = true;
  TxPacket* packet = room() != 0 ? control_packet(peer, WorkKind::kHandshake) : nullptr;
  if (packet == nullptr) {
    if (!peer.handshake_due.in_list()) wait_in(handshakes_, peer);
    return;
  }
  Handshake handshake;
  handshake.words[0] = config_.side.features.word();
  handshake.connid = config_.own.connid;
  if (config_.host_id != 0) handshake.host_id = config_.host_id;
  if (config_.side.device != 0) handshake.device = config_.side.device;
  send_control(*packet, build_handshake(room_of(*packet), handshake));
}

// Makes the peer send its handshake; once.
void Engine::send_trigger(Peer& peer) {
  if (peer.trigger_sent || room() == 0) return;
  TxPacket* packet = control_packet(peer, WorkKind::kHandshake);
  if (packet == nullptr) return;
  peer.trigger_sent = true;
  send_control(*packet, build_trigger(room_of(*packet), config_.own));
}

void Engine::on_handshake(Peer& peer, const Packet& packet) {
  peer.side.features = packet.features();
  peer.side.device = packet.device().value_or(0);
  peer.host_id = packet.host_id().value_or(0);
  peer.user_recv_qp = packet.user_recv_qp();
  if (!peer.user_recv_qp)
    peer.side.features = Features(peer.side.features.word() & ~Features::kUserRecvQp);
  const bool first = !peer.handshake_received;
  peer.handshake_received = true;
  peer.unresponsive = false;
  peer.options = peer.side.features.has(Features::kConstantHeader)
                     ? ReqOptions::with_address(config_.own)
                     : ReqOptions::with_connid(config_.own.connid);
  peer.ctsdata_connid.reset();
  if (peer.side.features.has(Features::kConnid)) peer.ctsdata_connid = config_.own.connid;
  update_limits(peer);
  if (first) launch_waiting(peer);
}

// What goes eagerly without a further question.
void Engine::update_limits(Peer& peer) {
  for (const bool tagged : {false, true}) {
    std::uint64_t limit = payload_capacity(
        config_.mtu, tagged_form(PacketType::kEagerMsgRtm, tagged), peer.options.flags());
    limit = std::min<std::uint64_t>(limit, config_.max_message[tagged]);
    limit = std::min(limit + 1, config_.limits.min_read_message);
    if (peer.side.features.has(Features::kUserRecvQp)) limit = 0;
    peer.eager_below[tagged] = static_cast<std::uint32_t>(limit);
  }
}

// Sends what waited, in its order, as far as there is room.
void Engine::launch_waiting(Peer& peer) {
  while (OutgoingOp* op = peer.waiting.front()) {
    op->queue.remove();
    const int error = launch(*op);
    if (error == -FI_EAGAIN) {
      peer.waiting.push_front(*op);
      if (!peer.launch_due.in_list()) wait_in(launching_, peer);
      return;
    }
    op->deferred = false;
    --deferred_;
    if (error != 0) fail(*op, -error, static_cast<int>(ProviderErrno::kOther));
  }
  while (IncomingOp* op = peer.waiting_ask.front()) {
    op->queue.remove();
    const int error = launch_ask(*op);
    if (error == -FI_EAGAIN) {
      peer.waiting_ask.push_front(*op);
      if (!peer.launch_due.in_list()) wait_in(launching_, peer);
      return;
    }
    op->deferred = false;
    --deferred_;
    if (error != 0) fail(*op, -error, static_cast<int>(ProviderErrno::kOther));
  }
  peer.launch_due.remove();
}

// The peer does not answer: what waited for it fails.
void Engine::fail_waiting(Peer& peer, int error, int provider_errno) {
  peer.trigger_sent = false;
  while (OutgoingOp* op = peer.waiting.front()) fail(*op, error, provider_errno);
  while (IncomingOp* op = peer.waiting_ask.front()) fail(*op, error, provider_errno);
}

}  // namespace efa::rdm
