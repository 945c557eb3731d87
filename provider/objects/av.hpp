// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_av (spec libfabric-api 5.3): fi_addr_t are indices, in the order of insertion; freed ones
/// are used again, the last one freed first.
#pragma once

#include <rdma/fi_domain.h>

#include <atomic>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "address.hpp"
#include "rdm/host.hpp"

namespace efa::fi {

struct Domain;

/// A peer: what the data path needs of it comes first, one entry is one line of cache.
struct AvEntry {
  ibv_ah* ah = nullptr;  ///< null: no such entry
  uint32_t qpn = 0;
  uint32_t qkey = 0;
  uint16_t ahn = 0;
  Address address;
  /// The peer before this one with the same address handle number and QP number: QP numbers are
  /// used again (spec efa-rdm-protocol 8, "QP reuse").
  fi_addr_t older = FI_ADDR_NOTAVAIL;
};
static_assert(sizeof(AvEntry) == 64);

/// An endpoint bound to an AV. Called with the domain's lock held.
class AvUser {
 public:
  virtual void inserted(fi_addr_t peer, const AvEntry& entry) = 0;
  /// The entry is still there, its address handle too.
  virtual void removed(fi_addr_t peer, const AvEntry& entry) = 0;

 protected:
  ~AvUser() = default;
};

/// Callers hold the domain's lock, unless said otherwise.
class Av : public fid_av {
 public:
  /// Takes the lock itself, as the destructor does.
  Av(Domain& domain, const fi_av_attr& attributes);
  ~Av();
  Av(const Av&) = delete;
  Av& operator=(const Av&) = delete;

  static Av& of(fid_av* av) { return *static_cast<Av*>(av); }
  Domain& domain() { return domain_; }

  /// Null: no such peer.
  const AvEntry* find(fi_addr_t peer) const {
    if (peer >= entries_.size() || entries_[peer].ah == nullptr) return nullptr;
    return &entries_[peer];
  }
  /// FI_ADDR_NOTAVAIL: not in here.
  fi_addr_t find(const Address& address) const;
  /// Who sends with this address handle number and QP number; the newest of several.
  fi_addr_t find_sender(uint16_t ahn, uint32_t qpn) const;

  /// Tells `user` of all entries and of what changes from then on.
  void attach(AvUser& user);
  void detach(AvUser& user);

  /// 0 or a negative error; *peer is set either way.
  int insert(const Address& address, fi_addr_t* peer);
  int remove(fi_addr_t peer);
  size_t count() const { return by_address_.size(); }

  std::atomic<int> endpoints = 0;  ///< bound to it: fi_close() says -FI_EBUSY

 private:
  struct Hash {
    size_t operator()(const Address& address) const;
  };

  fi_addr_t take_place();
  void enter_sender(fi_addr_t peer);
  void leave_sender(fi_addr_t peer);

  Domain& domain_;
  std::vector<AvEntry> entries_;
  std::vector<fi_addr_t> free_;
  std::unordered_map<Address, fi_addr_t, Hash> by_address_;
  std::unordered_map<uint32_t, fi_addr_t> by_sender_;  ///< ahn << 16 | qpn
  std::vector<AvUser*> users_;
};

int open_av(fid_domain* domain, fi_av_attr* attributes, fid_av** av, void* context);

}  // namespace efa::fi
