// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The application's writes, reads and atomics (spec efa-rdm-protocol 10.3 - 10.6, 11.7, 11.8,
// 11.10).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <cstring>

#include "rdm/engine.hpp"
#include "wire/build_rma.hpp"

namespace efa::rdm {
namespace {

std::uint64_t length_of(const RmaIovs& remote) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < remote.count; ++i) length += remote.iov[i].len;
  return length;
}

std::span<const Iov> iovs_of(const RmaIovs& remote) {
  return {remote.iov.data(), remote.count};
}

}  // namespace

// ---- Writes

int Engine::write(const Rma& request) {
  Peer* peer = peers_.find(request.peer);
  if (peer == nullptr || length_of(request.remote) != request.local.length()) return -FI_EINVAL;
  if (peer->backing_off || room() == 0) return -FI_EAGAIN;
  OutgoingOp* op = new_outgoing(OutKind::kWrite, *peer, request, request.local);
  if (op == nullptr) return -FI_EAGAIN;
  op->target = request.remote;
  op->completion_flags = FI_RMA | FI_WRITE;
  const int error = launch(*op);
  if (error != 0) release(*op);
  if (!request.more) close_batch();
  return error;
}

int Engine::launch_write(OutgoingOp& op) {
  if (op.choice.how == Choice::How::kDeviceWrite) return launch_device_write(op);
  switch (op.choice.type) {
    case PacketType::kLongReadRtw:
      return launch_longread_write(op);
    case PacketType::kEagerRtw:
    case PacketType::kDcEagerRtw:
      return launch_eager_write(op);
    default:
      return launch_longcts_write(op);
  }
}

// Injected data is the application's again when the call returns: it goes from a packet's buffer.
int Engine::launch_device_write(OutgoingOp& op) {
  if (op.inject && op.total != 0) return launch_injected_write(op);
  if (!register_source(op, IBV_ACCESS_LOCAL_WRITE)) return -FI_ENOMEM;
  const std::size_t requests = pieces_of(op.source, op.target, config_.max_rdma);
  if (requests > room()) return requests > config_.tx_depth ? -FI_EMSGSIZE : -FI_EAGAIN;
  std::uint64_t offset = 0;
  do {
    const RdmaPiece at = piece_of(op.source, op.target, offset, config_.max_rdma);
    RdmaWork* work = take_rdma();
    work->kind = WorkKind::kRdmaWrite;
    work->peer = op.peer;
    work->outgoing = &op;
    work->local = at.local;
    work->lkey = op.temporary[at.local_index].mr != nullptr ? op.temporary[at.local_index].mr->lkey
                 : op.source[at.local_index].region != nullptr
                     ? op.source[at.local_index].region->lkey
                     : any_lkey();
    if (at.length == 0) work->local = any_memory();
    work->length = static_cast<std::uint32_t>(at.length);
    work->remote = at.remote;
    work->rkey = static_cast<std::uint32_t>(at.key);
    work->immediate = op.has_cq_data;
    ++op.outstanding;
    put(*work);
    offset += at.length;
  } while (offset < op.total);
  op.sent = op.total;
  return 0;
}

int Engine::launch_injected_write(OutgoingOp& op) {
  if (op.total > config_.mtu) return -FI_EMSGSIZE;
  if (op.target.count > room() || !take_copies(op.target)) return -FI_EAGAIN;
  for (std::size_t i = 0; i < op.target.count; ++i) {
    const Iov& target = op.target.iov[i];
    RdmaWork* work = take_rdma();
    work->kind = WorkKind::kRdmaWrite;
    work->peer = op.peer;
    work->outgoing = &op;
    work->copy = scratch_[i];
    work->local = reinterpret_cast<std::uintptr_t>(work->copy->buffer);
    work->lkey = work->copy->lkey;
    work->length = static_cast<std::uint32_t>(target.len);
    work->remote = target.addr;
    work->rkey = static_cast<std::uint32_t>(target.key);
    work->immediate = op.has_cq_data;
    op.source.copy_out(op.sent, work->copy->buffer, target.len);
    op.sent += target.len;
    ++op.outstanding;
    put(*work);
  }
  return 0;
}

// A packet for the data of each of the targets, or none at all.
bool Engine::take_copies(const RmaIovs& targets) {
  scratch_.clear();
  for (std::size_t i = 0; i < targets.count; ++i) {
    TxPacket* packet = take_packet(targets.iov[i].len);
    if (packet == nullptr) {
      for (TxPacket* taken : scratch_) give(*taken);
      return false;
    }
    scratch_.push_back(packet);
  }
  return true;
}

