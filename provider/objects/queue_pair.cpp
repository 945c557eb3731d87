// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/queue_pair.hpp"

#include <infiniband/efadv.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "device.hpp"

namespace efa::fi {
namespace {

constexpr uint8_t kPort = 1;
constexpr uint8_t kLowLatencyLevel = 8;
/// efadv_qp_init_attr up to wr_flags: 16 bytes, which every libefa takes.
constexpr uint32_t kOldestAttr = offsetof(efadv_qp_init_attr, wr_flags);

/// What a QP is to have; libraries and kernels that do not know a thing refuse the QP.
struct Wishes {
  uint64_t operations = IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_SEND_WITH_IMM;
  uint16_t flags = 0;
  uint8_t level = 0;

  /// Gives up the newest of them. @returns false: nothing is left to give up
  bool reduce() {
    if (level != 0)
      level = 0;
    else if (flags != 0)
      flags = 0;
    else if (operations & IBV_QP_EX_WITH_RDMA_WRITE)
      operations &= ~uint64_t{IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM};
    else
      return false;
    return true;
  }
};

Wishes wishes_of(const Device& device, const QueuePairPlan& plan) {
  Wishes wishes;
  if (plan.kind == Kind::datagram) return wishes;
  if (device.rdma_read) wishes.operations |= IBV_QP_EX_WITH_RDMA_READ;
  if (device.rdma_write)
    wishes.operations |= IBV_QP_EX_WITH_RDMA_WRITE | IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM;
  if (plan.unsolicited) wishes.flags = EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV;
  if (plan.low_latency) wishes.level = kLowLatencyLevel;
  return wishes;
}

ibv_qp_init_attr_ex attributes_of(Domain& domain, const QueuePairPlan& plan) {
  ibv_qp_init_attr_ex attr{};
  attr.send_cq = ibv_cq_ex_to_cq(plan.tx->verbs);
  attr.recv_cq = ibv_cq_ex_to_cq(plan.rx->verbs);
  attr.cap.max_send_wr = plan.tx_depth;
  attr.cap.max_recv_wr = plan.rx_depth;
  attr.cap.max_send_sge = static_cast<uint32_t>(domain.device.max_sq_sge);
  attr.cap.max_recv_sge = plan.rx_segments;
  attr.cap.max_inline_data = plan.inline_size;
  attr.qp_type = plan.kind == Kind::datagram ? IBV_QPT_UD : IBV_QPT_DRIVER;
  attr.sq_sig_all = 1;
  attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  attr.pd = domain.queue_pd;
  return attr;
}

ibv_qp* try_create(Domain& domain, const QueuePairPlan& plan, const Wishes& wishes) {
  ibv_qp_init_attr_ex attr = attributes_of(domain, plan);
  attr.send_ops_flags = wishes.operations;
  if (plan.kind == Kind::datagram) return ibv_create_qp_ex(domain.context, &attr);
  efadv_qp_init_attr efa{};
  efa.driver_qp_type = EFADV_QP_DRIVER_TYPE_SRD;
  efa.flags = wishes.flags;
  efa.sl = wishes.level;
  return efadv_create_qp_ex(domain.context, &attr, &efa, kOldestAttr);
}

int modify(ibv_qp& qp, ibv_qp_attr attr, int mask) {
  return -ibv_modify_qp(&qp, &attr, mask | IBV_QP_STATE);
}

ibv_qp_attr state(ibv_qp_state value) {
  ibv_qp_attr attr{};
  attr.qp_state = value;
  return attr;
}

}  // namespace

QueuePair create_queue_pair(Domain& domain, const QueuePairPlan& plan) {
  Wishes wishes = wishes_of(domain.device, plan);
  ibv_qp* qp;
  do {
    qp = try_create(domain, plan, wishes);
  } while (!qp && (errno == EINVAL || errno == EOPNOTSUPP) && wishes.reduce());
  if (!qp) return {};
  return {qp, ibv_qp_to_qp_ex(qp), wishes.operations, wishes.flags != 0};
}

int start_queue_pair(ibv_qp& qp, uint32_t qkey, int rnr_retry) {
  ibv_qp_attr init = state(IBV_QPS_INIT);
  init.port_num = kPort;
  init.qkey = qkey;
  int error = modify(qp, init, IBV_QP_PORT | IBV_QP_PKEY_INDEX | IBV_QP_QKEY);
  if (error == 0) error = modify(qp, state(IBV_QPS_RTR), 0);
  if (error != 0) return error;
  ibv_qp_attr ready = state(IBV_QPS_RTS);
  ready.rnr_retry = static_cast<uint8_t>(rnr_retry);
  return modify(qp, ready, IBV_QP_SQ_PSN | (rnr_retry < 0 ? 0 : int{IBV_QP_RNR_RETRY}));
}

uint32_t random_connid() {
  uint32_t id = 0;
  if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id) {
    // Early in the life of a machine: the clock, and who asks.
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    id = static_cast<uint32_t>(now ^ (now >> 32)) ^ (static_cast<uint32_t>(getpid()) << 12);
  }
  return id & 0x7fffffff;  // those above are privileged
}

}  // namespace efa::fi
