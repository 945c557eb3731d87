// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "qp_plan.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "log.hpp"

namespace efa {
namespace {

constexpr std::uint32_t kAttrMask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;

/// V94. An operation that the device lacks is not offered.
std::uint64_t possible_send_ops(const Limits& limits, bool srd) {
  std::uint64_t ops = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
  if (srd && limits.rdma_read()) ops |= IBV_QP_EX_WITH_RDMA_READ;
  if (srd && limits.rdma_write()) {
    ops |= IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;
  }
  return ops;
}

int check_objects(const Context& context, const ibv_qp_init_attr_ex& attr) {
  if ((attr.comp_mask & ~kAttrMask) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "QP: comp_mask 0x%x has bits beyond PD and SEND_OPS_FLAGS (0x%x)",
                    attr.comp_mask, kAttrMask);
  }
  if (!(attr.comp_mask & IBV_QP_INIT_ATTR_PD) || attr.pd == nullptr) {
    return EFA_FAIL(context, EINVAL,
                    "QP: a protection domain is missing (attr.pd and its mask bit)");
  }
  if (attr.send_cq == nullptr || attr.recv_cq == nullptr) {
    return EFA_FAIL(context, EINVAL,
                    "QP: a send CQ and a receive CQ are needed, also if they are one");
  }
  if (attr.srq != nullptr) {
    return EFA_FAIL(context, EINVAL, "QP: EFA has no shared receive queues");
  }
  return 0;
}

int check_operations(const Context& context, const QpOptions& options, const QpPlan& plan) {
  const Limits& limits = context.limits;
  const std::uint64_t possible = possible_send_ops(limits, options.srd);
  if ((plan.send_ops & ~possible) != 0) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "QP: send_ops_flags 0x%llx; this device and type of queue pair can do 0x%llx",
                    static_cast<unsigned long long>(plan.send_ops),
                    static_cast<unsigned long long>(possible));
  }
  if (options.unsolicited_write_recv && !limits.unsolicited_write_recv()) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "QP: UNSOLICITED_WRITE_RECV is beyond this device; post receives instead");
  }
  if (options.inline_write && !limits.rdma_write()) {
    return EFA_FAIL(context, EOPNOTSUPP,
                    "QP: INLINE_WRITE is beyond this device: it has no RDMA write");
  }
  return 0;
}

int check_capacity(const Context& context, const ibv_qp_cap& cap, WqeSize size) {
  const Limits& limits = context.limits;
  const auto above = [&](const char* what, std::uint32_t value, std::uint32_t limit) {
    return EFA_FAIL(context, EINVAL, "QP: %s %u is above the device's limit %u", what, value,
                    limit);
  };
  if (cap.max_send_sge > limits.max_sq_sge) {
    return above("max_send_sge", cap.max_send_sge, limits.max_sq_sge);
  }
  if (cap.max_recv_sge > limits.max_rq_sge) {
    return above("max_recv_sge", cap.max_recv_sge, limits.max_rq_sge);
  }
  if (cap.max_inline_data > limits.inline_buf_size_ex) {
    return above("max_inline_data", cap.max_inline_data, limits.inline_buf_size_ex);
  }
  if (const std::uint32_t depth = max_send_depth(limits, size); cap.max_send_wr > depth) {
    return above(size == WqeSize::k64 ? "max_send_wr" : "max_send_wr with 128-byte WQEs",
                 cap.max_send_wr, depth);
  }
  if (cap.max_recv_wr == 0) return 0;
  if (cap.max_recv_sge == 0) {
    return EFA_FAIL(context, EINVAL, "QP: max_recv_wr is %u but max_recv_sge is 0; both or none",
                    cap.max_recv_wr);
  }
  const std::uint32_t depth = max_receive_depth(limits, cap.max_recv_sge);
  if (cap.max_recv_wr > depth) {
    return above("max_recv_wr at this max_recv_sge", cap.max_recv_wr, depth);
  }
  return 0;
}

}  // namespace

WqeSize wqe_size_for(std::uint32_t max_inline_data, bool inline_write) {
  return max_inline_data > EFA_INLINE_64 || inline_write ? WqeSize::k128 : WqeSize::k64;
}

std::uint32_t max_send_depth(const Limits& limits, WqeSize size) {
  return std::bit_floor(
      std::min(limits.max_sq_wr, limits.max_llq_size / static_cast<std::uint32_t>(size)));
}

std::uint32_t max_receive_depth(const Limits& limits, std::uint32_t segments) {
  return limits.max_rq_wr / segments;
}

int plan_qp(const Context& context, const ibv_qp_init_attr_ex& attr, const QpOptions& options,
            QpPlan& plan) {
  const ibv_qp_cap& cap = attr.cap;
  plan = {};
  plan.send_ops = attr.comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS ? attr.send_ops_flags : 0;
  plan.wqe_size = wqe_size_for(cap.max_inline_data, options.inline_write);
  if (const int error = check_objects(context, attr)) return error;
  if (const int error = check_operations(context, options, plan)) return error;
  if (const int error = check_capacity(context, cap, plan.wqe_size)) return error;
  plan.send_requests =
      std::bit_ceil(std::max({cap.max_send_wr, context.limits.min_sq_wr, std::uint32_t{1}}));
  if (cap.max_recv_wr != 0) {
    plan.descriptors = std::bit_ceil(cap.max_recv_wr * cap.max_recv_sge);
    plan.receive_requests = plan.descriptors / cap.max_recv_sge;
  }
  return 0;
}

}  // namespace efa
