// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/cq.hpp"

#include <rdma/fi_errno.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absent.hpp"
#include "log.hpp"
#include "objects/cq_entry.hpp"
#include "objects/direct_cq.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

/// Milliseconds after which a sleeping thread looks at work that waits for time, or at a device
/// that has no notifications.
constexpr int kGlance = 1;

constexpr uint64_t kFields = IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_IMM | IBV_WC_EX_WITH_QP_NUM |
                             IBV_WC_EX_WITH_SRC_QP | IBV_WC_EX_WITH_SLID;
/// efadv_cq_init_attr up to wc_flags, which every libefa takes.
constexpr uint32_t kOldestAttr = offsetof(efadv_cq_init_attr, flags);

/// An older library or a smaller device takes only a later one of these.
struct Properties {
  uint64_t efa_fields;
  uint32_t flags;
};
constexpr Properties kBestFirst[] = {
    {EFADV_WC_EX_WITH_SGID | EFADV_WC_EX_WITH_IS_UNSOLICITED, IBV_CREATE_CQ_ATTR_SINGLE_THREADED},
    {EFADV_WC_EX_WITH_IS_UNSOLICITED, IBV_CREATE_CQ_ATTR_SINGLE_THREADED},
    {EFADV_WC_EX_WITH_SGID, IBV_CREATE_CQ_ATTR_SINGLE_THREADED},
    {0, IBV_CREATE_CQ_ATTR_SINGLE_THREADED},
    {EFADV_WC_EX_WITH_SGID, 0},
    {0, 0},
};

ibv_cq_ex* try_create(const Cq& cq, size_t entries, Properties with) {
  ibv_cq_init_attr_ex attr{};
  attr.cqe = static_cast<uint32_t>(entries);
  attr.channel = cq.wait.channel();
  attr.wc_flags = kFields;
  attr.comp_mask = with.flags ? IBV_CQ_INIT_ATTR_MASK_FLAGS : 0;
  attr.flags = with.flags;
  efadv_cq_init_attr efa{};
  efa.wc_flags = with.efa_fields;
  if (!cq.external) return efadv_create_cq(cq.domain->context, &attr, &efa, kOldestAttr);
  efa.flags = EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF;
  efa.ext_mem_dmabuf.buffer = cq.external->buffer;
  efa.ext_mem_dmabuf.length = cq.external->length;
  efa.ext_mem_dmabuf.offset = cq.external->offset;
  efa.ext_mem_dmabuf.fd = cq.external->fd;
  return efadv_create_cq(cq.domain->context, &attr, &efa, sizeof efa);
}

/// At most what the device has; 0 if it does not tell.
size_t device_entries(ibv_context& context) {
  ibv_device_attr attr{};
  return ibv_query_device(&context, &attr) ? 0 : static_cast<size_t>(std::max(attr.max_cqe, 0));
}

/// Spec libfabric-api 4.1, FI_EFA_CQ_SIZE.
size_t queue_size(const Domain& domain, size_t asked) {
  const fi_info& info = *domain.info;
  size_t size = std::max(asked, info.tx_attr->size + info.rx_attr->size);
  if (domain.kind == Kind::rdm) size = std::max(size, settings().cq_size);
  const size_t most = device_entries(*domain.context);
  return most ? std::min(size, most) : size;
}

int close_cq(fid* object) {
  Cq& cq = Cq::of(reinterpret_cast<fid_cq*>(object));
  {
    const Guard guard(cq.domain->lock);
    if (!cq.endpoints.empty()) return -FI_EBUSY;
  }
  const std::unique_ptr<Cq> owner(&cq);
  return 0;
}

int control_cq(fid* object, int command, void* argument) {
  Cq& cq = Cq::of(reinterpret_cast<fid_cq*>(object));
  if (command == FI_GETWAIT) {
    if (cq.wait_kind != FI_WAIT_FD) return -FI_ENOSYS;
    *static_cast<int*>(argument) = cq.wait.fd();
    return 0;
  }
  if (command == FI_GETWAITOBJ) {
    *static_cast<fi_wait_obj*>(argument) = cq.wait_kind;
    return 0;
  }
  return -FI_ENOSYS;
}

fi_ops cq_fid_operations{
    .size = sizeof(fi_ops),
    .close = close_cq,
    .bind = absent,
    .control = control_cq,
    .ops_open = absent,
    .tostr = absent,
    .ops_set = absent,
};

