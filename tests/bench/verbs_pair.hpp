// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Two processes, one SRD queue pair each, connected through the emulated device: what the native
/// benchmarks measure with. Uses only the public verbs and efadv interfaces.
#pragma once

#include <infiniband/efadv.h>
#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace efa::bench {

inline constexpr std::uint32_t kQkey = 0x11111111;

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// How the other side is reached.
struct PeerAddress {
  ibv_gid gid;
  std::uint32_t qpn;
  std::uint32_t rkey;
  std::uint64_t buffer;
};

/// An opened device with one SRD queue pair and one registered buffer.
class Endpoint {
 public:
  explicit Endpoint(std::size_t buffer_bytes) : bytes_(buffer_bytes) {
    int count = 0;
    ibv_device** list = ibv_get_device_list(&count);
    if (list == nullptr || count == 0) die("no EFA device: run this under efa-emu run");
    context_ = ibv_open_device(list[0]);
    ibv_free_device_list(list);
    if (context_ == nullptr) die("ibv_open_device");
    pd_ = ibv_alloc_pd(context_);
    cq_ = ibv_create_cq(context_, 512, nullptr, nullptr, 0);
    buffer_ = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes_ + 4095) / 4096 * 4096));
    for (std::size_t i = 0; i < bytes_; ++i) buffer_[i] = static_cast<std::byte>(i);
    mr_ = ibv_reg_mr(pd_, buffer_, bytes_, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ);
    ibv_qp_init_attr_ex init{};
    init.send_cq = init.recv_cq = cq_;
    init.cap = {128, 128, 1, 1, 32};
    init.qp_type = IBV_QPT_DRIVER;
    init.sq_sig_all = 1;
    init.pd = pd_;
    init.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    init.send_ops_flags = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_RDMA_READ;
    efadv_qp_init_attr driver{};
    driver.driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD;
    if (pd_ == nullptr || cq_ == nullptr || mr_ == nullptr) die("verbs objects");
    qp_ = efadv_create_qp_ex(context_, &init, &driver, sizeof(driver));
    if (qp_ == nullptr) die("efadv_create_qp_ex");
    extended_ = ibv_qp_to_qp_ex(qp_);
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT;
    attr.port_num = 1;
    attr.qkey = kQkey;
    modify(attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
    attr.qp_state = IBV_QPS_RTR;
    modify(attr, IBV_QP_STATE);
    attr.qp_state = IBV_QPS_RTS;
    modify(attr, IBV_QP_STATE | IBV_QP_SQ_PSN);
  }

  PeerAddress address() const {
    PeerAddress address{{}, qp_->qp_num, mr_->rkey, reinterpret_cast<std::uint64_t>(buffer_)};
    if (ibv_query_gid(context_, 1, 0, &address.gid) != 0) die("ibv_query_gid");
    return address;
  }

  void connect(const PeerAddress& peer) {
    peer_ = peer;
    ibv_ah_attr attr{};
    attr.is_global = 1;
    attr.port_num = 1;
    attr.grh.dgid = peer.gid;
    ah_ = ibv_create_ah(pd_, &attr);
    if (ah_ == nullptr) die("ibv_create_ah");
  }

  void post_recv(std::uint32_t bytes) {
    ibv_sge sge{reinterpret_cast<std::uint64_t>(buffer_), bytes, mr_->lkey};
    ibv_recv_wr wr{};
    ibv_recv_wr* bad = nullptr;
    wr.sg_list = &sge;
    wr.num_sge = 1;
    if (ibv_post_recv(qp_, &wr, &bad) != 0) die("ibv_post_recv");
  }

  /// Up to 32 bytes travel inside the WQE, as latency-minded programs do it.
  void post_send_inline(std::uint32_t bytes) {
    ibv_wr_start(extended_);
    ibv_wr_send(extended_);
    ibv_wr_set_ud_addr(extended_, ah_, peer_.qpn, kQkey);
    ibv_wr_set_inline_data(extended_, buffer_, bytes);
    if (ibv_wr_complete(extended_) != 0) die("ibv_wr_complete");
  }

  /// Polls until one more send (receive) completed; calls `idle` while there is nothing.
  template <class Idle>
  void await_send(Idle&& idle) {
    await(sends_, idle);
  }
  template <class Idle>
  void await_receive(Idle&& idle) {
    await(receives_, idle);
  }

  std::byte* buffer() const { return buffer_; }

 private:
  /// Takes one completion of the kind that `seen` counts; others are kept for their own turn.
  template <class Idle>
  void await(unsigned& seen, Idle&& idle) {
    ibv_wc wc[16];
    while (seen == 0) {
      const int got = ibv_poll_cq(cq_, 16, wc);
      if (got < 0) die("ibv_poll_cq");
      if (got == 0) idle();
      for (int i = 0; i < got; ++i) {
        if (wc[i].status != IBV_WC_SUCCESS) {
          std::fprintf(stderr, "completion: %s (vendor error %u)\n",
                       ibv_wc_status_str(wc[i].status), wc[i].vendor_err);
          std::exit(1);
        }
        ++(wc[i].opcode & IBV_WC_RECV ? receives_ : sends_);
      }
    }
    --seen;
  }

  void modify(ibv_qp_attr& attr, int mask) {
    if (ibv_modify_qp(qp_, &attr, mask) != 0) die("ibv_modify_qp");
  }

  std::size_t bytes_;
  ibv_context* context_ = nullptr;
  ibv_pd* pd_ = nullptr;
  ibv_cq* cq_ = nullptr;
  ibv_mr* mr_ = nullptr;
  ibv_qp* qp_ = nullptr;
  ibv_qp_ex* extended_ = nullptr;
  ibv_ah* ah_ = nullptr;
  std::byte* buffer_ = nullptr;
  PeerAddress peer_{};
  unsigned sends_ = 0;
  unsigned receives_ = 0;
};

}  // namespace efa::bench
