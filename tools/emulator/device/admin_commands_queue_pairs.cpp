// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Queue pairs (A9.5 to A9.8).
#include <bit>
#include <memory>

#include "device/admin_commands.hpp"
#include "device/doorbell_pool.hpp"
#include "device/llq_pool.hpp"
#include "device/queue_pair_state.hpp"

namespace efa::emu {

namespace {

constexpr std::uint8_t kRetryForever = 7;
constexpr std::uint8_t kDefaultLevel = 0;
constexpr std::uint8_t kLowLatencyLevel = 8;
constexpr std::uint64_t kRqAlignment = 4096;
constexpr std::uint32_t kStateBits =
    EFA_MODIFY_QP_CMD_QP_STATE_MASK | EFA_MODIFY_QP_CMD_CUR_QP_STATE_MASK;
constexpr std::uint32_t kKnownBits =
    kStateBits | EFA_MODIFY_QP_CMD_QKEY_MASK | EFA_MODIFY_QP_CMD_SQ_PSN_MASK |
    EFA_MODIFY_QP_CMD_SQ_DRAINED_ASYNC_NOTIFY_MASK | EFA_MODIFY_QP_CMD_RNR_RETRY_MASK;

bool is_wqe_size(std::uint64_t ring, std::uint64_t depth, std::size_t size) {
  return ring == depth * size;
}

std::uint16_t wqe_size(const efa_qp_alloc_size& size) {
  return is_wqe_size(size.send_queue_ring_size, size.send_queue_depth, sizeof(efa_tx_wqe_128)) &&
                 size.send_queue_depth != 0
             ? sizeof(efa_tx_wqe_128)
             : sizeof(efa_tx_wqe);
}

/// Initial attributes, also after a transition to RESET.
void set_initial_attributes(QueuePair& qp) {
  qp.qkey = 0;
  qp.sq_psn = 0;
  qp.rnr_retry = kRetryForever;
  qp.draining = false;
}

}  // namespace

AdminCommands::Status AdminCommands::check_qp_owner(const efa_create_qp_cmd& cmd) const {
  const bool known = device_.pds_.find(cmd.pd) != nullptr &&
                     device_.uars_.find(cmd.uar) != nullptr &&
                     device_.cqs_.find(cmd.send_cq_idx) != nullptr &&
                     device_.cqs_.find(cmd.recv_cq_idx) != nullptr;
  return known ? kSuccess : kIllegal;
}

AdminCommands::Status AdminCommands::check_qp_features(const efa_create_qp_cmd& cmd) const {
  if (cmd.qp_type != EFA_QP_TYPE_UD && cmd.qp_type != EFA_QP_TYPE_SRD) return kIllegal;
  if (efa_create_qp_cmd_sq_virt(&cmd) != 0 || efa_create_qp_cmd_rq_virt(&cmd) != 0) return kIllegal;
  if (efa_create_qp_cmd_unsolicited_write_recv(&cmd) != 0 &&
      !profile().has(EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK))
    return kIllegal;
  if (efa_create_qp_cmd_sq_64_bit_req_id(&cmd) != 0 &&
      (!profile().has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK) ||
       !device_.cqs_.find(cmd.send_cq_idx)->config().req_id_64))
    return kIllegal;
  const bool level_known =
      cmd.sl == kDefaultLevel || (cmd.sl == kLowLatencyLevel && profile().low_latency_level);
  return level_known ? kSuccess : kIllegal;
}

/// A QP without send queue has depth and ring 0.
AdminCommands::Status AdminCommands::check_send_queue(const efa_create_qp_cmd& cmd) const {
  const std::uint32_t depth = cmd.qp_alloc_size.send_queue_depth;
  const std::uint32_t ring = cmd.qp_alloc_size.send_queue_ring_size;
  if (depth < profile().min_sq_depth || depth > profile().max_sq_depth) return kIllegal;
  if (depth == 0) return ring == 0 ? kSuccess : kIllegal;
  if (!std::has_single_bit(depth) || ring > profile().max_llq_size) return kIllegal;
  if (is_wqe_size(ring, depth, sizeof(efa_tx_wqe))) return kSuccess;
  const bool wide = profile().queue_attr_2 || profile().has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK);
  return wide && is_wqe_size(ring, depth, sizeof(efa_tx_wqe_128)) ? kSuccess : kIllegal;
}

