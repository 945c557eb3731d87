// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "loopback.hpp"

#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace efa::bench {

namespace {

constexpr std::uint32_t kBufferBytes = 4096;
constexpr std::uint32_t kMessageBytes = 32;
// The emulated device takes 64 WQEs of a queue in one turn; 256 take 4 turns.
constexpr unsigned kSettleTrips = 8;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Says why `object` is missing.
template <class T>
bool have(const T& object, const char* verb, std::string& refusal) {
  if (!object) refusal = std::string(verb) + ": " + std::strerror(errno);
  return static_cast<bool>(object);
}

Owned<ibv_context> open_first() {
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  Owned<ibv_context> context(list != nullptr && count > 0 ? ibv_open_device(list[0]) : nullptr);
  if (list != nullptr) ibv_free_device_list(list);
  if (list != nullptr && count == 0) errno = ENODEV;
  return context;
}

Owned<ibv_ah> own_address(ibv_context* context, ibv_pd* pd) {
  ibv_ah_attr attr{};
  attr.is_global = 1;
  attr.port_num = 1;
  if (ibv_query_gid(context, 1, 0, &attr.grh.dgid) != 0) die("ibv_query_gid");
  return Owned<ibv_ah>(ibv_create_ah(pd, &attr));
}

void make_ready(ibv_qp* qp) {
  const auto modify = [qp](ibv_qp_attr& attr, int mask) {
    if (ibv_modify_qp(qp, &attr, mask) != 0) die("ibv_modify_qp");
  };
  ibv_qp_attr attr{};
  attr.qp_state = IBV_QPS_INIT;
  attr.port_num = 1;
  attr.qkey = kLoopbackQkey;
  modify(attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_QKEY);
  attr.qp_state = IBV_QPS_RTR;
  modify(attr, IBV_QP_STATE);
  attr.qp_state = IBV_QPS_RTS;
  modify(attr, IBV_QP_STATE | IBV_QP_SQ_PSN);
}

}  // namespace

std::unique_ptr<Loopback> Loopback::create(const LoopbackOptions& options, std::string& refusal) {
  std::unique_ptr<Loopback> loopback(new Loopback);
  if (!loopback->build(options, refusal)) return nullptr;
  return loopback;
}

bool Loopback::build(const LoopbackOptions& options, std::string& refusal) {
  context_ = open_first();
  if (!have(context_, "ibv_open_device", refusal)) return false;
  if (!make_domains(options.single_threaded, refusal)) return false;
  buffer_.reset(std::aligned_alloc(kBufferBytes, kBufferBytes));
  std::memset(buffer_.get(), 0, kBufferBytes);
  // Remote access is asked for only where a queue pair needs it: efa0 has none.
  int access = IBV_ACCESS_LOCAL_WRITE;
  if (options.send_ops & IBV_QP_EX_WITH_RDMA_READ) access |= IBV_ACCESS_REMOTE_READ;
  if (options.send_ops & IBV_QP_EX_WITH_RDMA_WRITE) access |= IBV_ACCESS_REMOTE_WRITE;
  mr_.reset(ibv_reg_mr(pd_.get(), buffer_.get(), kBufferBytes, access));
  if (!have(mr_, "ibv_reg_mr", refusal)) return false;
  ah_ = own_address(context_.get(), pd_.get());
  if (!have(ah_, "ibv_create_ah", refusal)) return false;
  for (auto* cq : {&send_cq_, &receive_cq_, &settle_cq_}) {
    *cq = make_cq(options);
    if (!have(*cq, "ibv_create_cq", refusal)) return false;
  }
  qp_ = make_qp(send_cq_.get(), receive_cq_.get(), options.send_ops);
  if (!have(qp_, "efadv_create_qp_ex", refusal)) return false;
  settle_qp_ = make_qp(settle_cq_.get(), settle_cq_.get(), IBV_QP_EX_WITH_SEND);
  return have(settle_qp_, "efadv_create_qp_ex", refusal);
}

