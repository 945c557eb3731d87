// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "context.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

#include "log.hpp"

namespace efa {
namespace {

using GetContext = ibv::Message<ibv::GetContext, efa_uabi_alloc_ucontext_cmd>;
using GetContextResp = ibv::Message<ib_uverbs_get_context_resp, efa_uabi_alloc_ucontext_resp>;
using QueryDeviceResp = ibv::Message<ib_uverbs_ex_query_device_resp, efa_uabi_query_device_resp>;

/// V1: says which limits this library knows, takes the kernel's first answers.
int open_ucontext(Context& context) {
  GetContext cmd;
  GetContextResp resp;
  efa_uabi_alloc_ucontext_cmd_set_tx_batch(&cmd.efa(), 1);
  efa_uabi_alloc_ucontext_cmd_set_min_sq_wr(&cmd.efa(), 1);
  const int error =
      ibv::get_context(&context.verbs, cmd.core(), cmd.size(), resp.core(), resp.size());
  if (error != 0) {
    return EFA_FAIL(context, error,
                    "the kernel refused to open the device (errno %d); dmesg says why", error);
  }
  const efa_uabi_alloc_ucontext_resp& got = resp.efa();
  if (!efa_uabi_alloc_ucontext_resp_create_ah(&got)) {
    return EFA_FAIL(context, ENOTSUP,
                    "the kernel driver does not number address handles for user space; "
                    "it is too old for any libefa, install a newer efa module");
  }
  context.queries_limits = efa_uabi_alloc_ucontext_resp_query_device(&got);
  Limits& limits = context.limits;
  limits.sub_cqs_per_cq = std::max<std::uint32_t>(got.sub_cqs_per_cq, 1);
  limits.inline_buf_size = std::min<std::uint32_t>(got.inline_buf_size, EFA_INLINE_64);
  // Kernels before 7.2 leave the field 0 (V2).
  limits.inline_buf_size_ex = std::min<std::uint32_t>(
      std::max<std::uint32_t>(got.inline_buf_size_ex, limits.inline_buf_size), EFA_INLINE_128);
  limits.max_llq_size = got.max_llq_size;
  limits.max_tx_batch = got.max_tx_batch;
  limits.min_sq_wr = got.min_sq_wr;
  return 0;
}

/// The generic extended query, and the private part of it where the kernel has one (V7).
int query(Context& context, const ibv_query_device_ex_input* input, ibv_device_attr_ex* attr,
          std::size_t attr_size, QueryDeviceResp& resp) {
  std::size_t resp_size = context.queries_limits ? resp.size() : sizeof(*resp.core());
  return ibv::ibv_cmd_query_device_any(context.base(), input, attr, attr_size, resp.core(),
                                       &resp_size);
}

/// The private part of the extended query. A send WQE holds two segments (device-io I2), whatever
/// the device claims, and its doorbells count to 65535 (I1).
void take_limits(Limits& limits, const efa_uabi_query_device_resp& got) {
  limits.max_sq_wr = std::min<std::uint32_t>(got.max_sq_wr, kMaxQueueDepth);
  limits.max_rq_wr = std::min<std::uint32_t>(got.max_rq_wr, kMaxQueueDepth);
  limits.max_sq_sge = std::min<std::uint32_t>(got.max_sq_sge, EFA_TX_SGES);
  limits.max_rq_sge = got.max_rq_sge;
  limits.max_rdma_size = got.max_rdma_size;
  limits.device = got;
}

int query_limits(Context& context) {
  ibv_device_attr_ex attr{};
  QueryDeviceResp resp;
  const int error = query(context, nullptr, &attr, sizeof(attr), resp);
  if (error == 0) take_limits(context.limits, resp.efa());
  return error;
}

}  // namespace

bool QpTable::allocate() {
  slots_ = make_array<Qp*>(kNumbers);
  generations_ = make_array<std::uint16_t>(kNumbers);
  return slots_ != nullptr && generations_ != nullptr;
}

std::uint16_t QpTable::next_generation(std::uint32_t number) {
  const std::lock_guard guard(lock_);
  return ++generations_[number];
}

verbs_context* alloc_context(ibv_device* device, int cmd_fd, void*) {
  // libibverbs' part has to be zeroed memory that free() takes.
  void* memory = ibv::_verbs_init_and_alloc_context(
      device, cmd_fd, sizeof(Context), reinterpret_cast<verbs_context*>(offsetof(Context, verbs)),
      ibv::kDriverEfa);
  if (memory == nullptr) return nullptr;
  Context& context = *static_cast<Context*>(memory);
  new (&context.qps) QpTable;
  ibv::verbs_set_ops(&context.verbs, &kContextOps);
  int error = open_ucontext(context);
  if (error == 0) error = query_limits(context);
  if (error == 0 && !context.qps.allocate()) error = ENOMEM;
  if (error != 0) {
    free_context(context.base());
    errno = error;
    return nullptr;
  }
  return &context.verbs;
}

void free_context(ibv_context* base) {
  Context& context = Context::of(base);
  context.qps.~QpTable();
  ibv::verbs_uninit_context(&context.verbs);
  Free{}(&context);
}

/// V6: fills in what only this library knows: how many send WQEs fit into device memory.
int query_device_ex(ibv_context* base, const ibv_query_device_ex_input* input,
                    ibv_device_attr_ex* attr, std::size_t attr_size) {
  Context& context = Context::of(base);
  QueryDeviceResp resp;
  const int error = query(context, input, attr, attr_size, resp);
  if (error != 0) return error;
  ibv_device_attr& plain = attr->orig_attr;
  plain.max_qp_wr = std::min<int>(
      plain.max_qp_wr, static_cast<int>(context.limits.max_llq_size / sizeof(efa_tx_wqe)));
  const std::uint64_t version = resp.core()->base.fw_ver;
  std::snprintf(plain.fw_ver, sizeof(plain.fw_ver), "%u.%u.%u.%u",
                static_cast<unsigned>(version >> 24 & 0xff),
                static_cast<unsigned>(version >> 16 & 0xff),
                static_cast<unsigned>(version >> 8 & 0xff), static_cast<unsigned>(version & 0xff));
  return 0;
}

int query_port(ibv_context* context, std::uint8_t port, ibv_port_attr* attr) {
  ibv::QueryPort cmd{};
  return ibv::ibv_cmd_query_port(context, port, attr, &cmd, sizeof(cmd));
}

}  // namespace efa
