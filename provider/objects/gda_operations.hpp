// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What programs that drive the device's queues themselves, from a GPU for one, ask a domain of
/// efa-direct for: "efa domain ops" and "efa gda ops" (spec libfabric-api 6.4). The layouts are
/// those of libfabric 2.2 to 2.6, which only added entries: one table serves all of them.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_eq.h>

#include <cstddef>
#include <cstdint>

namespace efa::fi {

/// fi_efa_mr_attr
struct MrPaths {
  uint16_t validity;  ///< EFADV_MR_ATTR_VALIDITY_*
  uint16_t receive;   ///< interconnect ids
  uint16_t rdma_read;
  uint16_t rdma_receive;
};
static_assert(sizeof(MrPaths) == 8);

/// fi_efa_wq_attr
struct WorkQueueView {
  uint8_t* buffer;
  uint32_t entry_size;
  uint32_t num_entries;
  uint32_t* doorbell;
  uint32_t max_batch;
};
static_assert(offsetof(WorkQueueView, doorbell) == 16 && offsetof(WorkQueueView, max_batch) == 24);

/// fi_efa_cq_attr
struct CompletionQueueView {
  uint8_t* buffer;
  uint32_t entry_size;
  uint32_t num_entries;
};
static_assert(sizeof(CompletionQueueView) == 16);

/// fi_efa_cq_init_attr
struct CompletionQueuePlan {
  uint64_t flags;  ///< bit 0: the ring is in the following memory
  uint8_t* buffer;
  uint64_t length;
  uint64_t offset;
  uint32_t fd;
};
static_assert(offsetof(CompletionQueuePlan, fd) == 32);

using QueryMr = int(fid_mr*, MrPaths*);
using QueryAddress = int(fid_ep*, fi_addr_t, uint16_t* ahn, uint16_t* qpn, uint32_t* qkey);
using QueryWorkQueues = int(fid_ep*, WorkQueueView* send, WorkQueueView* receive);
using QueryCompletionQueue = int(fid_cq*, CompletionQueueView*);
using OpenCompletionQueue = int(fid_domain*, fi_cq_attr*, CompletionQueuePlan*, fid_cq**, void*);

/// libfabric 2.2 had here what later releases have in GdaOperations.
struct DomainOperations {
  QueryMr* query_mr;
  QueryAddress* query_addr;
  QueryWorkQueues* query_qp_wqs;
  QueryCompletionQueue* query_cq;
  OpenCompletionQueue* cq_open_ext;
};

struct GdaOperations {
  QueryAddress* query_addr;
  QueryWorkQueues* query_qp_wqs;
  QueryCompletionQueue* query_cq;
  OpenCompletionQueue* cq_open_ext;
  uint64_t (*get_mr_lkey)(fid_mr*);
  int (*cntr_open_ext)(fid_domain*, fi_cntr_attr*, void* plan, fid_cntr**, void*);
};

/// Of domains with packets of a protocol of their own, and of those without.
extern DomainOperations protocol_domain_operations;
extern DomainOperations direct_domain_operations;
extern GdaOperations gda_operations;

}  // namespace efa::fi
