// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/address_handles.hpp"

#include <infiniband/efadv.h>

#include <algorithm>
#include <cerrno>

namespace efa::fi {
namespace {

/// An EFA device has one port, and this is its number.
constexpr uint8_t kPort = 1;

ibv_ah* create(ibv_pd* pd, const Gid& gid) {
  ibv_ah_attr attributes{};
  attributes.port_num = kPort;
  attributes.is_global = 1;
  std::copy(gid.begin(), gid.end(), attributes.grh.dgid.raw);
  return ibv_create_ah(pd, &attributes);
}

/// @returns 0 or a positive errno
int ask_number(ibv_ah* ah, uint16_t& number) {
  efadv_ah_attr attributes{};
  const int error = efadv_query_ah(ah, &attributes, sizeof attributes);
  number = attributes.ahn;
  return error;
}

rdm::Destination make(ibv_pd* pd, const Gid& gid) {
  rdm::Destination made;
  made.ah = create(pd, gid);
  if (!made.ah) return made;
  if (const int error = ask_number(made.ah, made.number)) {
    ibv_destroy_ah(made.ah);
    errno = error;
    return {};
  }
  return made;
}

}  // namespace

rdm::Destination AddressHandles::acquire(const Gid& gid) {
  if (const auto found = handles_.find(gid); found != handles_.end()) {
    ++found->second.references;
    return found->second.handle;
  }
  const rdm::Destination made = make(pd_, gid);
  if (made.ah) handles_.emplace(gid, Counted{made, 1});
  return made;
}

void AddressHandles::release(const Gid& gid) {
  const auto found = handles_.find(gid);
  if (found == handles_.end() || --found->second.references) return;
  ibv_destroy_ah(found->second.handle.ah);
  handles_.erase(found);
}

void AddressHandles::close() {
  for (auto& [gid, counted] : handles_) ibv_destroy_ah(counted.handle.ah);
  handles_.clear();
}

}  // namespace efa::fi