AdminCommands::Status AdminCommands::check_receive_queue(const efa_create_qp_cmd& cmd) const {
  const std::uint32_t ring = cmd.qp_alloc_size.recv_queue_ring_size;
  if (ring == 0) return kSuccess;
  const std::uint32_t descriptors = ring / sizeof(efa_rx_desc);
  if (ring % sizeof(efa_rx_desc) != 0 || !std::has_single_bit(descriptors)) return kIllegal;
  if (descriptors > profile().max_rq_depth) return kIllegal;
  return cmd.rq_base_addr != 0 && cmd.rq_base_addr % kRqAlignment == 0 ? kSuccess : kIllegal;
}

/// Finds room for rings and doorbells. Leaves nothing behind when there is none.
AdminCommands::Status AdminCommands::place_qp(QueuePair& qp, const efa_create_qp_cmd& cmd) {
  const efa_qp_alloc_size& size = cmd.qp_alloc_size;
  if (size.recv_queue_ring_size != 0) {
    qp.rq.descriptors = size.recv_queue_ring_size / sizeof(efa_rx_desc);
    qp.rq.ring = MappedRange(memory(), cmd.rq_base_addr, size.recv_queue_ring_size, Access::kRead);
    if (qp.rq.ring.get() == nullptr) return kIllegal;
  }
  qp.sq.depth = size.send_queue_depth;
  qp.sq.wqe_size = wqe_size(size);

  const auto llq = device_.llq_pool_->allocate(size.send_queue_ring_size);
  if (!llq) return kNoResources;
  const auto sq_doorbell = device_.doorbell_pool_->allocate(cmd.uar);
  const auto rq_doorbell = sq_doorbell ? device_.doorbell_pool_->allocate(cmd.uar) : std::nullopt;
  if (!rq_doorbell) {
    if (sq_doorbell) device_.doorbell_pool_->release(*sq_doorbell);
    device_.llq_pool_->release(*llq);
    return kNoResources;
  }
  qp.sq.llq_offset = *llq;
  qp.sq.db_offset = *sq_doorbell;
  qp.rq.db_offset = *rq_doorbell;
  return kSuccess;
}

void AdminCommands::count_qp_references(const QueuePair& qp, int step) {
  const auto count = static_cast<std::uint32_t>(step);
  device_.pds_.find(qp.pd)->users += count;
  device_.uars_.find(qp.uar)->users += count;
  qp.send_cq->users += count;
  qp.recv_cq->users += count;
}

AdminCommands::Status AdminCommands::create_qp(const efa_create_qp_cmd& cmd,
                                               efa_create_qp_resp& resp) {
  if (device_.qps_.full()) return kNoResources;
  if (const Status status = check_qp_owner(cmd); status != kSuccess) return status;
  for (const Status status :
       {check_qp_features(cmd), check_send_queue(cmd), check_receive_queue(cmd)})
    if (status != kSuccess) return status;

  auto fresh = std::make_unique<QueuePair>();
  fresh->number = static_cast<std::uint16_t>(device_.qps_.next_id());
  fresh->pd = cmd.pd;
  fresh->uar = cmd.uar;
  fresh->type = static_cast<efa_qp_type>(cmd.qp_type);
  fresh->unsolicited_write_recv = efa_create_qp_cmd_unsolicited_write_recv(&cmd) != 0;
  fresh->req_id_64 = efa_create_qp_cmd_sq_64_bit_req_id(&cmd) != 0;
  fresh->service_level = cmd.sl;
  fresh->send_cq = device_.cqs_.find(cmd.send_cq_idx);
  fresh->recv_cq = device_.cqs_.find(cmd.recv_cq_idx);
  fresh->send_sub_cq = fresh->number % fresh->send_cq->config().sub_cqs;
  fresh->recv_sub_cq = fresh->number % fresh->recv_cq->config().sub_cqs;
  set_initial_attributes(*fresh);
  if (const Status status = place_qp(*fresh, cmd); status != kSuccess) return status;

  QueuePair& qp = device_.qps_.insert(std::move(fresh));
  count_qp_references(qp, 1);
  if (device_.hooks_ != nullptr) device_.hooks_->qp_created(qp);

  resp.qp_handle = qp.number;
  resp.qp_num = qp.number;
  resp.send_sub_cq_idx = qp.send_sub_cq;
  resp.recv_sub_cq_idx = qp.recv_sub_cq;
  resp.sq_db_offset = qp.sq.db_offset;
  resp.rq_db_offset = qp.rq.db_offset;
  resp.llq_descriptors_offset = qp.sq.llq_offset;
  return kSuccess;
}

