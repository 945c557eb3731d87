// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// From packets to work requests, and what becomes of those.
#include <endian.h>
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include "rdm/engine.hpp"
#include "wire/provider_errno.hpp"

namespace efa::rdm {
namespace {

// Statuses of the device (efa-rdm-protocol 14) that the engine treats on its own.
constexpr std::uint32_t kFlushed = 1;
constexpr std::uint32_t kRemoteAbort = 8;
constexpr std::uint32_t kBadQpn = 9;
constexpr std::uint32_t kRemoteRnr = 10;
constexpr std::uint32_t kUnresponsive = 13;
constexpr std::uint32_t kUnreachable = 15;

bool says_peer_is_away(std::uint32_t status) {
  return status == kRemoteAbort || status == kBadQpn || status == kUnresponsive ||
         status == kUnreachable;
}

}  // namespace

void Engine::open_batch() {
  if (batch_open_) return;
  ibv_wr_start(queues_.send);
  batch_open_ = true;
}

void Engine::ring_doorbell() {
  batch_open_ = false;
  const int error = ibv_wr_complete(queues_.send);
  if (error != 0)
    host_.report(FI_EOTHER, static_cast<int>(ProviderErrno::kPostSend),
                 "the device's send queue took no requests: error " + std::to_string(error));
}

void Engine::start(Work& work) {
  open_batch();
  queues_.send->wr_id = reinterpret_cast<std::uintptr_t>(&work);
  queues_.send->wr_flags = IBV_SEND_SIGNALED;
  ++outstanding_;
  ++work.peer->works;
}

void Engine::start_bare(const TxPacket& packet) {
  const OutgoingOp& op = *packet.outgoing;
  if (op.has_cq_data)
    ibv_wr_send_imm(queues_.send, htobe32(static_cast<std::uint32_t>(op.cq_data)));
  else
    ibv_wr_send(queues_.send);
  const HandshakeUserRecvQp to = packet.peer->user_recv_qp.value_or(HandshakeUserRecvQp{});
  ibv_wr_set_ud_addr(queues_.send, packet.peer->ah, to.qpn, to.qkey);
}

// The caller has made sure that there is room().
void Engine::put(TxPacket& packet) {
  start(packet);
  ibv_qp_ex* qp = queues_.send;
  const Peer& peer = *packet.peer;
  if (packet.bare) {
    start_bare(packet);
  } else {
    ibv_wr_send(qp);
    ibv_wr_set_ud_addr(qp, peer.ah, peer.qpn, peer.connid);
  }
  if (packet.tail.length != 0) {
    const ibv_sge pieces[2] = {
        {reinterpret_cast<std::uintptr_t>(packet.buffer), packet.length, packet.lkey},
        {reinterpret_cast<std::uintptr_t>(packet.tail.at),
         static_cast<std::uint32_t>(packet.tail.length), packet.tail.region->lkey}};
    ibv_wr_set_sge_list(qp, 2, pieces);
  } else if (packet.length <= config_.inline_size) {
    ibv_wr_set_inline_data(qp, packet.buffer, packet.length);
  } else {
    ibv_wr_set_sge(qp, packet.lkey, reinterpret_cast<std::uintptr_t>(packet.buffer), packet.length);
  }
}

void Engine::put(RdmaWork& work) {
  start(work);
  ibv_qp_ex* qp = queues_.send;
  if (work.kind == WorkKind::kRdmaRead) {
    ibv_wr_rdma_read(qp, work.rkey, work.remote);
  } else if (work.immediate) {
    ibv_wr_rdma_write_imm(qp, work.rkey, work.remote,
                          htobe32(static_cast<std::uint32_t>(work.outgoing->cq_data)));
  } else {
    ibv_wr_rdma_write(qp, work.rkey, work.remote);
  }
  ibv_wr_set_ud_addr(qp, work.peer->ah, work.peer->qpn, work.peer->connid);
  ibv_wr_set_sge(qp, work.lkey, work.local, work.length);
}

// Gives it to the device now, or when there is room, or when the peer is ready again.
void Engine::submit(Work& work) {
  if (work.peer->backing_off) {
    work.peer->resend.push_back(work);
    if (!work.peer->resending.in_list()) wait_in(resending_, *work.peer);
    return;
  }
  if (room() == 0) {
    wait_in(unsent_, work);
    return;
  }
  if (work.kind == WorkKind::kRdmaRead || work.kind == WorkKind::kRdmaWrite)
    put(static_cast<RdmaWork&>(work));
  else
    put(static_cast<TxPacket&>(work));
}

// One whose buffer has room for the longest header and so many bytes of data.
TxPacket* Engine::take_packet(std::size_t data) {
  TxPacket* packet = data <= kSmallData ? small_.take() : large_.take();
  if (packet == nullptr) return nullptr;
  packet->not_ready = 0;
  packet->tail.length = 0;
  packet->data = 0;
  packet->bare = false;
  packet->outgoing = nullptr;
  packet->incoming = nullptr;
  return packet;
}

void Engine::give(TxPacket& packet) {
  if (packet.capacity == config_.mtu)
    large_.give(packet);
  else
    small_.give(packet);
}

bool Engine::fits_zero_copy(const Span& piece, std::uint64_t length) const {
  return piece.region != nullptr && piece.length == length && config_.max_sge >= 2;
}

// Puts LENGTH bytes of SOURCE behind the header: copied, or as a second piece of the request where
// they lie (which must_copy() has to allow).
void Engine::fill(TxPacket& packet, std::size_t header, const Buffers& source, std::uint64_t offset,
                  std::uint64_t length, bool copy) {
  packet.data = static_cast<std::uint32_t>(length);
  packet.length = static_cast<std::uint32_t>(copy ? header + length : header);
  if (copy)
    source.copy_out(offset, packet.buffer + header, length);
  else if (length != 0)
    packet.tail = source.piece(offset, length);
}

RdmaWork* Engine::take_rdma() {
  if (rdma_free_.empty()) {
    rdma_all_.push_back(std::make_unique<RdmaWork>());
    rdma_all_.back()->engine = this;
    rdma_free_.push_back(rdma_all_.back().get());
  }
  RdmaWork* work = rdma_free_.back();
  rdma_free_.pop_back();
  work->immediate = false;
  work->not_ready = 0;
  work->copy = nullptr;
  return work;
}

void Engine::give(RdmaWork& work) {
  if (work.copy != nullptr) give(*work.copy);
  rdma_free_.push_back(&work);
}

// Requests of no bytes name memory all the same.
std::uintptr_t Engine::any_memory() {
  if (any_ == nullptr) any_ = small_.take();
  return any_ != nullptr ? reinterpret_cast<std::uintptr_t>(any_->buffer) : 0;
}

std::uint32_t Engine::any_lkey() {
  any_memory();
  return any_ != nullptr ? any_->lkey : 0;
}

// ---- Completions of the device

void Engine::sent(Work& work) {
  --outstanding_;
  Peer& peer = *work.peer;
  --peer.works;
  if (peer.backoff != 0) {  // it takes packets again
    peer.backoff = 0;
    peer.backing_off = false;
    peer.not_ready_since = 0;
    peer.told_not_ready = false;
  }
  switch (work.kind) {
    case WorkKind::kEager:
      return eager_done(static_cast<TxPacket&>(work));
    case WorkKind::kRequest:
    case WorkKind::kData:
      return packet_done(static_cast<TxPacket&>(work));
    case WorkKind::kAsk:
    case WorkKind::kControl: {
      auto& packet = static_cast<TxPacket&>(work);
      IncomingOp& op = *packet.incoming;
      --op.outstanding;
      give(packet);
      return advance(op);
    }
    case WorkKind::kLast:
      --owed_;
      return give(static_cast<TxPacket&>(work));
    case WorkKind::kHandshake:
      return give(static_cast<TxPacket&>(work));
    case WorkKind::kRdmaRead: {
      auto& rdma = static_cast<RdmaWork&>(work);
      IncomingOp& op = *rdma.incoming;
      --op.outstanding;
      op.received += rdma.length;
      give(rdma);
      return advance(op);
    }
    case WorkKind::kRdmaWrite: {
      auto& rdma = static_cast<RdmaWork&>(work);
      OutgoingOp& op = *rdma.outgoing;
      --op.outstanding;
      op.acked += rdma.length;
      give(rdma);
      return advance(op);
    }
    case WorkKind::kReceive:
      return;
  }
}

void Engine::eager_done(TxPacket& packet) {
  if (!packet.peer->gone) {
    if (packet.reports)
      queues_.tx->push() = {packet.context, packet.flags, packet.data, nullptr, 0, packet.tag};
    if (queues_.sends != nullptr) queues_.sends->add();
  }
  give(packet);
}

void Engine::eager_failed(TxPacket& packet, int error, int code) {
  if (!packet.peer->gone) {
    const Completion of{packet.context, packet.flags, packet.data, nullptr, 0, packet.tag};
    if (queues_.tx != nullptr)
      queues_.tx->push_failure({of, 0, error, code, describe(*packet.peer, code)});
    if (queues_.sends != nullptr) queues_.sends->add_error();
  }
  give(packet);
}

// A packet of a runt is not in flight any more; what follows a READ_NACK was never counted.
void Engine::runt_done(const TxPacket& packet) {
  const OutgoingOp& op = *packet.outgoing;
  if (packet.kind == WorkKind::kRequest &&
      tagged_form(PacketType::kRuntReadMsgRtm, op.tagged) == op.choice.type)
    op.peer->runt_in_flight -= packet.data;
}

void Engine::packet_done(TxPacket& packet) {
  OutgoingOp& op = *packet.outgoing;
  --op.outstanding;
  op.acked += packet.data;
  runt_done(packet);
  give(packet);
  advance(op);
}

bool Engine::has_failed(const Work& work) {
  const auto [outgoing, incoming] = owner_of(work);
  return (outgoing != nullptr && outgoing->failed) || (incoming != nullptr && incoming->failed);
}

// Whether the peer had no receive for it: then it is sent again. Not what belongs to an operation
// that has failed: its memory may be gone.
bool Engine::retry(Work& work, std::uint32_t status) {
  const bool of_application = work.kind == WorkKind::kEager || work.kind == WorkKind::kRequest ||
                              work.kind == WorkKind::kAsk || work.kind == WorkKind::kRdmaWrite;
  Peer& peer = *work.peer;
  if (status != kRemoteRnr || peer.gone || has_failed(work) || (!config_.retries && of_application))
    return false;
  if (work.not_ready != 0) back_off(peer);
  work.not_ready = 1;
  peer.resend.push_back(work);
  if (!peer.resending.in_list()) wait_in(resending_, peer);
  return true;
}

// Close does not wait for it any more. The user is told once, if something of his is lost; that an
// answer does not reach a peer which has ended is nothing special.
void Engine::peer_is_away(const Work& work, int code) {
  Peer& peer = *work.peer;
  const bool of_user = work.kind != WorkKind::kLast && work.kind != WorkKind::kControl;
  if (of_user && !peer.told_away && !peer.gone) {
    peer.told_away = true;
    host_.warn(describe(peer, code));
  }
  peer.unresponsive = true;
}

void Engine::not_sent(Work& work, ibv_wc_status status, std::uint32_t vendor_error) {
  --outstanding_;
  Peer& peer = *work.peer;
  --peer.works;
  if (status == IBV_WC_WR_FLUSH_ERR) vendor_error = kFlushed;
  if (retry(work, vendor_error)) return;
  const int code = completion_errno(vendor_error, peer.handshake_received);
  if (says_peer_is_away(vendor_error)) peer_is_away(work, code);
  const int error = error_of(code);
  const bool told = peer.gone || vendor_error == kFlushed || says_peer_is_away(vendor_error);
  switch (work.kind) {
    case WorkKind::kEager:
      return eager_failed(static_cast<TxPacket&>(work), error, code);
    case WorkKind::kRequest:
    case WorkKind::kData: {
      auto& packet = static_cast<TxPacket&>(work);
      OutgoingOp& op = *packet.outgoing;
      runt_done(packet);
      give(packet);
      --op.outstanding;
      return fail(op, error, code);
    }
    case WorkKind::kAsk:
    case WorkKind::kControl: {
      auto& packet = static_cast<TxPacket&>(work);
      IncomingOp& op = *packet.incoming;
      give(packet);
      --op.outstanding;
      return fail(op, error, code);
    }
    case WorkKind::kLast:
      --owed_;
      give(static_cast<TxPacket&>(work));
      if (!told) host_.report(error, code, describe(peer, code));
      return;
    case WorkKind::kHandshake:
      give(static_cast<TxPacket&>(work));
      if (!told)
        host_.report(error, static_cast<int>(ProviderErrno::kPostHandshake), describe(peer, code));
      return fail_waiting(peer, error, code);
    case WorkKind::kRdmaRead: {
      auto& rdma = static_cast<RdmaWork&>(work);
      IncomingOp& op = *rdma.incoming;
      give(rdma);
      --op.outstanding;
      return fail(op, error, code);
    }
    case WorkKind::kRdmaWrite: {
      auto& rdma = static_cast<RdmaWork&>(work);
      OutgoingOp& op = *rdma.outgoing;
      give(rdma);
      --op.outstanding;
      return fail(op, error, code);
    }
    case WorkKind::kReceive:
      return;
  }
}

}  // namespace efa::rdm
