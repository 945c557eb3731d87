// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/process.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "objects/domain.hpp"
#include "objects/fabric.hpp"

namespace efa::fi {
namespace {

struct FreeList {
  void operator()(ibv_device** list) const { ibv_free_device_list(list); }
};

ibv_context* open_by_name(const std::string& name) {
  int count = 0;
  const std::unique_ptr<ibv_device*, FreeList> list(ibv_get_device_list(&count));
  for (int i = 0; list && i < count; ++i)
    if (name == ibv_get_device_name(list.get()[i])) return ibv_open_device(list.get()[i]);
  errno = ENODEV;
  return nullptr;
}

/// The hint names no object, or this one.
bool agrees(const void* hinted, const void* found) {
  return !hinted || hinted == found;
}

}  // namespace

const Settings& settings() {
  return process().settings;
}

ibv_context* OpenDevices::acquire(const std::string& name) {
  const std::lock_guard guard(lock_);
  Counted& device = open_[name];
  if (!device.context) device.context = open_by_name(name);
  if (device.context) ++device.references;
  return device.context;
}

void OpenDevices::release(const std::string& name) {
  const std::lock_guard guard(lock_);
  const auto found = open_.find(name);
  if (found == open_.end() || --found->second.references) return;
  ibv_close_device(found->second.context);
  open_.erase(found);
}

void OpenObjects::add(Fabric& fabric) {
  const std::lock_guard guard(lock_);
  fabrics_.push_back(&fabric);
}

void OpenObjects::remove(Fabric& fabric) {
  const std::lock_guard guard(lock_);
  std::erase(fabrics_, &fabric);
}

void OpenObjects::add(Domain& domain) {
  const std::lock_guard guard(lock_);
  domains_.push_back(&domain);
}

void OpenObjects::remove(Domain& domain) {
  const std::lock_guard guard(lock_);
  std::erase(domains_, &domain);
}

bool OpenObjects::enter(fi_info& entry, const fi_info* hints) {
  const std::lock_guard guard(lock_);
  const fi_fabric_attr* of_fabric = hints ? hints->fabric_attr : nullptr;
  const fi_domain_attr* of_domain = hints ? hints->domain_attr : nullptr;
  fid_fabric*& fabric = entry.fabric_attr->fabric;
  fid_domain*& domain = entry.domain_attr->domain;
  // Of several, what the hints name, or else the last one opened.
  for (Fabric* open : fabrics_)
    if (open->name == entry.fabric_attr->name &&
        agrees(of_fabric ? of_fabric->fabric : nullptr, open))
      fabric = open;
  for (Domain* open : domains_)
    if (&open->fabric == fabric && open->name() == entry.domain_attr->name &&
        agrees(of_domain ? of_domain->domain : nullptr, open))
      domain = open;
  return agrees(of_fabric ? of_fabric->fabric : nullptr, fabric) &&
         agrees(of_domain ? of_domain->domain : nullptr, domain);
}

}  // namespace efa::fi
