// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Data that goes in windows: CTS, CTSDATA, and what ends an operation: RECEIPT, EOR, READ_NACK
// (spec efa-rdm-protocol 11.3, 11.4, 11.8, 11.9).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <algorithm>

#include "rdm/engine.hpp"
#include "wire/build_control.hpp"

namespace efa::rdm {

// ---- Out

// As many packets of the window as there is room for. Not before the peer's handshake, which says
// whether its CTSDATA have a connid (7.4).
void Engine::pump(OutgoingOp& op) {
  Peer& peer = *op.peer;
  if (op.nacked && !peer.backing_off) return relaunch(op);
  if (peer.backing_off || !peer.handshake_received) return;
  const std::size_t capacity = ctsdata_capacity(config_.mtu);
  while (op.window != 0 && room() != 0) {
    std::uint64_t length = std::min<std::uint64_t>(op.window, capacity);
    const Span piece = op.source.piece(op.sent, length);
    // A border of the application's pieces ends a packet, unless that makes tiny ones.
    if (piece.region != nullptr && piece.length >= capacity / 2) length = piece.length;
    const bool copies = must_copy(op, op.sent, length);
    TxPacket* packet = take_packet(copies ? length : 0);
    if (packet == nullptr) return;
    packet->kind = WorkKind::kData;
    packet->peer = &peer;
    packet->outgoing = &op;
    const std::size_t header =
        build_ctsdata(room_of(*packet), peer.ctsdata_connid, op.peer_id, {length, op.sent});
    fill(*packet, header, op.source, op.sent, length, copies);
    op.sent += length;
    op.window -= length;
    ++op.outstanding;
    put(*packet);
  }
  if (op.window == 0) op.queue.remove();
}

// The peer takes more of a message, a write, or of what it reads.
void Engine::on_cts(Peer& peer, const Packet& packet) {
  OutgoingOp* op = outgoing_.find(packet.send_id());
  if (op == nullptr || op->peer != &peer || op->failed) return;  // R10, R16
  const bool of_read = op->kind == OutKind::kReadAnswer;
  const std::uint64_t window = packet.recv_length();
  if (!op->takes_windows || of_read != packet.cts_for_emulated_read() || window == 0 ||
      op->window != 0 || window > op->total - op->sent)
    return bad_packet(&peer, ProviderErrno::kInvalidPacketType,
                      "CTS for " + std::to_string(window) + " bytes, where " +
                          std::to_string(op->total - op->sent) + " are left");
  op->peer_id = packet.recv_id();
  op->window = window;
  wait_in(windows_, *op);
  pump(*op);
}

void Engine::on_receipt(Peer& peer, const Packet& packet) {
  OutgoingOp* op = outgoing_.find(packet.send_id());
  if (op == nullptr || op->peer != &peer || !op->delivery_complete || !op->awaits_answer) return;
  op->awaits_answer = false;
  advance(*op);
}

// The peer has read all that it reads.
void Engine::on_eor(Peer& peer, const Packet& packet) {
  OutgoingOp* op = outgoing_.find(packet.send_id());
  if (op == nullptr || op->peer != &peer || !op->reads_remote || !op->awaits_answer) return;
  op->awaits_answer = false;
  op->acked += op->total - op->sent;
  op->sent = op->total;
  advance(*op);
}

// The peer cannot read: it gets the data in packets.
void Engine::on_read_nack(Peer& peer, const Packet& packet) {
  OutgoingOp* op = outgoing_.find(packet.send_id());
  if (op == nullptr || op->peer != &peer || !op->reads_remote || !op->awaits_answer) return;
  op->reads_remote = false;
  --reads_in_flight_;
  op->awaits_answer = false;
  op->nacked = true;
  relaunch(*op);
}

// Sends the LONGCTS of an operation after its READ_NACK; waits if there is no room.
void Engine::relaunch(OutgoingOp& op) {
  const int error =
      op.kind == OutKind::kMessage ? launch_longcts(op, true) : launch_longcts_write(op);
  if (error == 0) {
    op.nacked = false;
    op.queue.remove();
  } else if (!op.queue.in_list()) {
    wait_in(windows_, op);
  }
}

// ---- In

// Places data where the application wants it; what does not fit is dropped.
void Engine::place(IncomingOp& op, std::uint64_t offset, std::span<const std::byte> data) {
  if (!op.discarded) op.destination.copy_in(offset, data.data(), data.size());
  op.received += data.size();
}

// Lets the peer send the next window.
void Engine::grant(IncomingOp& op) {
  TxPacket* packet = control_packet(*op.peer, WorkKind::kControl);
  op.grant_due = packet == nullptr;
  if (op.grant_due) {  // no memory for packets: when others have given theirs back
    if (!op.queue.in_list()) wait_in(reads_, op);
    return;
  }
  op.queue.remove();
  packet->incoming = &op;
  op.window = std::min(op.total - op.received, cts_window(config_.mtu, config_.cts_packets));
  ++op.outstanding;
  const bool of_read = op.kind == InKind::kRead;
  send_control(*packet, build_cts(room_of(*packet), config_.own.connid, {op.peer_id, op.id},
                                  op.window, of_read));
}

void Engine::on_data(Peer& peer, const Packet& packet) {
  IncomingOp* op = incoming_.find(packet.recv_id());
  if (op == nullptr || op->peer != &peer || op->failed) return;  // R10, R16
  const std::uint64_t length = packet.payload().size();
  const std::uint64_t offset = packet.seg_offset();
  if (length == 0 || length > op->window || offset > op->total || length > op->total - offset)
    return bad_packet(&peer, ProviderErrno::kInvalidPacketType,
                      "CTSDATA of " + std::to_string(length) + " bytes at " +
                          std::to_string(offset) + ", of " + std::to_string(op->total) +
                          " in all and " + std::to_string(op->window) + " granted");
  op->window -= length;
  place(*op, offset, packet.payload());
  if (op->window == 0 && op->received < op->total && op->peer_id_known)
    grant(*op);
  else
    advance(*op);
}

// ---- Control packets

TxPacket* Engine::control_packet(Peer& peer, WorkKind kind) {
  TxPacket* packet = take_packet(0);
  if (packet == nullptr) return nullptr;
  packet->kind = kind;
  packet->peer = &peer;
  return packet;
}

void Engine::send_control(TxPacket& packet, std::size_t length) {
  packet.length = static_cast<std::uint32_t>(length);
  if (packet.kind == WorkKind::kLast) ++owed_;
  submit(packet);
}

void Engine::send_receipt(Peer& peer, std::uint32_t send_id, std::uint32_t msg_id) {
  TxPacket* packet = control_packet(peer, WorkKind::kLast);
  if (packet == nullptr) return bad_packet(&peer, ProviderErrno::kNoMemory, "a receipt is lost");
  send_control(*packet, build_receipt(room_of(*packet), config_.own.connid, send_id, msg_id));
}

void Engine::send_eor(IncomingOp& op) {
  TxPacket* packet = control_packet(*op.peer, WorkKind::kLast);
  if (packet == nullptr) return bad_packet(op.peer, ProviderErrno::kNoMemory, "an EOR is lost");
  send_control(*packet, build_eor(room_of(*packet), config_.own.connid, {op.peer_id, op.id}));
}

void Engine::send_nack(IncomingOp& op) {
  TxPacket* packet = control_packet(*op.peer, WorkKind::kLast);
  if (packet == nullptr) return bad_packet(op.peer, ProviderErrno::kNoMemory, "a NACK is lost");
  send_control(*packet, build_read_nack(room_of(*packet), config_.own.connid, {op.peer_id, op.id}));
}

}  // namespace efa::rdm
