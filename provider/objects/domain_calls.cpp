// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What applications call a domain for (spec libfabric-api 5.2, 6.4).
#include <cstring>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/av.hpp"
#include "objects/counter.hpp"
#include "objects/cq.hpp"
#include "objects/domain.hpp"
#include "objects/domain_extensions.hpp"
#include "objects/endpoint.hpp"
#include "objects/fork.hpp"
#include "objects/poll_set.hpp"
#include "objects/process.hpp"
#include "release.hpp"

namespace efa::fi {
namespace {

int close(fid* object) {
  Domain& domain = Domain::of(reinterpret_cast<fid_domain*>(object));
  if (domain.children) {
    log(FI_LOG_WARN, "domain " + std::string(domain.name()) +
                         " not closed: " + std::to_string(domain.children) +
                         " objects are open on it (endpoints, address vectors, completion queues, "
                         "counters, memory regions); close them first");
    return -FI_EBUSY;
  }
  process().objects.remove(domain);
  Fabric& fabric = domain.fabric;
  delete &domain;  // NOLINT(cppcoreguidelines-owning-memory): the application owned it
  --fabric.children;
  return 0;
}

int open_endpoint2(fid_domain* domain, fi_info* info, fid_ep** endpoint, uint64_t flags,
                   void* context) {
  return flags ? -FI_EINVAL : open_endpoint(domain, info, endpoint, context);
}

fi_ops object_operations{
    .size = sizeof(fi_ops),
    .close = close,
    .bind = absent,
    .control = absent,
    .ops_open = open_domain_operations,
    .tostr = absent,
    .ops_set = absent,
};

fi_ops_domain rdm_operations{
    .size = sizeof(fi_ops_domain),
    .av_open = open_av,
    .cq_open = open_cq,
    .endpoint = open_endpoint,
    .scalable_ep = absent,
    .cntr_open = open_counter,
    .poll_open = open_poll_set,
    .stx_ctx = absent,
    .srx_ctx = absent,
    .query_atomic = query_atomic,
    .query_collective = absent,
    .endpoint2 = open_endpoint2,
};

fi_ops_domain device_operations() {
  fi_ops_domain table = rdm_operations;
  table.poll_open = absent;
  table.query_atomic = absent;
  return table;
}
/// Of direct and of datagram endpoints.
fi_ops_domain plain_operations = device_operations();

std::string names_on(const Fabric& fabric) {
  std::string list;
  for (const Template& entry : process().catalogue.templates)
    if (fabric.name == entry.info->fabric_attr->name)
      list += (list.empty() ? "" : ", ") + std::string(entry.info->domain_attr->name);
  return list;
}

/// Null, with a message: this fabric has no such domain.
const Template* find_entry(const Fabric& fabric, const char* name) {
  for (const Template& entry : process().catalogue.templates)
    if (fabric.name == entry.info->fabric_attr->name && name &&
        std::strcmp(name, entry.info->domain_attr->name) == 0)
      return &entry;
  log(FI_LOG_WARN, "domain \"" + std::string(name ? name : "") + "\" not opened: fabric " +
                       fabric.name + " has " + names_on(fabric) +
                       "; use an answer of fi_getinfo() as it is");
  return nullptr;
}

/// These endpoints give the application's buffers to the device as they are.
bool lacks_registration(const Template& entry, const fi_info& info) {
  if (entry.kind == Kind::rdm) return false;
  return !(info.domain_attr->mr_mode & FI_MR_LOCAL) && !(info.mode & kLocalMr);
}

int open_checked(Fabric& fabric, const Template& entry, fi_info& info, fid_domain** domain,
                 void* context) {
  if (const int error = prepare_fork()) return error;
  auto made = std::make_unique<Domain>(fabric, entry, info);
  if (!made->info) return -FI_ENOMEM;
  if (const int error = made->open()) return error;
  made->fid = {.fclass = FI_CLASS_DOMAIN, .context = context, .ops = &object_operations};
  made->ops = entry.kind == Kind::rdm ? &rdm_operations : &plain_operations;
  made->mr = &mr_operations;
  ++fabric.children;
  process().objects.add(*made);
  *domain = made.release();
  return 0;
}

}  // namespace

int open_domain(fid_fabric* fabric, fi_info* info, fid_domain** domain, void* context) {
  if (!info || !info->domain_attr || !domain) return -FI_EINVAL;
  Fabric& parent = Fabric::of(fabric);
  const Template* entry = find_entry(parent, info->domain_attr->name);
  if (!entry) return -FI_EINVAL;
  if (lacks_registration(*entry, *info)) {
    log(FI_LOG_WARN, std::string("domain ") + info->domain_attr->name +
                         " not opened: domain_attr->mr_mode lacks FI_MR_LOCAL; the device reads "
                         "and writes only registered buffers: register them, and say so");
    return -FI_ENODATA;
  }
  return open_checked(parent, *entry, *info, domain, context);
}

}  // namespace efa::fi