int Engine::launch_eager_write(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  TxPacket* packet = request_packet(op, 0, op.total);
  if (packet == nullptr) return -FI_EAGAIN;
  std::size_t header = 0;
  if (op.delivery_complete) {
    header = build_dc_eager_write(room_of(*packet), op.id, iovs_of(op.target), options_of(op));
    op.awaits_answer = true;
  } else {
    header = build_eager_write(room_of(*packet), iovs_of(op.target), options_of(op));
  }
  send_request(*packet, header, 0, op.total);
  op.sent = op.total;
  return 0;
}

// Also after a READ_NACK, with data, as a new operation for the peer (11.9).
int Engine::launch_longcts_write(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  const ReqOptions options = options_of(op);
  const PacketType type =
      op.delivery_complete ? PacketType::kDcLongCtsRtw : PacketType::kLongCtsRtw;
  const std::uint64_t length = std::min<std::uint64_t>(
      op.total != 0 ? op.total - 1 : 0,
      payload_capacity(config_.mtu, type, options.flags(), op.target.count));
  pin_source(op);
  TxPacket* packet = request_packet(op, 0, length);
  if (packet == nullptr) return -FI_EAGAIN;
  const Transfer transfer{op.total, op.id, config_.cts_packets, op.delivery_complete};
  op.awaits_answer = op.delivery_complete;
  op.takes_windows = true;
  op.sent = length;
  send_request(*packet,
               build_longcts_write(room_of(*packet), transfer, iovs_of(op.target), options), 0,
               length);
  return 0;
}

int Engine::launch_longread_write(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  if (op.inject || !register_source(op, IBV_ACCESS_REMOTE_READ)) return -FI_ENOMEM;
  TxPacket* packet = request_packet(op, 0, 0);
  if (packet == nullptr) return -FI_EAGAIN;
  std::array<Iov, kMaxIovs> iovs;
  const std::size_t count = read_iovs(op, iovs);
  op.awaits_answer = true;
  op.reads_remote = true;
  ++reads_in_flight_;
  send_request(*packet,
               build_longread_write(room_of(*packet), op.total, op.id, iovs_of(op.target),
                                    {iovs.data(), count}, options_of(op)),
               0, 0);
  return 0;
}

// ---- Reads

int Engine::read(const Rma& request) {
  Peer* peer = peers_.find(request.peer);
  if (peer == nullptr || length_of(request.remote) != request.local.length()) return -FI_EINVAL;
  if (peer->backing_off || room() == 0) return -FI_EAGAIN;
  IncomingOp* op = new_incoming(InKind::kRead, *peer);
  if (op == nullptr) return -FI_EAGAIN;
  op->matched = true;
  op->destination = request.local;
  op->remote = request.remote;
  op->context = request.context;
  op->completion_flags = FI_RMA | FI_READ;
  op->reports = request.reports;
  op->total = request.local.length();
  const int error = launch_ask(*op);
  if (error != 0) release(*op);
  if (!request.more) close_batch();
  return error;
}

// An operation whose answer brings data: a read, an atomic with a result. -FI_EAGAIN: nothing was
// sent.
int Engine::launch_ask(IncomingOp& op) {
  Question what = question(*op.peer, op.kind == InKind::kRead ? op.total : op.operand_length);
  what.registrable = true;
  what.local_iovs = op.destination.count();
  what.rma_iovs = op.remote.count;
  op.choice = op.kind == InKind::kRead
                  ? choose_read(what)
                  : choose_atomic(what, op.has_compare ? AtomicForm::kCompare : AtomicForm::kFetch);
  switch (op.choice.how) {
    case Choice::How::kWait:
      return defer(op);
    case Choice::How::kUnsupported:
      return -FI_EOPNOTSUPP;
    case Choice::How::kTooLong:
      return -FI_EMSGSIZE;
    case Choice::How::kDeviceRead:
      return launch_device_read(op);
    default:
      return op.kind == InKind::kRead ? launch_read(op) : launch_fetch(op);
  }
}

int Engine::defer(IncomingOp& op) {
  send_trigger(*op.peer);
  if (deferred_ == kMostDeferred || !op.peer->trigger_sent) return -FI_EAGAIN;
  op.deferred = true;
  ++deferred_;
  op.peer->waiting_ask.push_back(op);
  return 0;
}

