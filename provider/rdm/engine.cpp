// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Progress: what the device completed, what may go on (spec efa-rdm-protocol 12).
#include "rdm/engine.hpp"

#include <rdma/fi_errno.h>

#include <algorithm>
#include <cerrno>

namespace efa::rdm {
namespace {

constexpr std::size_t kSmallPerSlab = 256;
constexpr std::size_t kLargePerSlab = 32;
constexpr std::size_t kReceivesPerSlab = 64;
constexpr std::uint32_t kFirstReceives = 512;
constexpr std::size_t kPostChain = 64;
constexpr std::uint64_t kPatience = 3'000'000;  // microseconds

}  // namespace

Engine::Engine(Host& host, const Config& config, const Queues& queues)
    : host_(host),
      config_(config),
      queues_(queues),
      small_(host, *this, kSmallBuffer, kSmallPerSlab, IBV_ACCESS_LOCAL_WRITE),
      large_(host, *this, config.mtu, kLargePerSlab, IBV_ACCESS_LOCAL_WRITE),
      receives_(host, *this, config.mtu, kReceivesPerSlab, IBV_ACCESS_LOCAL_WRITE),
      receives_wanted_(std::min(kFirstReceives, config.rx_depth)),
      random_(config.own.connid) {
  to_post_.reserve(config.rx_depth);
}

Engine::~Engine() {
  outgoing_.each([&](OutgoingOp& op) { unregister(op.temporary); });
  incoming_.each([&](IncomingOp& op) { unregister(op.temporary); });
  peers_.each([&](Peer& peer) {
    if (peer.own_destination) host_.release_destination(peer.address.gid);
  });
}

bool Engine::prepare() {
  if (!small_.prepare() || !large_.prepare()) return false;
  refill();
  return receives_posted_ != 0;
}

bool Engine::has_waiting() const {
  return !resending_.empty() || !handshakes_.empty() || !unsent_.empty() || !reads_.empty() ||
         !windows_.empty() || !launching_.empty();
}

bool Engine::has_pending() const {
  return has_waiting() || lacks_receives();
}

inline void Engine::poll(ibv_cq_ex& cq) {
  ibv_poll_cq_attr attr{};
  if (ibv_start_poll(&cq, &attr) != 0) return;
  std::size_t budget = config_.poll_batch;
  do {
    const bool immediate = is_immediate(cq);
    if (!immediate || !took_unsolicited(cq))
      take(*reinterpret_cast<Work*>(cq.wr_id), cq, immediate);
  } while (--budget != 0 && ibv_next_poll(&cq) == 0);
  ibv_end_poll(&cq);
}

void Engine::progress() {
  close_batch();  // of sends with FI_MORE
  poll(*queues_.receive_cq);
  if (queues_.send_cq != queues_.receive_cq) poll(*queues_.send_cq);
  if (lacks_receives()) refill();
  if (any_waits_) {
    if (!resending_.empty()) resume_peers();
    send_waiting();
    any_waits_ = has_waiting();
  }
  close_batch();
}

// Whether it is of a peer's write with data.
bool Engine::is_immediate(ibv_cq_ex& cq) const {
  return config_.takes_immediate && ibv_wc_read_opcode(&cq) == IBV_WC_RECV_RDMA_WITH_IMM;
}

bool Engine::took_unsolicited(ibv_cq_ex& cq) {
  if (!config_.tells_unsolicited || !host_.is_unsolicited(cq)) return false;
  if (Engine* owner = host_.engine_of(cq)) owner->arrived_immediate(cq);
  return true;
}

// CQs may be shared: a completion belongs to the engine that posted its request.
void Engine::take(Work& work, ibv_cq_ex& cq, bool immediate) {
  Engine& owner = *work.engine;
  if (work.kind == WorkKind::kReceive) {
    auto& packet = static_cast<RxPacket&>(work);
    if (cq.status == IBV_WC_SUCCESS)
      owner.arrived(packet, cq, immediate);
    else
      owner.received_nothing(packet, cq.status);
  } else if (cq.status == IBV_WC_SUCCESS) {
    owner.sent(work);
  } else {
    owner.not_sent(work, cq.status, ibv_wc_read_vendor_err(&cq));
  }
  // Not held while polling: a libefa with locks takes the SQ's for each completion.
  owner.close_batch();
}

void Engine::received_nothing(RxPacket& packet, ibv_wc_status status) {
  --receives_posted_;
  to_post_.push_back(&packet);
  if (status != IBV_WC_WR_FLUSH_ERR)
    host_.report(FI_EOTHER, static_cast<int>(ProviderErrno::kPostInternalReceive),
                 "a receive buffer came back with status " + std::to_string(status));
}

// Posts what is missing. The number grows when a burst has taken most of it between two calls: an
// endpoint that does little locks little memory.
void Engine::refill() {
  refill_at_ = config_.refill_at;
  if (receives_posted_ * 4 < receives_wanted_ && receives_.size() != 0)
    receives_wanted_ = std::min(2 * receives_wanted_, config_.rx_depth);
  while (receives_posted_ + to_post_.size() < receives_wanted_) {
    RxPacket* packet = receives_.take();
    if (packet == nullptr) {
      receives_wanted_ = static_cast<std::uint32_t>(receives_posted_ + to_post_.size());
      if (receives_wanted_ == 0)
        host_.report(FI_ENOMEM, static_cast<int>(ProviderErrno::kPostInternalReceive),
                     "no memory for receive buffers can be registered; raise the limit on locked "
                     "memory (ulimit -l)");
      break;
    }
    packet->kind = WorkKind::kReceive;
    to_post_.push_back(packet);
  }
  while (!to_post_.empty()) {
    ibv_recv_wr requests[kPostChain];
    ibv_sge pieces[kPostChain];
    const std::size_t count = std::min(to_post_.size(), kPostChain);
    for (std::size_t i = 0; i < count; ++i) {
      RxPacket& packet = *to_post_[to_post_.size() - 1 - i];
      pieces[i] = {reinterpret_cast<std::uintptr_t>(packet.buffer), packet.capacity, packet.lkey};
      requests[i] = {reinterpret_cast<std::uintptr_t>(static_cast<Work*>(&packet)),
                     i + 1 < count ? &requests[i + 1] : nullptr, &pieces[i], 1};
    }
    ibv_recv_wr* bad = nullptr;
    const int error = ibv_post_recv(queues_.qp, requests, &bad);
    const std::size_t done = error == 0 ? count : static_cast<std::size_t>(bad - requests);
    to_post_.resize(to_post_.size() - done);
    receives_posted_ += static_cast<std::uint32_t>(done);
    if (error != 0) return;  // tried again with the next call
  }
}

// ---- What waits

void Engine::resume_peers() {
  const std::uint64_t now = host_.now();
  Peer* next = nullptr;
  for (Peer* peer = resending_.front(); peer != nullptr; peer = next) {
    next = resending_.after(*peer);
    if (peer->backing_off && now < peer->resume_at) continue;
    resend(*peer);
  }
}

void Engine::resend(Peer& peer) {
  peer.backing_off = false;
  while (!peer.resend.empty() && room() != 0) {
    Work& work = *peer.resend.front();
    work.queue.remove();
    submit(work);
  }
  if (peer.resend.empty()) peer.resending.remove();
}

void Engine::send_waiting() {
  while (Peer* peer = handshakes_.front()) {
    if (room() == 0) return;
    peer->handshake_due.remove();
    send_handshake(*peer);
    if (peer->handshake_due.in_list()) return;
  }
  while (!unsent_.empty() && room() != 0) {
    Work& work = *unsent_.front();
    work.queue.remove();
    submit(work);
  }
  Peer* next_peer = nullptr;
  for (Peer* peer = launching_.front(); peer != nullptr && room() != 0; peer = next_peer) {
    next_peer = launching_.after(*peer);
    launch_waiting(*peer);
  }
  IncomingOp* next_read = nullptr;
  for (IncomingOp* op = reads_.front(); op != nullptr && room() != 0; op = next_read) {
    next_read = reads_.after(*op);
    if (op->grant_due)
      grant(*op);
    else
      ask_reads(*op);
  }
  OutgoingOp* next = nullptr;
  for (OutgoingOp* op = windows_.front(); op != nullptr && room() != 0; op = next) {
    next = windows_.after(*op);
    pump(*op);
  }
}

// The peer had no receive for this request (RNR): the first time it is sent again with the next
// progress, then after pauses that double.
void Engine::back_off(Peer& peer) {
  constexpr std::uint64_t kLeast = 40;
  constexpr std::uint64_t kSpread = 120;
  if (peer.backoff == 0) {
    peer.backoff = config_.first_backoff != 0
                       ? config_.first_backoff
                       : std::max<std::uint64_t>(kLeast, random_() % kSpread);
  } else if (!peer.backing_off) {
    peer.backoff = std::min(2 * peer.backoff, config_.max_backoff);
  }
  if (peer.backing_off) return;
  const std::uint64_t now = host_.now();
  if (peer.not_ready_since == 0) peer.not_ready_since = now;
  if (now - peer.not_ready_since > kPatience && !peer.told_not_ready) tell_not_ready(peer);
  peer.backing_off = true;
  peer.resume_at = now + peer.backoff;
}

// Once, until it takes packets again: a user whose job hangs learns whom it waits for.
void Engine::tell_not_ready(Peer& peer) {
  peer.told_not_ready = true;
  host_.warn(name_of(peer.address) + " has had no receive buffer free for " +
             std::to_string(kPatience / 1'000'000) +
             " s: does it still call fi_cq_read() or MPI functions? What is sent to it from " +
             name_of(config_.own) + " waits, and is tried again every " +
             std::to_string(peer.backoff / 1000) + " ms");
}

void Engine::drain() {
  for (ibv_cq_ex* cq : {queues_.send_cq, queues_.receive_cq}) {
    ibv_poll_cq_attr attr{};
    // An error is a completion of a queue pair that the library has forgotten: as many as a CQ has.
    std::size_t forgotten = config_.tx_depth + config_.rx_depth;
    for (int result = 0; (result = ibv_start_poll(cq, &attr)) != ENOENT;) {
      if (result != 0 && forgotten-- == 0) break;
      if (result != 0) continue;
      do {
        const bool immediate = is_immediate(*cq);
        if (immediate && took_unsolicited(*cq)) continue;
        Work& work = *reinterpret_cast<Work*>(cq->wr_id);
        if (work.engine != this) take(work, *cq, immediate);
      } while (ibv_next_poll(cq) == 0);
      ibv_end_poll(cq);
    }
  }
}

void Engine::flush(std::uint64_t limit) {
  const std::uint64_t end = host_.now() + limit;
  while (owed_ != 0 && host_.now() < end) progress();
  if (owed_ != 0)
    host_.warn("closed while " + std::to_string(owed_) +
               " answers to peers were not delivered: their receivers are not ready; what they "
               "sent may never complete");
}

}  // namespace efa::rdm
