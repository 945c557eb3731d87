// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// All peers of an endpoint, and the ways to find one (spec efa-rdm-protocol 8).
#ifndef EFA_PROVIDER_RDM_PEERS_HPP
#define EFA_PROVIDER_RDM_PEERS_HPP

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "rdm/peer.hpp"

namespace efa::rdm {

class Peers {
 public:
  Peers();
  ~Peers();

  // ---- By fi_addr_t, for every operation.
  Peer* find(Source source) const {
    return source < by_source_.size() ? by_source_[source] : nullptr;
  }

  // ---- By who sent a packet.
  // The newest peer with these numbers, or null.
  Peer* find_sender(std::uint16_t ahn, std::uint32_t qpn) const {
    const std::uint32_t key = sender_key(ahn, qpn);
    for (std::size_t i = slot_of(key);; i = (i + 1) & (senders_.size() - 1)) {
      if (senders_[i].peer == nullptr) return nullptr;
      if (senders_[i].key == key) return senders_[i].peer;
    }
  }
  // An older one, whose QP number belongs to another endpoint by now.
  Peer* find_previous(std::uint16_t ahn, std::uint32_t qpn, std::uint32_t connid) const;
  Peer* find(const RawAddress& address) const;

  // ---- Changes. A peer has an address and an address handle from the start.
  Peer& add(const RawAddress& address, ibv_ah* ah, std::uint16_t ahn);
  // Another address handle, maybe with another number.
  void rebind(Peer& peer, ibv_ah* ah, std::uint16_t ahn);
  // Comes into the address vector; kAnySource: leaves it, or is given up.
  void name(Peer& peer, Source source);

  // Peers that are in no address vector, oldest first.
  Peer* oldest_implicit() const { return implicit_.front(); }
  std::size_t implicit_count() const { return implicit_count_; }

  template <class Visit>
  void each(Visit&& visit) const {
    for (const auto& [peer, owner] : all_) visit(*owner);
  }
  std::size_t count() const { return all_.size(); }

 private:
  struct Sender {
    std::uint32_t key = 0;
    Peer* peer = nullptr;
  };
  struct Hash {
    std::size_t operator()(const RawAddress& address) const;
  };

  static std::uint32_t sender_key(std::uint16_t ahn, std::uint32_t qpn) {
    return std::uint32_t{ahn} << 16 | (qpn & 0xffff);
  }
  std::size_t slot_of(std::uint32_t key) const {
    return (key * 0x9e3779b1U >> 8) & (senders_.size() - 1);
  }
  void put_sender(Peer& peer);
  void rebuild_senders(std::size_t slots);

  std::vector<Peer*> by_source_;
  std::vector<Sender> senders_;  // open addressing, a power of two, at most half full
  std::size_t sender_count_ = 0;
  std::unordered_map<RawAddress, Peer*, Hash> by_address_;
  std::unordered_map<const Peer*, std::unique_ptr<Peer>> all_;
  List<Peer, &Peer::implicit> implicit_;
  std::size_t implicit_count_ = 0;
};

}  // namespace efa::rdm

#endif
