// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The life of what comes in: its reads of the peer's memory, its end (spec efa-rdm-protocol 11.4,
// 11.5, 11.9, 13).
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <algorithm>

#include "rdm/engine.hpp"

namespace efa::rdm {

IncomingOp* Engine::new_incoming(InKind kind, Peer& peer) {
  IncomingOp* op = incoming_.take();
  if (op == nullptr) return nullptr;
  op->kind = kind;
  op->type = PacketType::kNone;
  op->peer = &peer;
  op->destination.clear();
  op->posted = nullptr;
  op->context = nullptr;
  op->completion_flags = op->cq_data = op->total = op->received = op->window = op->runt = 0;
  op->in_packets = 0;
  op->read_from = op->read_asked = op->operand_length = 0;
  op->reports = op->has_cq_data = op->delivery_complete = op->matched = op->claimed = op->tagged =
      false;
  op->discarded = op->nacked = op->was_nacked = op->nack_due = op->waits_read = op->failed = false;
  op->peer_id_known = op->grant_due = op->deferred = false;
  op->msg_id = op->peer_id = op->outstanding = 0;
  op->remote.count = 0;
  op->source = peer.source;
  op->tag = 0;
  op->operand.clear();
  op->compare.clear();
  op->has_compare = false;
  op->choice = {};
  peer.incoming.push_back(*op);
  return op;
}

// Whether every byte that is to come is here. An emulated read of nothing has an answer, too.
bool Engine::all_here(const IncomingOp& op) {
  if (op.kind == InKind::kRead && op.choice.how == Choice::How::kPackets && !op.peer_id_known)
    return false;
  return op.received >= op.total;
}

void Engine::advance(IncomingOp& op) {
  if (op.outstanding != 0) return;
  if (op.failed) return release(op);
  if (op.waits_read) return ask_reads(op);
  if (op.nack_due && op.received >= op.runt) return nack(op);
  if (!op.matched || op.nacked || !all_here(op)) return;
  complete(op);
}

// ---- Reads of the peer's memory

// Registers the destination where the application has not.
bool Engine::register_destination(IncomingOp& op) {
  for (std::size_t i = 0; i < op.destination.count(); ++i) {
    const Span& span = op.destination[i];
    if (span.length == 0 || span.region != nullptr || op.temporary[i].mr != nullptr) continue;
    op.temporary[i] = host_.pin(span.at, span.length, IBV_ACCESS_LOCAL_WRITE);
    op.temporary.any = true;
    if (op.temporary[i].mr == nullptr) return false;
  }
  return true;
}

// Fetches [read_from, end of message or of what fits) from the peer.
void Engine::start_read(IncomingOp& op) {
  const bool possible = config_.use_rdma_read && !op.discarded;
  if (!op.discarded && (!possible || !register_destination(op))) {
    if (op.peer->side.features.has(Features::kReadNack) || !op.peer->handshake_received) {
      op.nack_due = true;
      return advance(op);
    }
    return fail(op, FI_ENOMEM, static_cast<int>(ProviderErrno::kPostRdmaRead));
  }
  op.waits_read = true;
  ask_reads(op);
}

// Bytes that are read: those for which there is room at the destination.
std::uint64_t Engine::readable(const IncomingOp& op) {
  if (op.discarded) return 0;
  const std::uint64_t end = std::min(op.total, op.destination.length());
  return end > op.read_from ? end - op.read_from : 0;
}

// Asks as much as there is room for in the SQ: pieces end at the borders of both sides' iovs.
void Engine::ask_reads(IncomingOp& op) {
  const std::uint64_t all = readable(op);
  while (op.read_asked < all && !op.peer->backing_off && room() != 0) {
    RdmaWork* work = take_rdma();
    const std::uint64_t offset = op.read_from + op.read_asked;
    const RdmaPiece at = piece_of(op.destination, op.remote, offset,
                                  std::min(all - op.read_asked, config_.max_rdma));
    work->kind = WorkKind::kRdmaRead;
    work->peer = op.peer;
    work->incoming = &op;
    work->local = at.local;
    work->lkey = op.temporary[at.local_index].mr != nullptr
                     ? op.temporary[at.local_index].mr->lkey
                     : op.destination[at.local_index].region->lkey;
    work->length = static_cast<std::uint32_t>(at.length);
    work->remote = at.remote;
    work->rkey = static_cast<std::uint32_t>(at.key);
    op.read_asked += at.length;
    ++op.outstanding;
    put(*work);
  }
  if (op.read_asked < all) {
    if (!op.queue.in_list()) wait_in(reads_, op);
    return;
  }
  op.waits_read = false;
  op.queue.remove();
  // Without room at the destination the rest of the message counts as read.
  if (op.kind != InKind::kRead) op.received += op.total - op.read_from - all;
  advance(op);
}

// The peer is to send in packets what cannot be read. A message is found again by its id; a write
// comes as a new operation.
void Engine::nack(IncomingOp& op) {
  op.nack_due = false;
  send_nack(op);
  if (op.kind == InKind::kWriteTarget) return release(op);
  op.nacked = op.was_nacked = true;
  if (!op.partial.in_list()) op.peer->partial.push_back(op);
}

// ---- Its end

void Engine::complete(IncomingOp& op) {
  Peer& peer = *op.peer;
  switch (op.kind) {
    case InKind::kMessage:
      if (op.remote.count != 0 && op.runt < op.total && !op.was_nacked) send_eor(op);
      if (op.delivery_complete) send_receipt(peer, op.peer_id, op.msg_id);
      report_message(op);
      break;
    case InKind::kWriteTarget:
      if (op.remote.count != 0) send_eor(op);
      if (op.delivery_complete) send_receipt(peer, op.peer_id, op.msg_id);
      report_remote_write(op.has_cq_data, op.cq_data, op.total, peer);
      break;
    case InKind::kRead:
    case InKind::kFetch:
      if (!peer.gone) {
        if (op.reports)
          queues_.tx->push({op.context, op.completion_flags, op.total, nullptr, 0, 0});
        if (queues_.reads != nullptr) queues_.reads->add();
      }
      break;
  }
  release(op);
}

void Engine::fail(IncomingOp& op, int error, int provider_errno) {
  if (!op.failed && !op.peer->gone) {
    const bool requested = op.kind == InKind::kRead || op.kind == InKind::kFetch;
    if (requested) {
      if (queues_.tx != nullptr)
        queues_.tx->push_failure({{op.context, op.completion_flags, op.total},
                                  0,
                                  error,
                                  provider_errno,
                                  describe(*op.peer, provider_errno)});
      if (queues_.reads != nullptr) queues_.reads->add_error();
    } else if (op.kind == InKind::kMessage && op.posted != nullptr) {
      Completion completion = completion_of(op);
      if (release(*op.posted)) completion.flags |= FI_MULTI_RECV;
      op.posted = nullptr;
      if (queues_.rx != nullptr)
        queues_.rx->push_failure(
            {completion, 0, error, provider_errno, describe(*op.peer, provider_errno)});
      if (queues_.receives != nullptr) queues_.receives->add_error();
    } else if (!op.peer->unresponsive) {
      host_.report(error, provider_errno, describe(*op.peer, provider_errno));
    }
  }
  op.failed = true;
  op.queue.remove();
  op.partial.remove();
  if (op.outstanding == 0) release(op);
}

void Engine::release(IncomingOp& op) {
  unregister(op.temporary);
  if (op.deferred) --deferred_;
  if (op.claimed) std::erase(claimed_, &op);
  op.held.clear();
  op.queue.remove();
  op.partial.remove();
  op.by_peer.remove();
  if (!op.matched) {  // else it has left the matcher
    op.by_tag.remove();
    op.by_order.remove();
  }
  incoming_.give(op);
}

}  // namespace efa::rdm
