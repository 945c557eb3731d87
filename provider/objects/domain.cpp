// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A domain's life; domain_calls.cpp has the calls of applications.
#include "objects/domain.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "device_rdma.hpp"
#include "log.hpp"
#include "objects/process.hpp"

namespace efa::fi {
namespace {

/// Who promises this calls one at a time. FI_THREAD_COMPLETION is less: threads with a completion
/// queue each share the address vectors and the keys of the domain.
bool serializes(const fi_info& asked) {
  return asked.domain_attr->threading == FI_THREAD_DOMAIN;
}

int failed(const Device& device, const char* what, const char* cure) {
  const int error = errno ? errno : ENOMEM;
  log(FI_LOG_WARN, "domain on " + device.name + " not opened: " + what + ": " +
                       std::strerror(error) + "; " + cure);
  return -error;
}

}  // namespace

Domain::Domain(Fabric& of, const Template& entry, const fi_info& asked)
    : fid_domain{},
      fabric(of),
      device(*entry.device),
      kind(entry.kind),
      info(duplicate(asked)),
      lock(!serializes(asked)) {
  const bool use = uses_device_rdma(device, of.api_version, settings().use_device_rdma);
  use_rdma_read = use && device.rdma_read;
  use_rdma_write = use && device.rdma_write;
}

int Domain::open() {
  context = process().devices.acquire(device.name);
  if (!context)
    return failed(device, "the device cannot be opened",
                  "is the driver loaded, may this user open /dev/infiniband/uverbs*?");
  pd = ibv_alloc_pd(context);
  if (!pd)
    return failed(device, "the device gives no protection domain",
                  "each domain of each process takes one (max_pd of `ibv_devinfo -v`)");
  make_queue_pd();
  handles.open(pd);
  open_cache();
  return 0;
}

/// For applications that give buffers without a descriptor.
void Domain::open_cache() {
  if (kind != Kind::rdm || !settings().mr_cache_enable ||
      (info->domain_attr->mr_mode & FI_MR_LOCAL))
    return;
  constexpr size_t kMostRegistrations = 4096;
  const size_t share = device.max_mr / 10 * 9;
  rdm::RegistrationCache::Limits limits;
  limits.max_count = settings().mr_max_cached_count ? settings().mr_max_cached_count
                                                    : std::min(share, kMostRegistrations);
  if (settings().mr_max_cached_size) limits.max_bytes = settings().mr_max_cached_size;
  registrar_ = std::make_unique<MemoryRegistrar>(pd);
  cache = std::make_unique<rdm::RegistrationCache>(
      *registrar_, limits, [](const std::string& text) { log(FI_LOG_INFO, text); });
}

/// Without one, queues take locks that nobody needs: slower, and that is all.
void Domain::make_queue_pd() {
  queue_pd = pd;
  ibv_td_init_attr thread{};
  thread_domain_ = ibv_alloc_td(context, &thread);
  if (!thread_domain_) return;
  ibv_parent_domain_init_attr attributes{};
  attributes.pd = pd;
  attributes.td = thread_domain_;
  if (ibv_pd* const parent = ibv_alloc_parent_domain(context, &attributes)) queue_pd = parent;
}

Domain::~Domain() {
  cache.reset();
  handles.close();
  if (queue_pd != pd) ibv_dealloc_pd(queue_pd);
  if (thread_domain_) ibv_dealloc_td(thread_domain_);
  if (pd) ibv_dealloc_pd(pd);
  if (context) process().devices.release(device.name);
}

}  // namespace efa::fi