int Engine::launch_device_read(IncomingOp& op) {
  if (op.total == 0) return launch_empty_read(op);
  if (!register_destination(op)) return -FI_ENOMEM;
  op.waits_read = true;
  ask_reads(op);
  return 0;
}

// A read of nothing still tells whether the peer is there and its key is right.
int Engine::launch_empty_read(IncomingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  RdmaWork* work = take_rdma();
  work->kind = WorkKind::kRdmaRead;
  work->peer = op.peer;
  work->incoming = &op;
  work->local = any_memory();
  work->lkey = any_lkey();
  work->length = 0;
  work->remote = op.remote.count != 0 ? op.remote.iov[0].addr : 0;
  work->rkey = op.remote.count != 0 ? static_cast<std::uint32_t>(op.remote.iov[0].key) : 0;
  ++op.outstanding;
  put(*work);
  return 0;
}

int Engine::launch_read(IncomingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  TxPacket* packet = ask_packet(op, 0);
  if (packet == nullptr) return -FI_EAGAIN;
  const bool short_read = op.choice.type == PacketType::kShortRtr;
  op.window =
      short_read ? op.total : std::min(op.total, cts_window(config_.mtu, config_.cts_packets));
  const EmulatedRead read{op.total, op.id, static_cast<std::uint32_t>(op.window)};
  packet->length = static_cast<std::uint32_t>(
      short_read
          ? build_short_read(room_of(*packet), read, iovs_of(op.remote), op.peer->options)
          : build_longcts_read(room_of(*packet), read, iovs_of(op.remote), op.peer->options));
  ++op.outstanding;
  put(*packet);
  return 0;
}

TxPacket* Engine::ask_packet(IncomingOp& op, std::size_t data) {
  TxPacket* packet = take_packet(data);
  if (packet == nullptr) return nullptr;
  packet->kind = WorkKind::kAsk;
  packet->peer = op.peer;
  packet->incoming = &op;
  return packet;
}

void Engine::on_read_response(Peer& peer, const Packet& packet) {
  IncomingOp* op = incoming_.find(packet.recv_id());
  if (op == nullptr || op->peer != &peer || op->failed || op->kind != InKind::kRead ||
      op->peer_id_known)
    return;
  const std::uint64_t length = packet.payload().size();
  if (length > op->window || length > op->total - op->received)
    return bad_packet(&peer, ProviderErrno::kInvalidPacketType,
                      "READRSP of " + std::to_string(length) + " bytes for a window of " +
                          std::to_string(op->window));
  op->peer_id = packet.send_id();
  op->peer_id_known = true;
  op->window -= length;
  place(*op, 0, packet.payload());
  if (op->window == 0 && op->received < op->total)
    grant(*op);
  else
    advance(*op);
}

// ---- Atomics

int Engine::atomic(const AtomicRequest& request) {
  Peer* peer = peers_.find(request.peer);
  if (peer == nullptr) return -FI_EINVAL;
  if (peer->backing_off || room() == 0) return -FI_EAGAIN;
  const std::uint32_t id = peer->next_msg_id++;
  const int error =
      request.form == AtomicForm::kWrite ? change(request, *peer, id) : fetch(request, *peer, id);
  if (error != 0) --peer->next_msg_id;
  close_batch();
  return error;
}

int Engine::change(const AtomicRequest& request, Peer& peer, std::uint32_t msg_id) {
  OutgoingOp* op = new_outgoing(OutKind::kAtomic, peer, request, request.operand);
  if (op == nullptr) return -FI_EAGAIN;
  op->target = request.remote;
  op->completion_flags = FI_ATOMIC | FI_WRITE;
  op->datatype = request.datatype;
  op->atomic_op = request.op;
  op->msg_id = msg_id;
  const int error = launch(*op);
  if (error != 0) release(*op);
  return error;
}

int Engine::fetch(const AtomicRequest& request, Peer& peer, std::uint32_t msg_id) {
  IncomingOp* op = new_incoming(InKind::kFetch, peer);
  if (op == nullptr) return -FI_EAGAIN;
  op->matched = true;
  op->destination = request.result;
  op->remote = request.remote;
  op->operand = request.operand;
  op->compare = request.compare;
  op->has_compare = request.form == AtomicForm::kCompare;
  op->operand_length = length_of(request.remote);
  op->context = request.context;
  op->completion_flags = FI_ATOMIC | FI_READ;
  op->reports = request.reports;
  op->datatype = request.datatype;
  op->atomic_op = request.op;
  op->total = request.result.length();
  op->msg_id = msg_id;
  const int error = launch_ask(*op);
  if (error != 0) release(*op);
  return error;
}

