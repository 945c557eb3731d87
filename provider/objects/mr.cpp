// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/mr.hpp"

#include <rdma/fi_errno.h>

#include <cerrno>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "mr_access.hpp"
#include "objects/domain.hpp"
#include "objects/mr_failure.hpp"
#include "refusal.hpp"

namespace efa::fi {
namespace {

/// From 1.20 on, and no name for it in older headers (spec 7, "flags").
constexpr uint64_t kDmabuf = 1ULL << 40;
constexpr uint64_t kDeviceOnly = 1ULL << 46;
constexpr uint32_t kHasDmabuf = FI_VERSION(1, 20);

/// What is to be registered, however the application said it.
struct Wanted {
  uintptr_t start = 0;
  size_t length = 0;
  uint64_t access = 0;
  void* context = nullptr;
  int dmabuf = -1;      ///< file descriptor, or none
  uint64_t offset = 0;  ///< in the dmabuf
};

int refuse(const char* why) {
  log(FI_LOG_WARN, std::string("memory not registered: ") + why);
  return -FI_EINVAL;
}

/// Only releases whose structure has it.
template <class Attributes>
int take_dmabuf(const Attributes& attributes, Wanted& wanted) {
  if constexpr (requires { attributes.dmabuf; }) {
    if (!attributes.dmabuf) return refuse("FI_MR_DMABUF without attr->dmabuf; say which one");
    const auto& dmabuf = *attributes.dmabuf;
    wanted.start = reinterpret_cast<uintptr_t>(dmabuf.base_addr) + dmabuf.offset;
    wanted.length = dmabuf.len;
    wanted.dmabuf = dmabuf.fd;
    wanted.offset = dmabuf.offset;
    return 0;
  }
  return -FI_EBADFLAGS;
}

int check_flags(const Domain& domain, uint64_t flags) {
  const uint64_t dmabuf = domain.api_version() >= kHasDmabuf ? kDmabuf : 0;
  const uint64_t unknown = flags & ~(kDeviceOnly | dmabuf);
  if (!unknown) return 0;
  log(FI_LOG_WARN, "memory not registered: flags " + text_of(unknown, FI_TYPE_OP_FLAGS) +
                       ", there are FI_HMEM_DEVICE_ONLY and, from API 1.20 on, FI_MR_DMABUF");
  return -FI_EBADFLAGS;
}

int check_interface(const Domain& domain, const fi_mr_attr& attributes, bool dmabuf) {
  if (attributes.iface < FI_HMEM_SYSTEM || attributes.iface > FI_HMEM_SYNAPSEAI)
    return refuse("attr->iface is none of enum fi_hmem_iface; FI_HMEM_SYSTEM is the host's memory");
  // What the device alone touches can be any memory that it reaches.
  if (attributes.iface == FI_HMEM_SYSTEM || (dmabuf && domain.kind == Kind::direct)) return 0;
  log(FI_LOG_WARN, "memory not registered: attr->iface " +
                       text_of(attributes.iface, FI_TYPE_HMEM_IFACE) +
                       ", there is FI_HMEM_SYSTEM, as no answer of fi_getinfo() has FI_HMEM; copy "
                       "to host memory, or use FI_MR_DMABUF on fabric efa-direct");
  return -FI_ENOSYS;
}

int check_access(const Domain& domain, uint64_t access) {
  const uint64_t lacking = domain.kind == Kind::direct ? unreachable(access, domain.device) : 0;
  if (!lacking) return 0;
  log(FI_LOG_WARN, "memory not registered: access " + text_of(lacking, FI_TYPE_CAPS) +
                       " needs RDMA, which device " + domain.device.name +
                       " lacks; ask for less, or use fabric efa, which does without");
  return -FI_EOPNOTSUPP;
}

ibv_mr* register_with_device(Domain& domain, const Wanted& wanted, int access) {
  if (wanted.dmabuf >= 0)
    return ibv_reg_dmabuf_mr(domain.pd, wanted.offset, wanted.length, wanted.start, wanted.dmabuf,
                             access);
  return ibv_reg_mr(domain.pd, reinterpret_cast<void*>(wanted.start), wanted.length, access);
}

rdm::Region region_of(const ibv_mr& verbs, const Wanted& wanted, int access) {
  return {.lkey = verbs.lkey,
          .rkey = verbs.rkey,
          .start = wanted.start,
          .length = wanted.length,
          .access = wanted.access,
          .memory = rdm::MemoryType::kHost,
          .remote_readable = (access & IBV_ACCESS_REMOTE_READ) != 0};
}

int close(fid* object) {
  Mr& mr = *static_cast<Mr*>(reinterpret_cast<fid_mr*>(object));
  {
    // Before the device gives the key to somebody else.
    const Guard guard(mr.domain->lock);
    mr.domain->regions.erase(mr.key);
    if (mr.peers_came)
      for (RegionUser* user : mr.domain->region_users) user->closed(mr.region);
  }
  if (const int error = ibv_dereg_mr(mr.verbs)) {
    log(FI_LOG_WARN, "memory region not closed: " + std::string(fi_strerror(error)));
    const Guard guard(mr.domain->lock);
    mr.domain->regions.emplace(mr.key, &mr);
    return -error;
  }
  --mr.domain->children;
  const std::unique_ptr<Mr> owner(&mr);
  return 0;
}

fi_ops object_operations = only_close(close);

int enter(Domain& domain, Mr& mr) {
  const Guard guard(domain.lock);
  return domain.regions.emplace(mr.key, &mr).second ? 0 : -FI_ENOKEY;
}

int make(Domain& domain, const Wanted& wanted, fid_mr** result) {
  if (const int error = check_access(domain, wanted.access)) return error;
  const int access = verbs_access(wanted.access, domain.device);
  ibv_mr* const verbs = register_with_device(domain, wanted, access);
  if (!verbs) return say_why_not_registered(domain, wanted.start, wanted.length, errno);
  auto mr = std::make_unique<Mr>();
  mr->fid = {.fclass = FI_CLASS_MR, .context = wanted.context, .ops = &object_operations};
  mr->domain = &domain;
  mr->verbs = verbs;
  mr->region = region_of(*verbs, wanted, access);
  mr->mem_desc = &mr->region;
  mr->key = verbs->rkey;
  if (const int error = enter(domain, *mr)) {
    ibv_dereg_mr(verbs);
    return error;
  }
  ++domain.children;
  *result = mr.release();
  return 0;
}

int take_iovec(const fi_mr_attr& attributes, Wanted& wanted) {
  if (attributes.iov_count != 1 || !attributes.mr_iov)
    return refuse("one range of memory at a time; register several by several calls");
  wanted.start = reinterpret_cast<uintptr_t>(attributes.mr_iov->iov_base);
  wanted.length = attributes.mr_iov->iov_len;
  return 0;
}

int register_by_attributes(fid* object, const fi_mr_attr* attributes, uint64_t flags,
                           fid_mr** result) {
  if (object->fclass != FI_CLASS_DOMAIN || !attributes || !result) return -FI_EINVAL;
  Domain& domain = Domain::of(reinterpret_cast<fid_domain*>(object));
  Wanted wanted{.access = normal_access(attributes->access), .context = attributes->context};
  if (const int error = check_flags(domain, flags)) return error;
  const bool dmabuf = flags & kDmabuf;
  if (const int error = check_interface(domain, *attributes, dmabuf)) return error;
  if (const int error = dmabuf ? take_dmabuf(*attributes, wanted) : take_iovec(*attributes, wanted))
    return error;
  return make(domain, wanted, result);
}

int register_vector(fid* object, const iovec* segments, size_t count, uint64_t access,
                    uint64_t offset, uint64_t key, uint64_t flags, fid_mr** result, void* context) {
  fi_mr_attr attributes{};
  attributes.mr_iov = segments;
  attributes.iov_count = count;
  attributes.access = access;
  attributes.offset = offset;
  attributes.requested_key = key;
  attributes.context = context;
  if (flags & kDmabuf) return -FI_EINVAL;  // only fi_mr_regattr() can say which
  return register_by_attributes(object, &attributes, flags, result);
}

int register_range(fid* object, const void* start, size_t length, uint64_t access, uint64_t offset,
                   uint64_t key, uint64_t flags, fid_mr** result, void* context) {
  const iovec segment{const_cast<void*>(start), length};
  return register_vector(object, &segment, 1, access, offset, key, flags, result, context);
}

}  // namespace

fi_ops_mr mr_operations{
    .size = sizeof(fi_ops_mr),
    .reg = register_range,
    .regv = register_vector,
    .regattr = register_by_attributes,
};

}  // namespace efa::fi