/// Producer counts restart at 0 on both sides (I6).
void AdminCommands::start_qp_over(QueuePair& qp) {
  set_initial_attributes(qp);
  qp.sq.seen = qp.sq.consumed = 0;
  qp.rq.seen = qp.rq.consumed = 0;
  __atomic_store_n(device_.doorbell_word(qp.sq.db_offset), 0u, __ATOMIC_RELAXED);
  __atomic_store_n(device_.doorbell_word(qp.rq.db_offset), 0u, __ATOMIC_RELAXED);
}

AdminCommands::Status AdminCommands::modify_qp(const efa_modify_qp_cmd& cmd, efa_modify_qp_resp&) {
  QueuePair* qp = device_.qps_.find(cmd.qp_handle);
  if (qp == nullptr) return kIllegal;
  const bool overridden = efa_modify_qp_cmd_cur_qp_state(&cmd) != 0;
  const std::uint32_t from = overridden ? cmd.cur_qp_state : std::uint32_t{qp->state};
  const std::uint32_t to = efa_modify_qp_cmd_qp_state(&cmd) != 0 ? cmd.qp_state : from;
  const QpTransition transition = qp_transition(from, to);
  const std::uint32_t attributes = cmd.modify_mask & kKnownBits & ~kStateBits;
  if (!transition.allowed || (transition.required & ~attributes) != 0 ||
      (attributes & ~(transition.required | transition.optional)) != 0)
    return kIllegal;
  if (efa_modify_qp_cmd_rnr_retry(&cmd) != 0 &&
      (!profile().has(EFA_DEVICE_ATTR_RNR_RETRY_MASK) || qp->type != EFA_QP_TYPE_SRD ||
       cmd.rnr_retry > kRetryForever))
    return kIllegal;

  if (efa_modify_qp_cmd_qkey(&cmd) != 0) qp->qkey = cmd.qkey;
  if (efa_modify_qp_cmd_sq_psn(&cmd) != 0) qp->sq_psn = cmd.sq_psn;
  if (efa_modify_qp_cmd_rnr_retry(&cmd) != 0) qp->rnr_retry = cmd.rnr_retry;
  const efa_qp_state before = qp->state;
  qp->state = static_cast<efa_qp_state>(to);
  if (to == EFA_QP_STATE_RESET) start_qp_over(*qp);
  if (to != EFA_QP_STATE_SQD) qp->draining = false;
  if (device_.hooks_ != nullptr && qp->state != before) device_.hooks_->qp_modified(*qp, before);
  return kSuccess;
}

AdminCommands::Status AdminCommands::query_qp(const efa_query_qp_cmd& cmd,
                                              efa_query_qp_resp& resp) {
  const QueuePair* qp = device_.qps_.find(cmd.qp_handle);
  if (qp == nullptr) return kIllegal;
  resp.qp_state = qp->state;
  resp.qkey = qp->qkey;
  resp.sq_psn = qp->sq_psn;
  resp.sq_draining = qp->draining ? 1 : 0;
  resp.rnr_retry = qp->rnr_retry;
  return kSuccess;
}

AdminCommands::Status AdminCommands::destroy_qp(const efa_destroy_qp_cmd& cmd,
                                                efa_destroy_qp_resp&) {
  QueuePair* qp = device_.qps_.find(cmd.qp_handle);
  if (qp == nullptr) return kIllegal;
  if (device_.hooks_ != nullptr) device_.hooks_->qp_destroyed(*qp);
  for (const QueuePair::Attachment& attachment : qp->counters) --attachment.counter->attachments;
  count_qp_references(*qp, -1);
  device_.doorbell_pool_->release(qp->sq.db_offset);
  device_.doorbell_pool_->release(qp->rq.db_offset);
  device_.llq_pool_->release(qp->sq.llq_offset);
  device_.qps_.remove(cmd.qp_handle);
  return kSuccess;
}

}  // namespace efa::emu
