// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/gda_operations.hpp"

#include <rdma/fi_errno.h>

#include "absent.hpp"
#include "objects/cq.hpp"
#include "objects/direct_verbs.hpp"
#include "objects/domain.hpp"
#include "objects/endpoint.hpp"

namespace efa::fi {
namespace {

/// CompletionQueuePlan.flags
constexpr uint64_t kExternalMemory = 1 << 0;

/// Only from libefa: its errors are positive there, and handed on as they are.
int query_mr(fid_mr* object, MrPaths* paths) {
  if (!object || !paths) return -FI_EINVAL;
  if (!direct_verbs().query_mr) return -FI_ENOSYS;
  efadv_mr_attr attributes{};
  ibv_mr* const verbs = static_cast<Mr*>(object)->verbs;
  if (const int error = direct_verbs().query_mr(verbs, &attributes, sizeof attributes))
    return error;
  *paths = {attributes.ic_id_validity, attributes.recv_ic_id, attributes.rdma_read_ic_id,
            attributes.rdma_recv_ic_id};
  return 0;
}

int query_address(fid_ep* object, fi_addr_t peer, uint16_t* ahn, uint16_t* qpn, uint32_t* qkey) {
  Endpoint& endpoint = Endpoint::of(object);
  const Guard guard(endpoint.domain.lock);
  const AvEntry* entry = endpoint.av ? endpoint.av->find(peer) : nullptr;
  if (!entry) return -FI_EINVAL;
  *ahn = entry->ahn;
  *qpn = static_cast<uint16_t>(entry->qpn);
  *qkey = entry->qkey;
  return 0;
}

WorkQueueView view_of(const efadv_wq_attr& queue) {
  return {queue.buffer, queue.entry_size, queue.num_entries, queue.doorbell, queue.max_batch};
}

int query_work_queues(fid_ep* object, WorkQueueView* send, WorkQueueView* receive) {
  const Endpoint& endpoint = Endpoint::of(object);
  if (!endpoint.qp) return -FI_EOPBADSTATE;
  if (!direct_verbs().query_qp_wqs) return -FI_ENOSYS;
  efadv_wq_attr sq{};
  efadv_wq_attr rq{};
  if (const int error = direct_verbs().query_qp_wqs(endpoint.qp, &sq, &rq, sizeof sq))
    return -error;
  *send = view_of(sq);
  *receive = view_of(rq);
  return 0;
}

int query_completion_queue(fid_cq* object, CompletionQueueView* view) {
  if (!direct_verbs().query_cq) return -FI_ENOSYS;
  efadv_cq_attr queue{};
  ibv_cq* const verbs = ibv_cq_ex_to_cq(Cq::of(object).verbs);
  if (const int error = direct_verbs().query_cq(verbs, &queue, sizeof queue)) return -error;
  *view = {queue.buffer, queue.entry_size, queue.num_entries};
  return 0;
}

/// The ring in memory of the application is for who never reads the queue through libfabric.
int open_completion_queue(fid_domain* domain, fi_cq_attr* attributes, CompletionQueuePlan* plan,
                          fid_cq** cq, void* context) {
  if (!plan) return -FI_EINVAL;
  if (plan->flags & ~kExternalMemory) return -FI_EOPNOTSUPP;
  if (!plan->flags) return open_cq(domain, attributes, cq, context);
  const ExternalRing ring{plan->buffer, plan->length, plan->offset, static_cast<int>(plan->fd)};
  return open_cq_in(ring, domain, attributes, cq, context);
}

uint64_t lkey_of(fid_mr* object) {
  return static_cast<Mr*>(object)->region.lkey;
}

/// Only endpoints without a protocol have queues to give away.
constexpr Refusing<FI_EOPNOTSUPP> only_direct;

}  // namespace

DomainOperations protocol_domain_operations{
    .query_mr = query_mr,
    .query_addr = only_direct,
    .query_qp_wqs = only_direct,
    .query_cq = only_direct,
    .cq_open_ext = only_direct,
};

DomainOperations direct_domain_operations{
    .query_mr = query_mr,
    .query_addr = query_address,
    .query_qp_wqs = query_work_queues,
    .query_cq = query_completion_queue,
    .cq_open_ext = open_completion_queue,
};

GdaOperations gda_operations{
    .query_addr = query_address,
    .query_qp_wqs = query_work_queues,
    .query_cq = query_completion_queue,
    .cq_open_ext = open_completion_queue,
    .get_mr_lkey = lkey_of,
    .cntr_open_ext = absent,
};

}  // namespace efa::fi
