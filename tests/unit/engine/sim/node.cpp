// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "sim/node.hpp"

#include <rdma/fabric.h>

#include <cerrno>

namespace efa::rdm::sim {
namespace {

constexpr std::uint16_t kUnknownHandle = 0xffff;

Gid gid_of(std::uint16_t number) {
  Gid gid{0xfe, 0x80};
  gid[14] = static_cast<std::uint8_t>(number >> 8);
  gid[15] = static_cast<std::uint8_t>(number);
  return gid;
}

int verbs_access(std::uint64_t access) {
  return IBV_ACCESS_LOCAL_WRITE | ((access & FI_REMOTE_READ) != 0 ? IBV_ACCESS_REMOTE_READ : 0) |
         ((access & FI_REMOTE_WRITE) != 0 ? IBV_ACCESS_REMOTE_WRITE : 0);
}

}  // namespace

Node::Node(Network& network, const Settings& settings) : network_(network), settings_(settings) {
  const auto number = static_cast<std::uint16_t>(network.new_key());
  address_.gid = settings.gid == Gid{} ? gid_of(number) : settings.gid;
  address_.qpn = settings.qpn != 0 ? settings.qpn : number;
  address_.connid = 0x10000 + network.new_key();
  send_queue_.owner = receive_queue_.owner = this;
  make_queue_pair();
  network_.attach(*this);
  Queues queues;
  queues.qp = reinterpret_cast<ibv_qp*>(&qp_.ex);
  queues.send = &qp_.ex;
  queues.send_cq = &send_queue_.cq;
  queues.receive_cq = &receive_queue_.cq;
  queues.tx = &tx;
  queues.rx = &rx;
  queues.sends = &sends;
  queues.receives = &receives;
  queues.reads = &reads;
  queues.writes = &writes;
  queues.remote_reads = &remote_reads;
  queues.remote_writes = &remote_writes;
  engine_ = std::make_unique<Engine>(*this, make_config(), queues);
  if (!engine_->prepare()) network.violation("an engine without memory");
}

Node::~Node() {
  close();
}

void Node::close() {
  if (!engine_) return;
  network_.detach(*this);
  engine_.reset();
  posted.clear();
}

Config Node::make_config() const {
  Config config;
  config.own = address_;
  config.side.features =
      Features(settings_.features | (settings_.rdma_read ? std::uint64_t{Features::kRdmaRead} : 0) |
               (settings_.rdma_write ? std::uint64_t{Features::kRdmaWrite} : 0));
  config.side.device = settings_.device;
  config.host_id = 0x0123456789abcdef;
  config.mtu = settings_.mtu;
  config.tx_depth = settings_.tx_depth;
  config.rx_depth = settings_.rx_depth;
  config.max_sge = settings_.max_sge;
  config.inline_size = settings_.inline_size;
  config.max_rdma = settings_.max_rdma;
  config.use_rdma_read = settings_.rdma_read;
  config.use_rdma_write = settings_.rdma_write;
  config.takes_immediate = true;
  config.limits.runt_size = settings_.runt_size;
  config.limits.max_medium = settings_.max_medium;
  config.limits.min_read_message = settings_.min_read_message;
  config.limits.min_read_write = settings_.min_read_write;
  config.cts_packets = settings_.cts_packets;
  config.pin_from = settings_.mtu;
  config.refill_at = std::min<std::size_t>(8, settings_.rx_depth);
  config.min_multi_recv = settings_.min_multi_recv;
  config.max_implicit_peers = settings_.max_implicit_peers;
  config.prefix = settings_.prefix;
  config.retries = settings_.retries;
  config.homogeneous = settings_.homogeneous;
  return config;
}

// ---- The queue pair

Request& Node::building() {
  if (batch_.empty()) {
    network_.violation("a request outside of wr_start() and wr_complete()");
    batch_.emplace_back();
  }
  return batch_.back();
}

int Node::ring_doorbell() {
  if (!batch_open_) network_.violation("wr_complete() without wr_start()");
  batch_open_ = false;
  for (Request& request : batch_) network_.post(std::move(request));
  on_device_ += static_cast<std::uint32_t>(batch_.size());
  batch_.clear();
  if (on_device_ > settings_.tx_depth) network_.violation("more requests than the SQ has room for");
  return 0;
}

int Node::post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
  Node& node = of(reinterpret_cast<ibv_qp_ex*>(qp));
  for (; wr != nullptr; wr = wr->next) {
    if (node.posted.size() == node.settings_.rx_depth) {
      *bad = wr;
      return ENOMEM;
    }
    if (!node.allows(wr->sg_list[0], IBV_ACCESS_LOCAL_WRITE))
      node.network_.violation("a receive in memory that is not registered");
    node.posted.push_back({wr->wr_id, wr->sg_list[0]});
  }
  return 0;
}

