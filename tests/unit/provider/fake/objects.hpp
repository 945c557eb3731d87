// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Owners of the provider's objects over the fake kernel.
#pragma once

#include <memory>

#include "ah.hpp"
#include "cq.hpp"
#include "kernel.hpp"
#include "qp.hpp"

namespace efa::fake {

struct Closer {
  void operator()(verbs_context* p) const { free_context(&p->context); }
  void operator()(ibv_pd* p) const { dealloc_pd(p); }
  void operator()(ibv_td* p) const { dealloc_td(p); }
  void operator()(ibv_ah* p) const { destroy_ah(p); }
  void operator()(ibv_cq* p) const { destroy_cq(p); }
  void operator()(ibv_qp* p) const { destroy_qp(p); }
};
template <class T>
using Owner = std::unique_ptr<T, Closer>;

struct QpRequest {
  std::uint32_t send_depth = 8, recv_depth = 8;
  std::uint32_t send_sges = 2, recv_sges = 2;
  std::uint32_t inline_bytes = 32;
  bool builder = true;
  bool srd = true;
  bool inline_write = false;
};

inline constexpr std::uint64_t kAllOps = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM |
                                         IBV_QP_EX_WITH_RDMA_READ | IBV_QP_EX_WITH_RDMA_WRITE |
                                         IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;

/// An opened device with a protection domain and an address handle.
class Station {
 public:
  Station() : verbs_(kernel().open()), pd_(alloc_pd(base())) {
    ibv_ah_attr attr{};
    ah_.reset(create_ah(pd_.get(), &attr));
  }

  ibv_context* base() const { return &verbs_->context; }
  Context& context() const { return Context::of(base()); }
  ibv_pd* pd() const { return pd_.get(); }
  ibv_ah* ah() const { return ah_.get(); }

  Owner<ibv_cq> classic_cq(int entries) const {
    return Owner<ibv_cq>(create_cq(base(), entries, nullptr, 0));
  }
  Owner<ibv_cq> extended_cq(std::uint32_t entries, ibv_pd* parent = nullptr) const {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = entries;
    attr.wc_flags = IBV_WC_STANDARD_FLAGS;
    if (parent != nullptr) {
      attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
      attr.parent_domain = parent;
    }
    efadv_cq_init_attr efa{};
    efa.wc_flags = EFADV_WC_EX_WITH_SGID;
    ibv_cq_ex* cq = create_efa_cq(context(), attr, efa);
    return Owner<ibv_cq>(cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq));
  }
  ibv_qp_init_attr_ex qp_attr(ibv_cq* send_cq, ibv_cq* recv_cq, const QpRequest& request,
                              ibv_pd* domain = nullptr) const {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = request.srd ? IBV_QPT_DRIVER : IBV_QPT_UD;
    attr.comp_mask = IBV_QP_INIT_ATTR_PD;
    attr.pd = domain != nullptr ? domain : pd();
    attr.send_cq = send_cq;
    attr.recv_cq = recv_cq;
    attr.cap = {request.send_depth, request.recv_depth, request.send_sges, request.recv_sges,
                request.inline_bytes};
    if (request.builder) {
      attr.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
      attr.send_ops_flags =
          request.srd ? kAllOps : IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
    }
    return attr;
  }
  Owner<ibv_qp> qp(ibv_cq* send_cq, ibv_cq* recv_cq, const QpRequest& request = {},
                   ibv_pd* domain = nullptr) const {
    ibv_qp_init_attr_ex attr = qp_attr(send_cq, recv_cq, request, domain);
    QpOptions options;
    options.srd = request.srd;
    options.builder = request.builder;
    options.inline_write = request.inline_write;
    return Owner<ibv_qp>(create_qp_with(context(), attr, options));
  }

 private:
  Owner<verbs_context> verbs_;
  Owner<ibv_pd> pd_;
  Owner<ibv_ah> ah_;
};

/// Moves a queue pair; the fake kernel allows every transition.
inline int move_to(ibv_qp* qp, ibv_qp_state state) {
  ibv_qp_attr attr{};
  attr.qp_state = state;
  return modify_qp(qp, &attr, IBV_QP_STATE);
}

}  // namespace efa::fake
