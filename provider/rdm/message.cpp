// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets of messages that arrive: order, matching, segments (spec efa-rdm-protocol 9, 11, 13).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <cstring>

#include "rdm/engine.hpp"

namespace efa::rdm {
namespace {

bool is_multi_packet(Kind kind) {
  return kind == Kind::kMedium || kind == Kind::kRuntRead;
}

Held hold(std::span<const std::byte> bytes) {
  Held held;
  held.bytes = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
  held.length = bytes.size();
  std::memcpy(held.bytes.get(), bytes.data(), bytes.size());
  return held;
}

}  // namespace

IncomingOp* Engine::find_partial(Peer& peer, std::uint32_t msg_id) {
  IncomingOp* op = peer.partial.front();
  while (op != nullptr && op->msg_id != msg_id) op = peer.partial.after(*op);
  return op;
}

// Messages and atomics go in the order of their ids. BYTES: all of the packet.
void Engine::on_ordered(Peer& peer, const Packet& packet, std::span<const std::byte> bytes) {
  const bool after_nack = packet.after_read_nack();
  if (is_multi_packet(packet.kind()) || after_nack) {
    if (IncomingOp* op = find_partial(peer, packet.msg_id())) {
      if (after_nack) return resume_nacked(*op, packet);
      return add_segment(*op, packet, bytes);
    }
    if (after_nack) return;  // of a message that ended
  }
  switch (peer.order.classify(packet.msg_id())) {
    case Arrival::kNow:
      return in_turn(peer, packet, bytes);
    case Arrival::kEarly:
      return peer.order.keep(packet.msg_id(), hold(bytes));
    case Arrival::kPast:
      break;
  }
  host_.report(FI_EALREADY, static_cast<int>(ProviderErrno::kMessageIdProcessed),
               "message " + std::to_string(packet.msg_id()) + " arrived twice; it is dropped");
}

// This one, and those that waited for it.
void Engine::in_turn(Peer& peer, const Packet& packet, std::span<const std::byte> bytes) {
  handle_request(peer, packet, bytes);
  take_early(peer);
}

// The expected message is done with: those that waited for it. All packets of one lie together.
void Engine::take_early(Peer& peer) {
  if (peer.order.empty()) return peer.order.pass();
  for (std::vector<Held> waiting = peer.order.advance(); !waiting.empty();
       waiting = peer.order.advance()) {
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      const std::span<const std::byte> kept(waiting[i].bytes.get(), waiting[i].length);
      const Parsed parsed = parse(kept);
      if (!parsed) continue;
      if (i == 0)
        handle_request(peer, *parsed, kept);
      else if (IncomingOp* op = find_partial(peer, parsed->msg_id()))
        add_segment(*op, *parsed, kept);
    }
  }
}

void Engine::handle_request(Peer& peer, const Packet& packet, std::span<const std::byte> bytes) {
  if (is_atomic(packet.kind()))
    on_atomic(peer, packet);
  else
    on_message(peer, packet, bytes);
}

void Engine::on_message(Peer& peer, const Packet& packet, std::span<const std::byte> bytes) {
  Matcher& in = matcher(packet.tagged());
  auto* posted = static_cast<PostedOp*>(in.find_receive(peer.source, packet.tag()));
  if (posted != nullptr && packet.kind() == Kind::kEager)
    return deliver_eager(peer, packet, *posted);
  IncomingOp* op = new_incoming(InKind::kMessage, peer);
  if (op == nullptr)
    return bad_packet(&peer, ProviderErrno::kRxStatesExhausted, "a message is lost");
  op->type = packet.type();
  op->msg_id = packet.msg_id();
  op->tag = packet.tag();
  op->tagged = packet.tagged();
  op->total = packet.total_length();
  op->delivery_complete = packet.delivery_complete();
  op->has_cq_data = packet.cq_data().has_value();
  op->cq_data = packet.cq_data().value_or(0);
  if (is_multi_packet(packet.kind())) peer.partial.push_back(*op);
  if (posted != nullptr) {
    bind(*op, *posted);
    return begin_message(*op, packet);
  }
  op->held.push_back(hold(bytes));
  in.add(*op);
}

// The common case: the whole message is here, and so is its receive.
void Engine::deliver_eager(Peer& peer, const Packet& packet, PostedOp& posted) {
  const std::span<const std::byte> data = packet.payload();
  if (posted.multi || data.size() > posted.destination.length() || queues_.rx == nullptr)
    return deliver_part(peer, packet, posted);
  matcher(packet.tagged()).remove(posted);
  posted.destination.copy_in(0, data.data(), data.size());
  if (posted.reports) {
    const auto cq_data = packet.cq_data();
    queues_.rx->push() = {
        posted.context,
        FI_RECV | (packet.tagged() ? FI_TAGGED : FI_MSG) | (cq_data ? FI_REMOTE_CQ_DATA : 0),
        data.size() + config_.prefix,
        posted.destination.count() != 0 ? posted.destination[0].at : nullptr,
        cq_data.value_or(0),
        packet.tag(),
        peer.source};
  }
  if (queues_.receives != nullptr) queues_.receives->add();
  if (packet.delivery_complete()) send_receipt(peer, packet.send_id(), packet.msg_id());
  posted_.give(posted);
}

