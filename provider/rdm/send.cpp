// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Messages, from the call to the last packet that goes without being asked for (spec
// efa-rdm-protocol 9, 10.2, 11.1 - 11.6, 16).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include "rdm/engine.hpp"
#include "wire/build_message.hpp"
#include "wire/choose.hpp"

namespace efa::rdm {
namespace {

std::uint64_t completion_flags(bool tagged) {
  return FI_SEND | (tagged ? FI_TAGGED : FI_MSG);
}

}  // namespace

int Engine::send(const Message& message) {
  Peer* peer = peers_.find(message.peer);
  if (peer == nullptr) return -FI_EINVAL;
  if (peer->backing_off || room() == 0) return -FI_EAGAIN;
  const std::uint64_t length = message.source.length();
  const std::uint64_t in_packet = length + (message.has_cq_data ? sizeof message.cq_data : 0);
  if (in_packet < peer->eager_below[message.tagged] && !message.delivery_complete)
    return send_eager(message, *peer);
  if (length > config_.max_message[message.tagged]) return -FI_EMSGSIZE;
  return send_chosen(message, *peer);
}

// The common case: the packet is the operation.
int Engine::send_eager(const Message& message, Peer& peer) {
  const std::uint64_t length = message.source.length();
  // A copy of a few hundred bytes is cheaper than a second piece.
  const bool copy = message.inject || length <= kSmallData ||
                    !fits_zero_copy(message.source.piece(0, length), length);
  TxPacket* packet = take_packet(copy ? length : 0);
  if (packet == nullptr) return -FI_EAGAIN;
  packet->kind = WorkKind::kEager;
  packet->peer = &peer;
  packet->context = message.context;
  packet->flags = completion_flags(message.tagged);
  packet->tag = message.tag;
  packet->reports = message.reports;
  const Envelope envelope{peer.next_msg_id++, message.tagged, message.tag};
  const std::size_t header = build_eager(
      room_of(*packet), envelope,
      message.has_cq_data ? ReqOptions(peer.options).cq_data(message.cq_data) : peer.options);
  fill(*packet, header, message.source, 0, length, copy);
  put(*packet);
  if (!message.more) close_batch();
  return 0;
}

int Engine::send_chosen(const Message& message, Peer& peer) {
  OutgoingOp* op = make_outgoing(message, peer);
  if (op == nullptr) return -FI_EAGAIN;
  op->msg_id = peer.next_msg_id++;
  const int error = launch(*op);
  if (error != 0) {
    --peer.next_msg_id;  // nothing was sent: the next message takes it
    release(*op);
  }
  if (!message.more) close_batch();
  return error;
}

OutgoingOp* Engine::make_outgoing(const Message& message, Peer& peer) {
  OutgoingOp* op = new_outgoing(OutKind::kMessage, peer, message, message.source);
  if (op == nullptr) return nullptr;
  op->completion_flags = completion_flags(message.tagged);
  op->tag = message.tag;
  op->tagged = message.tagged;
  return op;
}

OutgoingOp* Engine::new_outgoing(OutKind kind, Peer& peer, const Call& call,
                                 const Buffers& source) {
  OutgoingOp* op = new_outgoing(kind, peer);
  if (op == nullptr) return nullptr;
  op->source = source;
  op->total = source.length();
  op->context = call.context;
  op->cq_data = call.cq_data;
  op->has_cq_data = call.has_cq_data;
  op->reports = call.reports;
  op->inject = call.inject;
  op->delivery_complete = call.delivery_complete && !call.inject;
  return op;
}

OutgoingOp* Engine::new_outgoing(OutKind kind, Peer& peer) {
  OutgoingOp* op = outgoing_.take();
  if (op == nullptr) return nullptr;
  op->kind = kind;
  op->peer = &peer;
  op->choice = {};
  op->tagged = op->has_cq_data = op->reports = op->inject = false;
  op->delivery_complete = op->awaits_answer = op->failed = op->reads_remote = op->nacked = false;
  op->takes_windows = op->deferred = false;
  op->total = op->sent = op->acked = op->window = op->tag = 0;
  op->outstanding = 0;
  op->source.clear();
  op->target.count = 0;
  peer.outgoing.push_back(*op);
  return op;
}

Question Engine::question(const Peer& peer, std::uint64_t length) const {
  Question question;
  question.length = length;
  question.mtu = config_.mtu;
  question.limits = config_.limits;
  question.own = config_.side;
  question.peer.side = peer.side;
  question.peer.known = peer.handshake_received;
  question.peer.self = peer.self && config_.use_rdma_write;
  if (!peer.handshake_received && (peer.self || config_.homogeneous)) {
    question.peer.side = config_.side;
    question.peer.known = true;
  }
  return question;
}

// Chooses a way and goes it. -FI_EAGAIN: nothing was sent.
int Engine::launch(OutgoingOp& op) {
  Question what = question(*op.peer, op.total);
  what.delivery_complete = op.delivery_complete;
  what.inject = op.inject;
  what.tagged = op.tagged;
  what.option_flags = options_of(op).flags();
  what.local_iovs = op.source.count();
  what.rma_iovs = op.target.count;
  // Data comes with one immediate, so with one request.
  what.p2p = !op.has_cq_data || op.kind != OutKind::kWrite || op.total <= config_.max_rdma;
  what.read_in_flight = reads_in_flight_ != 0;
  what.runt_bytes_in_flight = op.peer->runt_in_flight;
  for (;;) {
    op.choice = op.kind == OutKind::kMessage ? choose_send(what)
                : op.kind == OutKind::kWrite ? choose_write(what)
                                             : choose_atomic(what, AtomicForm::kWrite);
    if (op.choice.how == Choice::How::kWait) return defer(op);
    if (op.choice.how == Choice::How::kUnsupported) return -FI_EOPNOTSUPP;
    if (op.choice.how == Choice::How::kTooLong) return -FI_EMSGSIZE;
    int error = 0;
    switch (op.kind) {
      case OutKind::kMessage:
        error = launch_message(op);
        break;
      case OutKind::kWrite:
        error = launch_write(op);
        break;
      default:
        error = launch_atomic(op);
        break;
    }
    // No memory for a registration: a way without one.
    if (error != -FI_ENOMEM || !what.registrable) return error;
    what.registrable = false;
  }
}

int Engine::launch_message(OutgoingOp& op) {
  if (op.choice.how == Choice::How::kBare) return launch_bare(op);
  switch (op.choice.type) {
    case PacketType::kEagerMsgRtm:
    case PacketType::kEagerTagRtm:
    case PacketType::kDcEagerMsgRtm:
    case PacketType::kDcEagerTagRtm:
      return launch_eager(op);
    case PacketType::kMediumMsgRtm:
    case PacketType::kMediumTagRtm:
    case PacketType::kDcMediumMsgRtm:
    case PacketType::kDcMediumTagRtm:
      return launch_medium(op);
    case PacketType::kLongReadMsgRtm:
    case PacketType::kLongReadTagRtm:
      return launch_longread(op);
    case PacketType::kRuntReadMsgRtm:
    case PacketType::kRuntReadTagRtm:
      return launch_runtread(op);
    default:
      return launch_longcts(op, false);
  }
}

ReqOptions Engine::options_of(const OutgoingOp& op) {
  ReqOptions options = op.peer->options;
  if (op.has_cq_data) options.cq_data(op.cq_data);
  return options;
}

Envelope Engine::envelope(const OutgoingOp& op) {
  return {op.msg_id, op.tagged, op.tag};
}

// A packet of an operation with room for DATA bytes, or for the header alone if they go from where
// they are.
TxPacket* Engine::request_packet(OutgoingOp& op, std::uint64_t offset, std::uint64_t length) {
  const bool copies = must_copy(op, offset, length);
  TxPacket* packet = take_packet(copies ? length : 0);
  if (packet == nullptr) return nullptr;
  packet->kind = WorkKind::kRequest;
  packet->peer = op.peer;
  packet->outgoing = &op;
  packet->copied = copies;
  return packet;
}

bool Engine::must_copy(const OutgoingOp& op, std::uint64_t offset, std::uint64_t length) const {
  if (op.inject || length <= kSmallData) return true;
  // A part of one piece lies in it as a whole.
  if (op.source.count() == 1) return op.source[0].region == nullptr || config_.max_sge < 2;
  return !fits_zero_copy(op.source.piece(offset, length), length);
}

// Adds LENGTH bytes from OFFSET on behind the header, and sends it.
void Engine::send_request(TxPacket& packet, std::size_t header, std::uint64_t offset,
                          std::uint64_t length) {
  OutgoingOp& op = *packet.outgoing;
  fill(packet, header, op.source, offset, length, packet.copied);
  ++op.outstanding;
  put(packet);
}

int Engine::launch_eager(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  TxPacket* packet = request_packet(op, 0, op.total);
  if (packet == nullptr) return -FI_EAGAIN;
  const ReqOptions options = options_of(op);
  std::size_t header = 0;
  if (op.delivery_complete) {
    header = build_dc_eager(room_of(*packet), envelope(op), op.id, options);
    op.awaits_answer = true;
  } else {
    header = build_eager(room_of(*packet), envelope(op), options);
  }
  send_request(*packet, header, 0, op.total);
  op.sent = op.total;
  return 0;
}

// Packets for all segments, or none.
bool Engine::take_segments(OutgoingOp& op, const MediumPlan& plan) {
  scratch_.clear();
  for (std::uint64_t i = 0, offset = 0; i < plan.count; ++i, offset += plan.size) {
    TxPacket* packet = request_packet(op, offset, i + 1 < plan.count ? plan.size : plan.last);
    if (packet == nullptr) {
      for (TxPacket* taken : scratch_) give(*taken);
      return false;
    }
    scratch_.push_back(packet);
  }
  return true;
}

// All segments or none: half a message would hold the peer's order of messages up.
int Engine::launch_medium(OutgoingOp& op) {
  const ReqOptions options = options_of(op);
  const std::size_t capacity = payload_capacity(config_.mtu, op.choice.type, options.flags());
  const MediumPlan plan = plan_medium(op.total, capacity, config_.limits.alignment);
  if (plan.count > config_.tx_depth) {
    op.choice.type = tagged_form(
        op.delivery_complete ? PacketType::kDcLongCtsMsgRtm : PacketType::kLongCtsMsgRtm,
        op.tagged);
    return launch_longcts(op, false);
  }
  if (plan.count > room()) return -FI_EAGAIN;
  pin_source(op);
  if (!take_segments(op, plan)) return -FI_EAGAIN;
  op.awaits_answer = op.delivery_complete;
  for (TxPacket* packet : scratch_) {
    const std::uint64_t length = packet == scratch_.back() ? plan.last : plan.size;
    const std::size_t header =
        op.delivery_complete
            ? build_dc_medium(room_of(*packet), envelope(op), op.id, op.total, op.sent, options)
            : build_medium(room_of(*packet), envelope(op), op.total, op.sent, options);
    send_request(*packet, header, op.sent, length);
    op.sent += length;
  }
  return 0;
}

// The first bytes; the rest when the peer asks for them (transfer.cpp). After a READ_NACK the
// header goes alone, with the id that the message has (11.9).
int Engine::launch_longcts(OutgoingOp& op, bool after_nack) {
  if (room() == 0) return -FI_EAGAIN;
  const ReqOptions options = options_of(op);
  const PacketType type =
      op.delivery_complete ? PacketType::kDcLongCtsMsgRtm : PacketType::kLongCtsMsgRtm;
  const std::uint64_t length =
      after_nack ? 0
                 : std::min<std::uint64_t>(
                       op.total, payload_capacity(config_.mtu, tagged_form(type, op.tagged),
                                                  options.flags()));
  pin_source(op);
  TxPacket* packet = request_packet(op, op.sent, length);
  if (packet == nullptr) return -FI_EAGAIN;
  const Transfer transfer{op.total, op.id, config_.cts_packets, op.delivery_complete};
  const std::size_t header =
      after_nack ? build_longcts_after_read_nack(room_of(*packet), envelope(op), transfer, options)
                 : build_longcts(room_of(*packet), envelope(op), transfer, options);
  op.awaits_answer = op.delivery_complete;
  op.takes_windows = true;
  send_request(*packet, header, op.sent, length);
  op.sent += length;
  return 0;
}

// Registers what the peer is to reach and has no descriptor, or one that does not allow it.
bool Engine::register_source(OutgoingOp& op, int access) {
  for (std::size_t i = 0; i < op.source.count(); ++i) {
    const Span& span = op.source[i];
    const bool remote = (access & IBV_ACCESS_REMOTE_READ) != 0;
    if (span.length == 0 || op.temporary[i].mr != nullptr) continue;
    if (span.region != nullptr && (!remote || span.region->remote_readable)) continue;
    op.temporary[i] = host_.pin(span.at, span.length, access);
    op.temporary.any = true;
    if (op.temporary[i].mr == nullptr) return false;
  }
  return true;
}

// Pieces without a descriptor go from where they are, too, where that costs less than copies.
void Engine::pin_source(OutgoingOp& op) {
  if (op.inject || config_.max_sge < 2) return;
  for (std::size_t i = 0; i < op.source.count(); ++i) {
    Span& span = op.source[i];
    if (span.region != nullptr || span.length < config_.pin_from) continue;
    if (op.temporary[i].mr != nullptr) continue;
    op.temporary[i] = host_.pin_repeated(span.at, span.length);
    if (op.temporary[i].mr == nullptr) continue;
    op.temporary.any = true;
    span.region = op.temporary[i].region;
  }
}

void Engine::unregister_all(Temporary& registrations) {
  registrations.any = false;
  for (Pinned& pinned : registrations) {
    if (pinned.mr == nullptr) continue;
    host_.unpin(pinned);
    pinned = {};
  }
}

std::size_t Engine::read_iovs(const OutgoingOp& op, std::array<Iov, kMaxIovs>& iovs) const {
  for (std::size_t i = 0; i < op.source.count(); ++i) {
    const Span& span = op.source[i];
    const std::uint64_t key = op.temporary[i].mr != nullptr ? op.temporary[i].mr->rkey
                              : span.region != nullptr      ? span.region->rkey
                                                            : 0;
    iovs[i] = {reinterpret_cast<std::uintptr_t>(span.at), span.length, key};
  }
  return op.source.count();
}

int Engine::launch_longread(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  if (!register_source(op, IBV_ACCESS_REMOTE_READ)) return -FI_ENOMEM;
  TxPacket* packet = request_packet(op, 0, 0);
  if (packet == nullptr) return -FI_EAGAIN;
  std::array<Iov, kMaxIovs> iovs;
  const std::size_t count = read_iovs(op, iovs);
  const std::size_t length = build_longread(room_of(*packet), envelope(op), op.total, op.id,
                                            {iovs.data(), count}, options_of(op));
  op.awaits_answer = true;
  op.reads_remote = true;
  ++reads_in_flight_;
  send_request(*packet, length, 0, 0);
  return 0;
}

int Engine::launch_runtread(OutgoingOp& op) {
  const ReqOptions options = options_of(op);
  const std::size_t capacity =
      payload_capacity(config_.mtu, op.choice.type, options.flags(), op.source.count());
  const MediumPlan plan = plan_medium(op.choice.runt_length, capacity, config_.limits.alignment);
  if (plan.count > room()) return -FI_EAGAIN;
  if (!register_source(op, IBV_ACCESS_REMOTE_READ)) return -FI_ENOMEM;
  std::array<Iov, kMaxIovs> iovs;
  const std::size_t iov_count = read_iovs(op, iovs);
  if (!take_segments(op, plan)) return -FI_EAGAIN;
  op.awaits_answer = op.choice.runt_length < op.total;
  op.reads_remote = true;
  ++reads_in_flight_;
  op.peer->runt_in_flight += op.choice.runt_length;
  for (TxPacket* packet : scratch_) {
    const std::uint64_t length = packet == scratch_.back() ? plan.last : plan.size;
    const Runt runt{op.total, op.choice.runt_length, op.sent, op.id};
    const std::size_t header =
        build_runtread(room_of(*packet), envelope(op), runt, {iovs.data(), iov_count}, options);
    send_request(*packet, header, op.sent, length);
    op.sent += length;
  }
  return 0;
}

// To a peer that receives without headers, on a queue pair of its own (section 16).
int Engine::launch_bare(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  TxPacket* packet = take_packet(op.total);
  if (packet == nullptr) return -FI_EAGAIN;
  packet->kind = WorkKind::kRequest;
  packet->peer = op.peer;
  packet->outgoing = &op;
  packet->bare = true;
  fill(*packet, 0, op.source, 0, op.total, true);
  ++op.outstanding;
  --op.peer->next_msg_id;  // it has no id
  put(*packet);
  op.sent = op.total;
  return 0;
}

// Waits for the peer's handshake, of which there is a limit.
int Engine::defer(OutgoingOp& op) {
  send_trigger(*op.peer);
  if (op.inject || deferred_ == kMostDeferred || !op.peer->trigger_sent) return -FI_EAGAIN;
  op.deferred = true;
  ++deferred_;
  op.peer->waiting.push_back(op);
  return 0;
}

// ---- Its end

void Engine::advance(OutgoingOp& op) {
  if (op.outstanding != 0) return;
  if (op.failed) return release(op);
  if (op.acked >= op.total && !op.awaits_answer) complete(op);
}

void Engine::complete(OutgoingOp& op) {
  if (op.kind != OutKind::kReadAnswer && !op.peer->gone) {
    if (op.reports)
      queues_.tx->push({op.context, op.completion_flags, op.source.length(), nullptr, 0, op.tag});
    Tally* tally = op.kind == OutKind::kMessage ? queues_.sends : queues_.writes;
    if (tally != nullptr) tally->add();
  } else if (op.kind == OutKind::kReadAnswer && queues_.remote_reads != nullptr) {
    queues_.remote_reads->add();
  }
  release(op);
}

// Tells the application once; the operation is kept until the device has given everything back.
void Engine::fail(OutgoingOp& op, int error, int provider_errno) {
  if (!op.failed && !op.peer->gone) {
    if (op.kind == OutKind::kReadAnswer) {
      if (!op.peer->unresponsive)
        host_.report(error, provider_errno, describe(*op.peer, provider_errno));
    } else {
      if (queues_.tx != nullptr)
        queues_.tx->push_failure(
            {{op.context, op.completion_flags, op.source.length(), nullptr, 0, op.tag},
             0,
             error,
             provider_errno,
             describe(*op.peer, provider_errno)});
      Tally* tally = op.kind == OutKind::kMessage ? queues_.sends : queues_.writes;
      if (tally != nullptr) tally->add_error();
    }
  }
  op.failed = true;
  op.queue.remove();
  if (op.outstanding == 0) release(op);
}

void Engine::release(OutgoingOp& op) {
  unregister(op.temporary);
  if (op.reads_remote) --reads_in_flight_;
  if (op.deferred) --deferred_;
  op.queue.remove();
  op.by_peer.remove();
  outgoing_.give(op);
}

}  // namespace efa::rdm
