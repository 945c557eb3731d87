// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Peers that come and go, and what a user is told about them (spec efa-rdm-protocol 8, 19).
#include <arpa/inet.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <cstdio>

#include "rdm/engine.hpp"

namespace efa::rdm {

std::string name_of(const RawAddress& address) {
  char gid[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, address.gid.data(), gid, sizeof gid);
  return "[" + std::string(gid) + "]:" + std::to_string(address.qpn) + ":" +
         std::to_string(address.connid);
}

// A sentence about an operation to or from the peer.
std::string Engine::describe(const Peer& peer, int provider_errno) const {
  std::string text = std::string(text_of_errno(provider_errno)) + " (from " + name_of(config_.own) +
                     " to " + name_of(peer.address);
  const auto host = [](std::uint64_t id) {
    char digits[20];
    std::snprintf(digits, sizeof digits, "i-0%016lx", static_cast<unsigned long>(id));
    return std::string(digits);
  };
  if (config_.host_id != 0) text += ", own host " + host(config_.host_id);
  if (peer.host_id != 0) text += ", its host " + host(peer.host_id);
  return text + ")";
}

Peer& Engine::new_peer(const RawAddress& address, ibv_ah* ah, std::uint16_t ahn) {
  Peer& peer = peers_.add(address, ah, ahn);
  peer.options = ReqOptions::with_address(config_.own);
  peer.self = peer.address.gid == config_.own.gid && peer.address.qpn == config_.own.qpn &&
              peer.address.connid == config_.own.connid;
  update_limits(peer);
  return peer;
}

// A peer that sent before it was inserted keeps what is known of it.
void Engine::insert_peer(Source source, const RawAddress& address, ibv_ah* ah, std::uint16_t ahn) {
  Peer* peer = peers_.find(address);
  if (peer == nullptr) {
    peers_.name(new_peer(address, ah, ahn), source);
    return;
  }
  peer->gone = false;
  if (peer->own_destination) host_.release_destination(peer->address.gid);
  peer->own_destination = false;
  peers_.rebind(*peer, ah, ahn);
  peers_.name(*peer, source);
  for (Matcher* in : {&tagged_, &untagged_})
    in->name_source(source, [&](const UnexpectedMessage& message) {
      return static_cast<const IncomingOp&>(message).peer == peer;
    });
  rematch(*peer);
}

// Messages of a sender that is known now may go to receives that name it.
void Engine::rematch(Peer& peer) {
  for (bool again = true; again;) {
    again = false;
    for (IncomingOp* op = peer.incoming.front(); op != nullptr; op = peer.incoming.after(*op)) {
      if (op->kind != InKind::kMessage || op->matched || op->claimed) continue;
      Matcher& in = matcher(op->tagged);
      PostedReceive* posted = in.find_receive(peer.source, op->tag);
      if (posted == nullptr) continue;
      in.remove(*op);
      match(*op, static_cast<PostedOp&>(*posted));
      again = true;
      break;
    }
  }
}

// A peer that sends and is in no address vector; its address handle is ours.
Peer* Engine::implicit_peer(const RawAddress& address) {
  if (Peer* known = peers_.find(address)) return known;
  if (address.gid == std::array<std::uint8_t, 16>{}) return nullptr;
  if (config_.max_implicit_peers != 0 && peers_.implicit_count() >= config_.max_implicit_peers)
    if (Peer* oldest = peers_.oldest_implicit()) drop_peer(*oldest);
  const Destination to = host_.acquire_destination(address.gid);
  if (to.ah == nullptr) {
    host_.report(FI_ENOMEM, static_cast<int>(ProviderErrno::kAvInsert),
                 "no address handle for " + name_of(address) +
                     ", which sent a message: the device has no more of them");
    return nullptr;
  }
  Peer& peer = new_peer(address, to.ah, to.number);
  peer.own_destination = true;
  return &peer;
}

void Engine::remove_peer(Source source) {
  if (Peer* peer = peers_.find(source)) drop_peer(*peer);
}

// Requests that the device does not have yet, as if it had them and gives them back.
template <class Which>
void Engine::drop_waiting(List<Work, &Work::queue>& waiting, Which which) {
  for (Work* work = waiting.front(); work != nullptr;) {
    Work* next = waiting.after(*work);
    if (which(*work)) {
      work->queue.remove();
      ++outstanding_;
      ++work->peer->works;
      not_sent(*work, IBV_WC_WR_FLUSH_ERR, 0);
    }
    work = next;
  }
}

// Its operations end without completions, its packets are dropped from now on. It stays known as
// long as the device has requests to it, and so that its late packets are recognised.
void Engine::drop_peer(Peer& peer) {
  peer.gone = true;
  peers_.name(peer, kAnySource);
  peer.order.forget();
  drop_waiting(peer.resend, [](const Work&) { return true; });
  peer.resending.remove();
  peer.handshake_due.remove();
  peer.launch_due.remove();
  fail_waiting(peer, FI_ECANCELED, 0);
  drop_waiting(unsent_, [&](const Work& work) { return work.peer == &peer; });
  std::erase_if(claimed_, [&](const IncomingOp* op) { return op->peer == &peer; });
  for (OutgoingOp* op = peer.outgoing.front(); op != nullptr;) {
    OutgoingOp* next = peer.outgoing.after(*op);
    fail(*op, FI_ECANCELED, 0);
    op = next;
  }
  for (IncomingOp* op = peer.incoming.front(); op != nullptr;) {
    IncomingOp* next = peer.incoming.after(*op);
    if (op->posted != nullptr) {
      op->posted->users -= 1;
      if (op->posted->users == 0 && op->posted->closed) posted_.give(*op->posted);
      op->posted = nullptr;
    }
    fail(*op, FI_ECANCELED, 0);
    op = next;
  }
  if (peer.own_destination && peer.works == 0) {
    host_.release_destination(peer.address.gid);
    peer.own_destination = false;
  }
}

// What a peer still does there goes no further: it may have the keys for longer than the
// application has the memory. The peer gets no answer, as for any access outside of registrations.
void Engine::close_region(const Region& region) {
  const auto end = [&](auto& op, const auto& is_of) {
    bad_packet(op.peer, ProviderErrno::kRmaAddress, "the registration is closed before the end");
    op.failed = true;
    ++op.outstanding;  // it is still looked at below
    drop_waiting(op.peer->resend, is_of);
    drop_waiting(unsent_, is_of);
    --op.outstanding;
    fail(op, FI_ECANCELED, static_cast<int>(ProviderErrno::kRmaAddress));
  };
  outgoing_.each([&](OutgoingOp& op) {
    if (op.kind == OutKind::kReadAnswer && !op.failed && op.source.touches(region))
      end(op, [&](const Work& work) { return owner_of(work).outgoing == &op; });
  });
  incoming_.each([&](IncomingOp& op) {
    if (op.kind == InKind::kWriteTarget && !op.failed && op.destination.touches(region))
      end(op, [&](const Work& work) { return owner_of(work).incoming == &op; });
  });
}

Usage Engine::usage() const {
  Usage usage;
  usage.outgoing = outgoing_.size();
  usage.incoming = incoming_.size();
  usage.posted = posted_.size();
  usage.deferred = deferred_;
  usage.owed = owed_;
  usage.requests = outstanding_;
  usage.packets = small_.in_use() + large_.in_use() - (any_ != nullptr ? 1 : 0);
  return usage;
}

std::string Engine::dump() const {
  std::string text = "endpoint " + name_of(config_.own) + ": " + std::to_string(outstanding_) +
                     " of " + std::to_string(config_.tx_depth) + " send requests on the device, " +
                     std::to_string(receives_posted_) + " receives\n";
  peers_.each([&](const Peer& peer) {
    const OutgoingOp* out = peer.outgoing.front();
    const IncomingOp* in = peer.incoming.front();
    if (out == nullptr && in == nullptr && peer.resend.empty() && peer.order.empty()) return;
    text += "  peer " + name_of(peer.address) + (peer.handshake_received ? "" : ", no handshake") +
            (peer.backing_off ? ", has no receives, backing off" : "") +
            (peer.unresponsive ? ", unresponsive" : "") + "\n";
    if (!peer.order.empty())
      text += "    waits for its message " + std::to_string(peer.order.expected()) +
              "; later ones are here\n";
    if (out != nullptr)
      text +=
          "    oldest to it: packet type " + std::to_string(static_cast<int>(out->choice.type)) +
          ", " + std::to_string(out->total) + " bytes, " + std::to_string(out->sent) + " sent, " +
          std::to_string(out->acked) + " acknowledged, window " + std::to_string(out->window) +
          (out->awaits_answer ? ", awaits its answer" : "") +
          (out->queue.in_list() && !peer.handshake_received ? ", waits for its handshake" : "") +
          "\n";
    if (in != nullptr)
      text += "    oldest from it: packet type " + std::to_string(static_cast<int>(in->type)) +
              ", " + std::to_string(in->received) + " of " + std::to_string(in->total) +
              " bytes, granted " + std::to_string(in->window) +
              (in->matched ? "" : ", no receive is posted for it") +
              (in->waits_read ? ", reads wait for room" : "") + "\n";
  });
  return text;
}

}  // namespace efa::rdm