bool Loopback::make_domains(bool single_threaded, std::string& refusal) {
  pd_.reset(ibv_alloc_pd(context_.get()));
  if (!have(pd_, "ibv_alloc_pd", refusal)) return false;
  if (!single_threaded) return true;
  ibv_td_init_attr thread{};
  thread_domain_.reset(ibv_alloc_td(context_.get(), &thread));
  if (!have(thread_domain_, "ibv_alloc_td", refusal)) return false;
  ibv_parent_domain_init_attr parent{};
  parent.pd = pd_.get();
  parent.td = thread_domain_.get();
  parent_domain_.reset(ibv_alloc_parent_domain(context_.get(), &parent));
  return have(parent_domain_, "ibv_alloc_parent_domain", refusal);
}

Owned<ibv_cq> Loopback::make_cq(const LoopbackOptions& options) {
  if (!options.single_threaded && !options.extended_cq)
    return Owned<ibv_cq>(ibv_create_cq(context_.get(), kDepth, nullptr, nullptr, 0));
  ibv_cq_init_attr_ex init{};
  init.cqe = kDepth;
  init.wc_flags = IBV_WC_STANDARD_FLAGS;
  if (options.single_threaded) {
    init.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
    init.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
    init.parent_domain = parent_domain_.get();
  }
  ibv_cq_ex* cq = ibv_create_cq_ex(context_.get(), &init);
  return Owned<ibv_cq>(cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq));
}

Owned<ibv_qp> Loopback::make_qp(ibv_cq* send, ibv_cq* receive, std::uint64_t ops) {
  ibv_qp_init_attr_ex init{};
  init.send_cq = send;
  init.recv_cq = receive;
  init.cap = {kDepth, kDepth, 1, 1, kInlineBytes};
  init.qp_type = IBV_QPT_DRIVER;
  init.sq_sig_all = 1;
  init.pd = parent_domain_ ? parent_domain_.get() : pd_.get();
  init.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  init.send_ops_flags = ops;
  efadv_qp_init_attr driver{};
  driver.driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD;
  Owned<ibv_qp> qp(efadv_create_qp_ex(context_.get(), &init, &driver, sizeof(driver)));
  if (qp) make_ready(qp.get());
  return qp;
}

ibv_sge Loopback::sge() const {
  return {reinterpret_cast<std::uint64_t>(buffer_.get()), kMessageBytes, mr_->lkey};
}

void Loopback::post_receives(unsigned count) {
  receive_on(qp_.get(), count);
}

void Loopback::post_sends(unsigned count) {
  send_on(qp_.get(), count);
}

void Loopback::receive_on(ibv_qp* qp, unsigned count) {
  ibv_sge place = sge();
  ibv_recv_wr wr{};
  wr.sg_list = &place;
  wr.num_sge = 1;
  ibv_recv_wr* bad = nullptr;
  for (unsigned i = 0; i < count; ++i)
    if ((errno = ibv_post_recv(qp, &wr, &bad)) != 0) die("ibv_post_recv");
}

void Loopback::send_on(ibv_qp* qp, unsigned count) {
  ibv_sge message = sge();
  ibv_send_wr wr{};
  wr.sg_list = &message;
  wr.num_sge = 1;
  wr.opcode = IBV_WR_SEND;
  wr.wr.ud = {ah_.get(), qp->qp_num, kLoopbackQkey};
  ibv_send_wr* bad = nullptr;
  for (unsigned i = 0; i < count; ++i)
    if ((errno = ibv_post_send(qp, &wr, &bad)) != 0) die("ibv_post_send");
}

void Loopback::drain(ibv_cq* cq, unsigned count) {
  ibv_wc wc[16];
  while (count > 0) {
    const int got = ibv_poll_cq(cq, static_cast<int>(count < 16 ? count : 16), wc);
    if (got < 0) die("ibv_poll_cq");
    if (got == 0) ::sched_yield();
    for (int i = 0; i < got; ++i) {
      if (wc[i].status == IBV_WC_SUCCESS) continue;
      std::fprintf(stderr, "completion: %s (vendor error %u)\n", ibv_wc_status_str(wc[i].status),
                   wc[i].vendor_err);
      std::exit(1);
    }
    count -= static_cast<unsigned>(got);
  }
}

void Loopback::settle_sends() {
  for (unsigned i = 0; i < kSettleTrips; ++i) {
    receive_on(settle_qp_.get(), 1);
    send_on(settle_qp_.get(), 1);
    drain(settle_cq_.get(), 2);
  }
}

}  // namespace efa::bench
