// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_mr (spec libfabric-api 7). Its descriptor is its Region.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/fi_domain.h>

#include "rdm/region.hpp"

namespace efa::fi {

struct Domain;

struct Mr : fid_mr {
  Domain* domain = nullptr;
  ibv_mr* verbs = nullptr;
  rdm::Region region;
  bool peers_came = false;  ///< emulated RMA or an atomic of a peer has named it
};

/// An endpoint where peers name registrations of the domain.
class RegionUser {
 public:
  /// Called with the domain's lock held.
  virtual void closed(const rdm::Region& region) = 0;

 protected:
  ~RegionUser() = default;
};

/// What fi_mr_desc() gave, or null.
inline const rdm::Region* region_of(void* descriptor) {
  return static_cast<const rdm::Region*>(descriptor);
}

extern fi_ops_mr mr_operations;  ///< of every domain

}  // namespace efa::fi
