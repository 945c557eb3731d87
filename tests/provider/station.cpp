// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "station.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

namespace efa::provider_test {
namespace {

template <class T>
T* require(T* object, const char* what) {
  if (object == nullptr) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
  return object;
}

void require_zero(int error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

std::uint8_t pattern(std::uint8_t seed, std::uint32_t i) {
  return static_cast<std::uint8_t>(seed + i * 7 + (i >> 8));
}

int full_access(ibv_context* context) {
  int access = IBV_ACCESS_LOCAL_WRITE;
  if (can_read(context)) access |= IBV_ACCESS_REMOTE_READ;
  if (can_write(context)) access |= IBV_ACCESS_REMOTE_WRITE;
  return access;
}

}  // namespace

efadv_device_attr efa_attributes_of(ibv_context* context) {
  efadv_device_attr attr{};
  require_zero(efadv_query_device(context, &attr, sizeof(attr)), "efadv_query_device");
  return attr;
}

bool can_read(ibv_context* context) {
  return (efa_attributes_of(context).device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_READ) != 0;
}

bool can_write(ibv_context* context) {
  return (efa_attributes_of(context).device_caps & EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE) != 0;
}

std::uint64_t srd_operations(ibv_context* context) {
  std::uint64_t ops = kSends;
  if (can_read(context)) ops |= IBV_QP_EX_WITH_RDMA_READ;
  if (can_write(context)) ops |= kWrites;
  return ops;
}

ibv_qp* create_qp(ibv_context* context, ibv_pd* pd, ibv_cq* send_cq, ibv_cq* recv_cq,
                  const QpSpec& spec, ibv_qp_cap* caps) {
  const bool srd = spec.transport == Transport::kSrd;
  ibv_qp_init_attr_ex attr{};
  attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS | spec.more_comp_mask;
  attr.pd = pd;
  attr.send_cq = send_cq;
  attr.recv_cq = recv_cq;
  attr.cap = {spec.send_wr, spec.recv_wr, spec.send_sge, spec.recv_sge, spec.inline_data};
  attr.sq_sig_all = spec.signal_all;
  attr.qp_type = srd ? IBV_QPT_DRIVER : IBV_QPT_UD;
  attr.send_ops_flags = spec.ops.value_or(srd ? srd_operations(context) : kSends);
  efadv_qp_init_attr efa{};
  efa.comp_mask = spec.efa_comp_mask;
  efa.driver_qp_type = spec.driver_qp_type;
  efa.flags = spec.flags;
  efa.sl = spec.sl;
  std::memset(&efa.reserved, spec.reserved, sizeof(efa.reserved));
  efa.wr_flags = spec.wr_flags;
  ibv_qp* qp =
      srd ? efadv_create_qp_ex(context, &attr, &efa, spec.inlen) : ibv_create_qp_ex(context, &attr);
  if (qp != nullptr && caps != nullptr) *caps = attr.cap;
  return qp;
}

void make_ready(ibv_qp* qp, std::uint32_t qkey) {
  require_zero(to_init(qp, qkey), "to INIT");
  require_zero(to_rtr(qp), "to RTR");
  // Without rnr_retry, which not every device has: then receivers are waited for without end.
  require_zero(to_rts(qp), "to RTS");
}

ibv_cq_ex* Station::create_cq(const StationSpec& spec) {
  ibv_cq_init_attr_ex attr{};
  attr.cqe = static_cast<std::uint32_t>(spec.cqe);
  attr.wc_flags = spec.wc_flags;
  attr.comp_mask = spec.cq_comp_mask;
  attr.flags = spec.cq_flags;
  attr.parent_domain = spec.parent_domain;
  if (spec.parent_domain != nullptr) attr.comp_mask |= IBV_CQ_INIT_ATTR_MASK_PD;
  if (!spec.efa_wc_flags) return require(ibv_create_cq_ex(context_, &attr), "ibv_create_cq_ex");
  efadv_cq_init_attr efa{};
  efa.wc_flags = *spec.efa_wc_flags;
  return require(efadv_create_cq(context_, &attr, &efa, sizeof(efa)), "efadv_create_cq");
}

Station::Station(ibv_context* context, ibv_pd* pd, const StationSpec& spec)
    : context_(context),
      pd_(spec.parent_domain != nullptr ? spec.parent_domain : pd),
      buffer_(new std::uint8_t[kBufferBytes]()) {
  const int access = spec.access >= 0 ? spec.access : full_access(context);
  mr_.reset(require(try_reg_mr(pd_, buffer_.get(), kBufferBytes, access), "ibv_reg_mr"));
  send_cq_ex_ = create_cq(spec);
  send_cq_.reset(ibv_cq_ex_to_cq(send_cq_ex_));
  send_ring_.emplace();
  recv_cq_ex_ = send_cq_ex_;
  if (!spec.one_cq) {
    recv_cq_ex_ = create_cq(spec);
    recv_cq_.reset(ibv_cq_ex_to_cq(recv_cq_ex_));
    recv_ring_.emplace();
  }
  qp_.reset(require(create_qp(context, pd_, send_cq(), recv_cq(), spec.qp, &caps_), "QP"));
  rings_.emplace();
  send_ring_->use_sub_cq(rings_->send_sub_cq());
  recv_ring().use_sub_cq(rings_->recv_sub_cq());
  make_ready(qp());
}

Destination Station::from(Station& from) {
  from.ahs_.emplace_back(require(try_create_ah(from.pd_, gid_of(context_)), "ibv_create_ah"));
  return {from.ahs_.back().get(), qp_->qp_num, kQkey};
}

int Station::post_receive(std::uint64_t id, std::size_t offset, std::uint32_t length) {
  return post_receives(id, 1, offset, length);
}

int Station::post_receives(std::uint64_t first_id, int count, std::size_t offset,
                           std::uint32_t length) {
  for (int i = 0; i < count; ++i) {
    ibv_sge segment = sge(offset, length);
    ibv_recv_wr wr{first_id + static_cast<std::uint64_t>(i), nullptr, &segment, 1};
    ibv_recv_wr* bad = nullptr;
    if (const int error = ibv_post_recv(qp(), &wr, &bad)) return error;
  }
  return 0;
}

ibv_send_wr Station::send_wr(std::uint64_t id, const Destination& to, ibv_sge* sges, int count) {
  ibv_send_wr wr{};
  wr.wr_id = id;
  wr.sg_list = sges;
  wr.num_sge = count;
  wr.opcode = IBV_WR_SEND;
  wr.send_flags = IBV_SEND_SIGNALED;
  wr.wr.ud.ah = to.ah;
  wr.wr.ud.remote_qpn = to.qpn;
  wr.wr.ud.remote_qkey = to.qkey;
  return wr;
}

int Station::post_send(std::uint64_t id, const Destination& to, std::size_t offset,
                       std::uint32_t length) {
  ibv_sge segment = sge(offset, length);
  ibv_send_wr wr = send_wr(id, to, &segment, 1);
  ibv_send_wr* bad = nullptr;
  return ibv_post_send(qp(), &wr, &bad);
}

bool Station::idle() {
  ibv_wc wc;
  return ibv_poll_cq(send_cq(), 1, &wc) == 0 && ibv_poll_cq(recv_cq(), 1, &wc) == 0;
}

void Station::fill(std::size_t offset, std::uint32_t length, std::uint8_t seed) {
  for (std::uint32_t i = 0; i < length; ++i) *at(offset + i) = pattern(seed, i);
}

bool Station::holds(std::size_t offset, std::uint32_t length, std::uint8_t seed) {
  for (std::uint32_t i = 0; i < length; ++i)
    if (*at(offset + i) != pattern(seed, i)) return false;
  return true;
}

void start_poll_when_there(ibv_cq_ex* cq) {
  ibv_poll_cq_attr attr{};
  int error = ENOENT;
  wait_until([&] { return (error = ibv_start_poll(cq, &attr)) != ENOENT; });
  if (error != 0) throw std::runtime_error(std::string("ibv_start_poll: ") + std::strerror(error));
}

ExtendedCompletion next_extended(ibv_cq_ex* cq) {
  start_poll_when_there(cq);
  const ExtendedCompletion completion{
      cq->wr_id,
      cq->status,
      cq->status == IBV_WC_SUCCESS ? ibv_wc_read_opcode(cq) : IBV_WC_SEND,
      ibv_wc_read_vendor_err(cq),
      0,
      0};
  ibv_end_poll(cq);
  return completion;
}

std::optional<std::uint64_t> device_limit(const char* name) {
  const char* limits = std::getenv("EFA_TEST_LIMITS");
  if (limits == nullptr) return std::nullopt;
  const std::string text = std::string(",") + limits;
  const auto found = text.find(std::string(",") + name + "=");
  if (found == std::string::npos) return std::nullopt;
  return std::strtoull(text.c_str() + text.find('=', found) + 1, nullptr, 10);
}

}  // namespace efa::provider_test