// The same for a receive that takes several messages, or has no room for this one.
void Engine::deliver_part(Peer& peer, const Packet& packet, PostedOp& posted) {
  const std::span<const std::byte> data = packet.payload();
  Completion completion;
  completion.context = posted.context;
  completion.flags = FI_RECV | (packet.tagged() ? FI_TAGGED : FI_MSG);
  completion.length = data.size();
  if (const auto cq_data = packet.cq_data()) {
    completion.flags |= FI_REMOTE_CQ_DATA;
    completion.data = *cq_data;
  }
  completion.tag = packet.tag();
  completion.source = peer.source;
  const bool reports = posted.reports;
  const Buffers destination = take_space(posted, data.size());
  completion.buffer = destination.count() != 0 ? destination[0].at : nullptr;
  destination.copy_in(0, data.data(), data.size());
  if (packet.delivery_complete()) send_receipt(peer, packet.send_id(), packet.msg_id());
  if (release(posted)) completion.flags |= FI_MULTI_RECV;
  report_receive(completion, reports, destination.length());
}

// Its receive is known, and its first packet.
void Engine::begin_message(IncomingOp& op, const Packet& packet) {
  op.peer_id = packet.send_id();
  op.peer_id_known = true;
  switch (packet.kind()) {
    case Kind::kEager:
    case Kind::kMedium:
      return take_segment(op, packet);
    case Kind::kLongCts:
      place(op, 0, packet.payload());
      if (op.received < op.total)
        grant(op);
      else
        advance(op);
      return;
    case Kind::kLongRead:
    case Kind::kRuntRead:
      for (std::size_t i = 0; i < packet.read_iov_count(); ++i)
        op.remote.iov[i] = packet.read_iov(i);
      op.remote.count = packet.read_iov_count();
      op.runt = op.read_from = packet.runt_length();
      break;
    default:
      break;
  }
  if (packet.kind() == Kind::kLongRead) return start_read(op);
  const OpId id = op.id;
  if (op.runt < op.total) start_read(op);
  if (incoming_.find(id) == &op) take_segment(op, packet);
}

// A further packet of a message that has begun.
void Engine::add_segment(IncomingOp& op, const Packet& packet, std::span<const std::byte> bytes) {
  if (packet.type() != op.type || packet.total_length() != op.total)
    return bad_packet(op.peer, ProviderErrno::kInvalidPacketType,
                      "packets of one message say different things");
  if (!op.matched)
    op.held.push_back(hold(bytes));
  else
    take_segment(op, packet);
}

void Engine::take_segment(IncomingOp& op, const Packet& packet) {
  const std::uint64_t length = packet.payload().size();
  const std::uint64_t offset = packet.seg_offset();
  // A segment of a runt ends where our reads begin; what lies behind is theirs.
  const std::uint64_t end = packet.kind() == Kind::kRuntRead ? op.runt : op.total;
  if (offset > end || length > end - offset || op.in_packets + length > end)
    return bad_packet(op.peer, ProviderErrno::kInvalidPacketType,
                      "a segment of " + std::to_string(length) + " bytes at " +
                          std::to_string(offset) + " of " + std::to_string(end));
  op.in_packets += length;
  place(op, offset, packet.payload());
  if (op.in_packets == end && !op.was_nacked) op.partial.remove();
  advance(op);
}

// The LONGCTS that answers our READ_NACK: the rest comes in windows.
void Engine::resume_nacked(IncomingOp& op, const Packet& packet) {
  if (!op.nacked || packet.total_length() != op.total) return;
  op.nacked = false;
  op.partial.remove();
  op.peer_id = packet.send_id();
  op.delivery_complete = packet.delivery_complete();
  if (op.received < op.total)
    grant(op);
  else
    advance(op);
}

// The peer gave up an operation. We never announce that we understand this (section 15).
void Engine::on_peer_error(Peer& peer, const Packet& packet) {
  switch (packet.ref_kind()) {
    case ReferenceKind::kMissingMessage:
      return skip_message(peer, packet.op_id());
    case ReferenceKind::kDeliveredMessage:
      if (IncomingOp* op = find_partial(peer, packet.op_id()))
        fail(*op, FI_ECANCELED, static_cast<int>(ProviderErrno::kPeerAborted));
      return;
    case ReferenceKind::kOperation:
      if (OutgoingOp* op = outgoing_.find(packet.op_id()); op != nullptr && op->peer == &peer)
        fail(*op, FI_ECANCELED, static_cast<int>(ProviderErrno::kPeerAborted));
      return;
  }
}

void Engine::skip_message(Peer& peer, std::uint32_t msg_id) {
  const Arrival when = peer.order.classify(msg_id);
  if (when == Arrival::kPast) return;
  if (when == Arrival::kEarly) return peer.order.keep(msg_id, Held{});
  take_early(peer);
}

}  // namespace efa::rdm