namespace {

template <ibv_wr_opcode kOpcode>
Request request_of(Node& node, const ibv_qp_ex* qp) {
  Request request;
  request.from = &node;
  request.wr_id = qp->wr_id;
  request.opcode = kOpcode;
  if ((qp->wr_flags & IBV_SEND_SIGNALED) == 0)
    node.network().violation("a request that is not signalled");
  return request;
}

}  // namespace

void Node::make_queue_pair() {
  context_.ops.post_recv = post_recv;
  qp_.node = this;
  qp_.ex.qp_base.context = &context_;
  qp_.ex.wr_start = [](ibv_qp_ex* qp) {
    if (of(qp).batch_open_) of(qp).network_.violation("wr_start() twice");
    of(qp).batch_open_ = true;
  };
  qp_.ex.wr_complete = [](ibv_qp_ex* qp) { return of(qp).ring_doorbell(); };
  qp_.ex.wr_abort = [](ibv_qp_ex* qp) { of(qp).batch_.clear(), of(qp).batch_open_ = false; };
  qp_.ex.wr_send = [](ibv_qp_ex* qp) {
    of(qp).batch_.push_back(request_of<IBV_WR_SEND>(of(qp), qp));
  };
  qp_.ex.wr_send_imm = [](ibv_qp_ex* qp, __be32 immediate) {
    of(qp).batch_.push_back(request_of<IBV_WR_SEND_WITH_IMM>(of(qp), qp));
    of(qp).batch_.back().immediate = immediate;
  };
  qp_.ex.wr_rdma_read = [](ibv_qp_ex* qp, std::uint32_t rkey, std::uint64_t remote) {
    of(qp).batch_.push_back(request_of<IBV_WR_RDMA_READ>(of(qp), qp));
    of(qp).batch_.back().rkey = rkey;
    of(qp).batch_.back().remote = remote;
  };
  qp_.ex.wr_rdma_write = [](ibv_qp_ex* qp, std::uint32_t rkey, std::uint64_t remote) {
    of(qp).batch_.push_back(request_of<IBV_WR_RDMA_WRITE>(of(qp), qp));
    of(qp).batch_.back().rkey = rkey;
    of(qp).batch_.back().remote = remote;
  };
  qp_.ex.wr_rdma_write_imm = [](ibv_qp_ex* qp, std::uint32_t rkey, std::uint64_t remote,
                                __be32 immediate) {
    of(qp).batch_.push_back(request_of<IBV_WR_RDMA_WRITE_WITH_IMM>(of(qp), qp));
    of(qp).batch_.back().rkey = rkey;
    of(qp).batch_.back().remote = remote;
    of(qp).batch_.back().immediate = immediate;
  };
  qp_.ex.wr_set_ud_addr = [](ibv_qp_ex* qp, ibv_ah* ah, std::uint32_t qpn, std::uint32_t qkey) {
    Request& request = of(qp).building();
    request.gid = reinterpret_cast<const Handle*>(ah)->gid;
    request.qpn = qpn;
    request.qkey = qkey;
  };
  qp_.ex.wr_set_sge = [](ibv_qp_ex* qp, std::uint32_t lkey, std::uint64_t at,
                         std::uint32_t length) {
    of(qp).building().pieces = {{at, length, lkey}};
  };
  qp_.ex.wr_set_sge_list = [](ibv_qp_ex* qp, std::size_t count, const ibv_sge* pieces) {
    if (count > of(qp).settings_.max_sge)
      of(qp).network_.violation("more pieces than a request can have");
    of(qp).building().pieces.assign(pieces, pieces + count);
  };
  qp_.ex.wr_set_inline_data = [](ibv_qp_ex* qp, void* at, std::size_t length) {
    if (length > of(qp).settings_.inline_size)
      of(qp).network_.violation("more inline data than a request can have");
    const auto* bytes = static_cast<const std::byte*>(at);
    of(qp).building().inline_data.assign(bytes, bytes + length);
  };
}