int Engine::launch_atomic(OutgoingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  const std::uint16_t flags = options_of(op).flags();
  if (op.total > payload_capacity(config_.mtu, op.choice.type, flags, op.target.count))
    return -FI_EMSGSIZE;
  TxPacket* packet = request_packet(op, 0, op.total);
  if (packet == nullptr) return -FI_EAGAIN;
  const Atomic atomic{op.msg_id, op.datatype, op.atomic_op};
  std::size_t header = 0;
  if (op.delivery_complete) {
    header =
        build_dc_atomic_write(room_of(*packet), atomic, op.id, iovs_of(op.target), options_of(op));
    op.awaits_answer = true;
  } else {
    header = build_atomic_write(room_of(*packet), atomic, iovs_of(op.target), options_of(op));
  }
  send_request(*packet, header, 0, op.total);
  op.sent = op.total;
  return 0;
}

int Engine::launch_fetch(IncomingOp& op) {
  if (room() == 0) return -FI_EAGAIN;
  const std::uint64_t operands = op.operand_length * (op.has_compare ? 2 : 1);
  if (operands >
      payload_capacity(config_.mtu, op.choice.type, op.peer->options.flags(), op.remote.count))
    return -FI_EMSGSIZE;
  TxPacket* packet = ask_packet(op, op.operand.length() + op.compare.length());
  if (packet == nullptr) return -FI_EAGAIN;
  const Atomic atomic{op.msg_id, op.datatype, op.atomic_op};
  std::size_t length = op.has_compare ? build_atomic_compare(room_of(*packet), atomic, op.id,
                                                             iovs_of(op.remote), op.peer->options)
                                      : build_atomic_fetch(room_of(*packet), atomic, op.id,
                                                           iovs_of(op.remote), op.peer->options);
  // FI_ATOMIC_READ has no operand; the peer expects one all the same.
  const std::uint64_t operand = op.operand.copy_out(0, packet->buffer + length, op.operand_length);
  std::memset(packet->buffer + length + operand, 0, op.operand_length - operand);
  length += op.operand_length;
  if (op.has_compare) {
    op.compare.copy_out(0, packet->buffer + length, op.operand_length);
    length += op.operand_length;
  }
  packet->length = static_cast<std::uint32_t>(length);
  ++op.outstanding;
  put(*packet);
  return 0;
}

void Engine::on_atomic_response(Peer& peer, const Packet& packet) {
  IncomingOp* op = incoming_.find(packet.recv_id());
  if (op == nullptr || op->peer != &peer || op->failed || op->kind != InKind::kFetch) return;
  if (packet.payload().size() != op->total || op->received != 0)
    return bad_packet(&peer, ProviderErrno::kInvalidPacketType,
                      "ATOMRSP of " + std::to_string(packet.payload().size()) + " bytes for " +
                          std::to_string(op->total));
  place(*op, 0, packet.payload());
  advance(*op);
}

// ---- How RDMA requests cut an operation (10.5)

RdmaPiece Engine::piece_of(const Buffers& local, const RmaIovs& remote, std::uint64_t offset,
                           std::uint64_t most) {
  RdmaPiece result{};
  std::uint64_t inside = offset;
  std::size_t i = 0;
  while (i + 1 < local.count() && inside >= local[i].length) inside -= local[i++].length;
  std::uint64_t behind = offset;
  std::size_t j = 0;
  while (j + 1 < remote.count && behind >= remote.iov[j].len) behind -= remote.iov[j++].len;
  result.local_index = i;
  result.length = most;
  if (local.count() != 0) {
    result.local = reinterpret_cast<std::uintptr_t>(local[i].at) + inside;
    result.length = std::min<std::uint64_t>(result.length, local[i].length - inside);
  } else {
    result.length = 0;
  }
  if (remote.count != 0) {
    result.remote = remote.iov[j].addr + behind;
    result.key = remote.iov[j].key;
    result.length = std::min(result.length, remote.iov[j].len - behind);
  }
  return result;
}

std::size_t Engine::pieces_of(const Buffers& local, const RmaIovs& remote, std::uint64_t most) {
  std::size_t count = 0;
  std::uint64_t offset = 0;
  do {
    const std::uint64_t length = piece_of(local, remote, offset, most).length;
    offset += length;
    ++count;
    if (length == 0) break;
  } while (offset < local.length());
  return count;
}

}  // namespace efa::rdm
