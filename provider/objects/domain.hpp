// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_domain (spec libfabric-api 5.2): an opened device, its protection domain, what is shared by
/// the endpoints on it.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalogue.hpp"
#include "info.hpp"
#include "objects/address_handles.hpp"
#include "objects/fabric.hpp"
#include "objects/lock.hpp"
#include "objects/memory_registrar.hpp"
#include "objects/mr.hpp"
#include "objects/settings.hpp"
#include "rdm/registration_cache.hpp"

namespace efa::fi {

struct Domain : fid_domain {
  Domain(Fabric& of, const Template& entry, const fi_info& asked);
  ~Domain();
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  static Domain& of(fid_domain* domain) { return *static_cast<Domain*>(domain); }

  Fabric& fabric;
  const Device& device;  ///< lives as long as the provider
  const Kind kind;       ///< direct, rdm or datagram: of all endpoints
  const InfoPtr info;    ///< what the application opened it with
  OptionalLock lock;

  ibv_context* context = nullptr;  ///< the process opens each device once
  ibv_pd* pd = nullptr;
  /// The same PD for queues that `lock` (or the application) serializes: libefa takes no lock of
  /// its own for them. Equal to `pd` where the library has no such thing.
  ibv_pd* queue_pd = nullptr;

  AddressHandles handles;
  /// Of buffers without a descriptor; RDM endpoints only, null if the user switched it off.
  std::unique_ptr<rdm::RegistrationCache> cache;
  std::unordered_map<uint64_t, Mr*> regions;  ///< by key, for emulated RMA
  std::vector<RegionUser*> region_users;      ///< that are told when a region is closed
  std::atomic<int> children = 0;              ///< everything opened on it: -FI_EBUSY

  /// The device's capability, and what user and API version say about using it (spec 6.2).
  bool use_rdma_read = false;
  bool use_rdma_write = false;

  std::string_view name() const { return info->domain_attr->name; }
  uint32_t api_version() const { return fabric.api_version; }

  /// Opens the device and makes the protection domains. @returns 0 or a negative error
  int open();

 private:
  void make_queue_pd();
  void open_cache();

  std::unique_ptr<MemoryRegistrar> registrar_;
  ibv_td* thread_domain_ = nullptr;
};

int open_domain(fid_fabric* fabric, fi_info* info, fid_domain** domain, void* context);

}  // namespace efa::fi