// ---- Memory

bool Node::allows(const ibv_sge& piece, int access) const {
  const Registration* found = registration(piece.lkey);
  if (piece.length == 0) return found != nullptr;
  return found != nullptr && found->contains(piece.addr, piece.length) &&
         (found->access & access) == access;
}

const Registration* Node::registration(std::uint32_t key) const {
  const auto found = registrations_.find(key);
  return found == registrations_.end() ? nullptr : found->second.get();
}

ibv_mr* Node::register_memory(void* address, std::size_t bytes, int access) {
  if (registrations_left == 0) {
    errno = ENOMEM;
    return nullptr;
  }
  --registrations_left;
  auto made = std::make_unique<Registration>();
  made->start = reinterpret_cast<std::uintptr_t>(address);
  made->length = bytes;
  made->access = access;
  made->mr.lkey = made->mr.rkey = network_.new_key();
  ibv_mr* mr = &made->mr;
  registrations_[mr->lkey] = std::move(made);
  return mr;
}

void Node::deregister(ibv_mr* mr) {
  if (registrations_.erase(mr->lkey) == 0) network_.violation("deregistered twice");
}

Pinned Node::pin_repeated(void* address, std::size_t bytes) {
  if (++pins_ % 2 == 0 || registrations_left == 0) return {};
  Region* region = register_region(address, bytes, FI_SEND);
  return {&registrations_.at(region->lkey)->mr, region, region};
}

void Node::unpin(const Pinned& pinned) {
  deregister(pinned.mr);
  regions_.remove_if([&](const Region& kept) { return &kept == pinned.kept; });
}

void Node::close_region(const Region& region) {
  engine_->close_region(region);
  registrations_.erase(region.lkey);
  regions_.remove_if([&](const Region& kept) { return &kept == &region; });
}

Region* Node::register_region(void* at, std::size_t length, std::uint64_t access) {
  const std::size_t left = registrations_left;
  registrations_left = ~std::size_t{0};
  const ibv_mr* mr = register_memory(at, length, verbs_access(access));
  registrations_left = left;
  Region region;
  region.lkey = mr->lkey;
  region.rkey = mr->rkey;
  region.start = reinterpret_cast<std::uintptr_t>(at);
  region.length = length;
  region.access = access;
  region.remote_readable = (access & FI_REMOTE_READ) != 0;
  regions_.push_back(region);
  return &regions_.back();
}

const Region* Node::find_region(std::uint64_t key) {
  for (const Region& region : regions_)
    if (region.rkey == key) return &region;
  return nullptr;
}

// ---- Address handles

Destination Node::acquire_destination(const Gid& gid) {
  auto& handle = handles_[gid];
  if (!handle) {
    if (handles_left == 0) {
      handles_.erase(gid);
      errno = ENOMEM;
      return {};
    }
    --handles_left;
    handle = std::make_unique<Handle>();
    handle->gid = gid;
    handle->number = next_handle_++;
  }
  ++handle->users;
  return {&handle->ah, handle->number};
}

void Node::release_destination(const Gid& gid) {
  const auto found = handles_.find(gid);
  if (found == handles_.end()) return network_.violation("an address handle released twice");
  if (--found->second->users == 0) handles_.erase(found);
}

std::uint16_t Node::handle_number(const Gid& gid) const {
  const auto found = handles_.find(gid);
  return found == handles_.end() ? kUnknownHandle : found->second->number;
}

std::size_t Node::handle_users() const {
  std::size_t users = 0;
  for (const auto& [gid, handle] : handles_) users += handle->users;
  return users;
}

bool Node::sender_gid(ibv_cq_ex& cq, Gid& gid) {
  gid = reinterpret_cast<Queue&>(cq).current.source_gid;
  return tells_gid;
}

void Node::report(int error, int provider_errno, const std::string& text) {
  reports.push_back({error, provider_errno, text});
}

Source Node::connect(const Node& other) {
  return connect(other.address());
}

Source Node::connect(const RawAddress& address) {
  const Destination to = acquire_destination(address.gid);
  inserted_.push_back(address.gid);
  const Source source = inserted_.size() - 1;
  engine_->insert_peer(source, address, to.ah, to.number);
  return source;
}

void Node::disconnect(Source source) {
  engine_->remove_peer(source);
  release_destination(inserted_[source]);
}

}  // namespace efa::rdm::sim
