// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/peers.hpp"

#include <cstring>

namespace efa::rdm {
namespace {

constexpr std::size_t kFirstSlots = 64;

}  // namespace

Peers::Peers() : senders_(kFirstSlots) {}
Peers::~Peers() = default;

std::size_t Peers::Hash::operator()(const RawAddress& address) const {
  std::uint64_t low;
  std::uint64_t high;
  std::memcpy(&low, address.gid.data(), sizeof low);
  std::memcpy(&high, address.gid.data() + sizeof low, sizeof high);
  const std::uint64_t own = std::uint64_t{address.qpn} << 32 | address.connid;
  return (low * 31 + high + own) * 0x9e3779b97f4a7c15ULL >> 16;
}

Peer* Peers::find(const RawAddress& address) const {
  const auto found = by_address_.find({address.gid, address.qpn, 0, address.connid, 0});
  return found == by_address_.end() ? nullptr : found->second;
}

Peer* Peers::find_previous(std::uint16_t ahn, std::uint32_t qpn, std::uint32_t connid) const {
  for (const auto& [key, peer] : all_)
    if (peer->ahn == ahn && peer->qpn == qpn && peer->connid == connid) return peer.get();
  return nullptr;
}

Peer& Peers::add(const RawAddress& address, ibv_ah* ah, std::uint16_t ahn) {
  auto owner = std::make_unique<Peer>();
  Peer& peer = *owner;
  peer.address = {address.gid, address.qpn, 0, address.connid, 0};
  peer.ah = ah;
  peer.ahn = ahn;
  peer.qpn = address.qpn;
  peer.connid = address.connid;
  all_[&peer] = std::move(owner);
  by_address_[peer.address] = &peer;
  implicit_.push_back(peer);
  ++implicit_count_;
  put_sender(peer);
  return peer;
}

void Peers::rebind(Peer& peer, ibv_ah* ah, std::uint16_t ahn) {
  peer.ah = ah;
  peer.ahn = ahn;
  rebuild_senders(senders_.size());
  put_sender(peer);  // the newest of those with these numbers
}

void Peers::name(Peer& peer, Source source) {
  if (peer.source != kAnySource) by_source_[peer.source] = nullptr;
  if (peer.implicit.in_list()) {
    peer.implicit.remove();
    --implicit_count_;
  }
  peer.source = source;
  if (source == kAnySource) return;
  if (source >= by_source_.size()) by_source_.resize(source + 1);
  by_source_[source] = &peer;
}

void Peers::put_sender(Peer& peer) {
  if (2 * (sender_count_ + 1) > senders_.size()) return rebuild_senders(2 * senders_.size());
  const std::uint32_t key = sender_key(peer.ahn, peer.qpn);
  std::size_t i = slot_of(key);
  while (senders_[i].peer != nullptr && senders_[i].key != key) i = (i + 1) & (senders_.size() - 1);
  if (senders_[i].peer == nullptr) ++sender_count_;
  senders_[i] = {key, &peer};
}

// Of peers with the same numbers the table has any; find_previous() finds the others.
void Peers::rebuild_senders(std::size_t slots) {
  senders_.assign(slots, {});
  sender_count_ = 0;
  for (const auto& [key, peer] : all_) put_sender(*peer);
}

}  // namespace efa::rdm
