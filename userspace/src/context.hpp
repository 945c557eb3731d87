// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// An opened device: its limits, and its queue pairs by number.
#pragma once

#include <cstddef>
#include <cstdint>

#include "efa_hw.h"
#include "efa_uabi.h"
#include "ibverbs_abi.hpp"
#include "object.hpp"
#include "spin_lock.hpp"

namespace efa {

struct Qp;

/// Doorbells count to 65535, so a deeper queue could not tell full from empty (device-io I1).
inline constexpr std::uint32_t kMaxQueueDepth = 32768;

/// What the kernel said at open (spec verbs A2.1, A2.2). Counts, or bytes where the name says size.
struct Limits {
  std::uint32_t max_sq_wr;
  std::uint32_t max_rq_wr;  // receive descriptors
  std::uint32_t max_sq_sge;
  std::uint32_t max_rq_sge;
  std::uint32_t max_rdma_size;
  std::uint32_t max_llq_size;
  std::uint32_t inline_buf_size;
  std::uint32_t inline_buf_size_ex;
  std::uint32_t sub_cqs_per_cq;
  std::uint32_t max_tx_batch;  // units of 64 bytes, 0: no limit
  std::uint32_t min_sq_wr;
  efa_uabi_query_device_resp device;  // for its capability bits

  bool rdma_read() const { return efa_uabi_query_device_resp_rdma_read(&device); }
  bool rdma_write() const { return efa_uabi_query_device_resp_rdma_write(&device); }
  bool rnr_retry() const { return efa_uabi_query_device_resp_rnr_retry(&device); }
  bool notifications() const { return efa_uabi_query_device_resp_cq_notifications(&device); }
  bool cq_with_sgid() const { return efa_uabi_query_device_resp_cq_with_sgid(&device); }
  bool cq_with_ext_mem() const { return efa_uabi_query_device_resp_cq_with_ext_mem(&device); }
  bool data_polling_128() const { return efa_uabi_query_device_resp_data_polling_128(&device); }
  bool unsolicited_write_recv() const {
    return efa_uabi_query_device_resp_unsolicited_write_recv(&device);
  }
  bool comp_cntr() const { return efa_uabi_query_device_resp_comp_cntr(&device); }
  bool wide_request_ids() const { return efa_uabi_query_device_resp_sq_64_bit_req_id(&device); }
};

/// Queue pairs by number, for whoever polls. A number is 16 bits wide on the wire (device-io I7),
/// so with a slot for each of them no number from the device can miss the table. Untouched pages
/// cost nothing.
class QpTable {
 public:
  static constexpr std::size_t kNumbers = 0x10000;

  bool allocate();

  /// Readers hold the lock of a completion queue of `qp` instead of a lock of the table's own:
  /// whoever takes a queue pair out holds the locks of both its completion queues.
  Qp* find(std::uint32_t number) const {
    return __atomic_load_n(&slots_[number], __ATOMIC_ACQUIRE);
  }
  Qp* const* slots() const { return slots_.get(); }
  void put(std::uint32_t number, Qp* qp) {
    __atomic_store_n(&slots_[number], qp, __ATOMIC_RELEASE);
  }
  /// Only if the number still is that queue pair's: the kernel may have given it to a new one of
  /// another thread already.
  void take_out(std::uint32_t number, Qp* qp) {
    __atomic_compare_exchange_n(&slots_[number], &qp, nullptr, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
  }

  /// Tells apart request ids of former owners of a queue pair's number (V106).
  std::uint16_t next_generation(std::uint32_t number);

 private:
  Array<Qp*> slots_;
  Array<std::uint16_t> generations_;
  SpinLock lock_;
};

struct Context {
  verbs_context verbs;  // first: libibverbs hands out its member context
  Limits limits;
  bool queries_limits;  // the kernel fills in the private part of the extended query
  QpTable qps;

  ibv_context* base() { return &verbs.context; }

  static Context& of(const ibv_context* context) {
    return *reinterpret_cast<Context*>(reinterpret_cast<std::uintptr_t>(context) -
                                       offsetof(verbs_context, context));
  }
};

/// Whether the context belongs to this library. Decided by its device, before anything of the
/// context is read: programs pass contexts of other providers to efadv functions (V12).
bool is_efa(const ibv_context* context);

/// Opens and closes; the entries of DeviceOps and ContextOps.
verbs_context* alloc_context(ibv_device* device, int cmd_fd, void* private_data);
void free_context(ibv_context* context);

int query_device_ex(ibv_context* context, const ibv_query_device_ex_input* input,
                    ibv_device_attr_ex* attr, std::size_t attr_size);
int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr);

/// All entry points, for verbs_set_ops.
extern const ibv::ContextOps kContextOps;

}  // namespace efa