/// 0, or why such a CQ cannot be (spec 5.4).
int check(const fi_cq_attr& asked, Kind kind) {
  const bool known = asked.format <= FI_CQ_FORMAT_TAGGED;
  if (!known || (asked.format == FI_CQ_FORMAT_TAGGED && kind != Kind::rdm)) return -FI_ENOSYS;
  if (asked.wait_obj != FI_WAIT_NONE && asked.wait_obj != FI_WAIT_UNSPEC &&
      asked.wait_obj != FI_WAIT_FD)
    return -FI_ENOSYS;
  if (asked.wait_cond != FI_CQ_COND_NONE && asked.wait_cond != FI_CQ_COND_THRESHOLD)
    return -FI_EINVAL;
  if (asked.flags & ~FI_AFFINITY) return -FI_EINVAL;
  return 0;
}

}  // namespace

Cq::Cq(Domain& on, const fi_cq_attr& asked, void* application_context)
    : domain(&on),
      ring(on.kind == Kind::rdm ? 1024 : 16),
      entry_size(efa::fi::entry_size(asked.format)),
      wait_kind(asked.wait_obj),
      condition(asked.wait_cond),
      size_(asked.size) {
  fid.fclass = FI_CLASS_CQ;
  fid.context = application_context;
  fid.ops = &cq_fid_operations;
  ++domain->children;
}

Cq::~Cq() {
  if (verbs) {
    if (wait.is_open()) wait.drain();  // events that nobody acknowledged hold the CQ
    ibv_destroy_cq(ibv_cq_ex_to_cq(verbs));
  }
  --domain->children;
}

int Cq::create_queue(size_t entries) {
  for (const Properties& with : kBestFirst) {
    verbs = try_create(*this, entries, with);
    if (!verbs && errno != EOPNOTSUPP && errno != EINVAL) break;
    if (!verbs) continue;
    tells_gid = with.efa_fields & EFADV_WC_EX_WITH_SGID;
    tells_unsolicited = with.efa_fields & EFADV_WC_EX_WITH_IS_UNSOLICITED;
    verbs_efa = with.efa_fields ? efadv_cq_from_ibv_cq_ex(verbs) : nullptr;
    return 0;
  }
  return -errno;
}

int Cq::create() {
  const size_t entries = queue_size(*domain, size_);
  int error = wait_kind == FI_WAIT_NONE ? 0 : wait.open(*domain->context);
  if (error == 0) error = create_queue(entries);
  if (error != 0 && wait.channel() && wait_kind == FI_WAIT_UNSPEC) {
    wait.close_channel();  // no notifications: threads look each millisecond
    error = create_queue(entries);
  }
  if (error != 0)
    log(FI_LOG_WARN, "device " + domain->device.name + ": no completion queue of " +
                         std::to_string(entries) + " entries: " + std::strerror(-error) +
                         "; the device has " + std::to_string(domain->device.max_cq) +
                         " for all processes, and FI_EFA_CQ_SIZE, FI_EFA_TX_SIZE and "
                         "FI_EFA_RX_SIZE make them smaller");
  return error;
}

int Cq::prepare_sleep() {
  const Guard guard(domain->lock);
  wait.drain();
  if (wait.channel()) ibv_req_notify_cq(ibv_cq_ex_to_cq(verbs), 0);
  collect();
  if (!ring.empty()) return 0;
  ring.watch([](void* context) { static_cast<WaitObject*>(context)->signal(); }, &wait);
  return wait.channel() && endpoints.idle() ? -1 : kGlance;
}

int try_wait(fid_cq& fid) {
  Cq& cq = Cq::of(&fid);
  if (!cq.wait.is_open()) return -FI_EINVAL;
  return cq.prepare_sleep() < 0 ? 0 : -FI_EAGAIN;
}

namespace {

int open(Domain& domain, const fi_cq_attr* attributes, const std::optional<ExternalRing>& ring,
         fid_cq** opened, void* context) {
  const fi_cq_attr asked = attributes ? *attributes : fi_cq_attr{};
  if (const int error = check(asked, domain.kind)) return error;
  std::unique_ptr<Cq> cq;
  if (domain.kind == Kind::rdm)
    cq = std::make_unique<RdmCq>(domain, asked, context);
  else
    cq = std::make_unique<DirectCq>(domain, asked, context);
  cq->external = ring;
  if (const int error = cq->create()) return error;
  *opened = cq.release();
  return 0;
}

}  // namespace

int open_cq(fid_domain* domain, fi_cq_attr* attributes, fid_cq** opened, void* context) {
  return open(Domain::of(domain), attributes, {}, opened, context);
}

int open_cq_in(const ExternalRing& ring, fid_domain* domain, fi_cq_attr* attributes,
               fid_cq** opened, void* context) {
  return open(Domain::of(domain), attributes, ring, opened, context);
}

}  // namespace efa::fi
