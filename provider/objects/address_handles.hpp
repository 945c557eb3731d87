// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles of a domain, one for each GID, counted: the device has few of them. Callers hold
/// the domain's lock.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include "address.hpp"
#include "rdm/host.hpp"

namespace efa::fi {

class AddressHandles {
 public:
  /// Of this protection domain, which outlives them.
  void open(ibv_pd* pd) { pd_ = pd; }
  /// Destroys those that nobody released.
  void close();
  AddressHandles() = default;
  AddressHandles(const AddressHandles&) = delete;
  AddressHandles& operator=(const AddressHandles&) = delete;
  ~AddressHandles() { close(); }

  /// ah null: errno says why (ENOMEM: the device has no more).
  rdm::Destination acquire(const Gid& gid);
  void release(const Gid& gid);
  size_t count() const { return handles_.size(); }

 private:
  struct Counted {
    rdm::Destination handle;
    size_t references = 0;
  };
  ibv_pd* pd_ = nullptr;
  std::map<Gid, Counted> handles_;
};

}  // namespace efa::fi
