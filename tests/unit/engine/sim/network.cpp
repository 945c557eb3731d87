// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "sim/network.hpp"

#include <algorithm>
#include <cstring>

#include "sim/node.hpp"

namespace efa::rdm::sim {

void Network::detach(Node& node) {
  std::erase(nodes_, &node);
  std::erase_if(flying_, [&](const Request& request) { return request.from == &node; });
}

Node* Network::find(const Gid& gid, std::uint32_t qpn) const {
  for (Node* node : nodes_)
    if (node->address().gid == gid && node->address().qpn == qpn) return node;
  return nullptr;
}

bool Network::step() {
  if (flying_.empty()) return false;
  const std::size_t which = reorders ? random() % flying_.size() : 0;
  Request request = std::move(flying_[which]);
  flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(which));
  if (request.happened) {
    complete(request);
    return true;
  }
  request.status = execute(request);
  request.happened = true;
  flying_.push_back(std::move(request));  // its acknowledgement
  return true;
}

// Now the device looks at the memory: what was given away too early shows.
std::uint32_t Network::execute(Request& request) {
  Node* to = find(request.gid, request.qpn);
  if (to != nullptr && to->silent) return to->silent;
  for (const ibv_sge& piece : request.pieces) {
    const bool writes = request.opcode == IBV_WR_RDMA_READ;
    if (!request.from->allows(piece, writes ? IBV_ACCESS_LOCAL_WRITE : 0)) {
      violation("local key " + std::to_string(piece.lkey) + " for " + std::to_string(piece.length) +
                " bytes is no registration of them");
      return kBadLkey;
    }
  }
  if (to == nullptr) return kBadQpn;
  if (to->address().connid != request.qkey) return kUnresponsive;  // the device drops it
  if (request.opcode == IBV_WR_RDMA_READ || request.opcode == IBV_WR_RDMA_WRITE ||
      request.opcode == IBV_WR_RDMA_WRITE_WITH_IMM)
    return rdma(request, *to);
  std::vector<std::byte> bytes = request.inline_data;
  for (const ibv_sge& piece : request.pieces) {
    const auto* at = reinterpret_cast<const std::byte*>(piece.addr);
    bytes.insert(bytes.end(), at, at + piece.length);
  }
  return deliver(request, *to, bytes);
}

std::uint32_t Network::deliver(const Request& request, Node& to, std::span<const std::byte> bytes) {
  if (bytes.size() > request.from->settings().mtu)
    violation("a packet of " + std::to_string(bytes.size()) + " bytes");
  if (to.posted.empty() || (rnr_percent != 0 && random() % 100 < rnr_percent)) return kRnr;
  const Posted buffer = to.posted.front();
  if (bytes.size() > buffer.piece.length) return kBadRemoteLength;
  to.posted.pop_front();
  if (!bytes.empty())
    std::memcpy(reinterpret_cast<void*>(buffer.piece.addr), bytes.data(), bytes.size());
  to.receive_queue().entries.push_back(
      {buffer.wr_id, IBV_WC_RECV, kOk, static_cast<std::uint32_t>(bytes.size()), 0,
       request.from->address().qpn, to.handle_number(request.from->address().gid),
       request.from->address().gid});
  return kOk;
}

std::uint32_t Network::rdma(const Request& request, Node& to) {
  std::uint64_t length = 0;
  for (const ibv_sge& piece : request.pieces) length += piece.length;
  const bool reads = request.opcode == IBV_WR_RDMA_READ;
  const Registration* target = to.registration(request.rkey);
  const int needed = reads ? IBV_ACCESS_REMOTE_READ : IBV_ACCESS_REMOTE_WRITE;
  if (length != 0 && (target == nullptr || !target->contains(request.remote, length) ||
                      (target->access & needed) == 0))
    return kBadRemoteAddress;
  const bool immediate = request.opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
  if (immediate && (to.posted.empty() || (rnr_percent != 0 && random() % 100 < rnr_percent)))
    return kRnr;
  std::uint64_t at = request.remote;
  for (const ibv_sge& piece : request.pieces) {
    auto* local = reinterpret_cast<void*>(piece.addr);
    auto* remote = reinterpret_cast<void*>(at);
    if (piece.length != 0)
      std::memcpy(reads ? local : remote, reads ? remote : local, piece.length);
    at += piece.length;
  }
  if (!immediate) return kOk;
  const Posted buffer = to.posted.front();
  to.posted.pop_front();
  to.receive_queue().entries.push_back(
      {buffer.wr_id, IBV_WC_RECV_RDMA_WITH_IMM, kOk, static_cast<std::uint32_t>(length),
       request.immediate, request.from->address().qpn,
       to.handle_number(request.from->address().gid), request.from->address().gid});
  return kOk;
}

void Network::complete(const Request& request) {
  const ibv_wc_opcode opcode = request.opcode == IBV_WR_RDMA_READ ? IBV_WC_RDMA_READ
                               : request.opcode == IBV_WR_SEND    ? IBV_WC_SEND
                                                                  : IBV_WC_RDMA_WRITE;
  request.from->completed();
  request.from->send_queue().entries.push_back(
      {request.wr_id, opcode, request.status, 0, 0, 0, 0, {}});
}

bool Network::inject(const Node& from, Node& to, std::span<const std::byte> bytes) {
  if (to.posted.empty()) return false;
  const Posted buffer = to.posted.front();
  to.posted.pop_front();
  const std::size_t length = std::min<std::size_t>(bytes.size(), buffer.piece.length);
  if (length != 0) std::memcpy(reinterpret_cast<void*>(buffer.piece.addr), bytes.data(), length);
  to.receive_queue().entries.push_back({buffer.wr_id, IBV_WC_RECV, kOk,
                                        static_cast<std::uint32_t>(length), 0, from.address().qpn,
                                        to.handle_number(from.address().gid), from.address().gid});
  return true;
}

// ---- Completion queues

namespace {

Queue& queue_of(ibv_cq_ex* cq) {
  return *reinterpret_cast<Queue*>(cq);
}

bool take(Queue& queue) {
  if (queue.entries.empty()) return false;
  queue.current = queue.entries.front();
  queue.entries.pop_front();
  queue.cq.wr_id = queue.current.wr_id;
  queue.cq.status = queue.current.status == kOk ? IBV_WC_SUCCESS : IBV_WC_GENERAL_ERR;
  return true;
}

int start_poll(ibv_cq_ex* cq, ibv_poll_cq_attr*) {
  Queue& queue = queue_of(cq);
  Network& network = queue.owner->network();
  if (queue.polling) network.violation("a completion queue is polled twice at a time");
  if (queue.owner->batch_is_open()) network.violation("polled with an open batch of requests");
  if (!take(queue)) return ENOENT;
  queue.polling = true;
  return 0;
}

int next_poll(ibv_cq_ex* cq) {
  Queue& queue = queue_of(cq);
  if (queue.owner->batch_is_open())
    queue.owner->network().violation("polled with an open batch of requests");
  return take(queue) ? 0 : ENOENT;
}

void end_poll(ibv_cq_ex* cq) {
  queue_of(cq).polling = false;
}

}  // namespace

Queue::Queue() {
  cq.start_poll = start_poll;
  cq.next_poll = next_poll;
  cq.end_poll = end_poll;
  cq.read_opcode = [](ibv_cq_ex* on) { return queue_of(on).current.opcode; };
  cq.read_vendor_err = [](ibv_cq_ex* on) { return queue_of(on).current.status; };
  cq.read_byte_len = [](ibv_cq_ex* on) { return queue_of(on).current.bytes; };
  cq.read_imm_data = [](ibv_cq_ex* on) { return queue_of(on).current.immediate; };
  cq.read_src_qp = [](ibv_cq_ex* on) { return queue_of(on).current.source_qpn; };
  cq.read_slid = [](ibv_cq_ex* on) {
    return static_cast<std::uint32_t>(queue_of(on).current.source_handle);
  };
}

}  // namespace efa::rdm::sim
