// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/device_endpoint.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "log.hpp"
#include "objects/direct_verbs.hpp"
#include "objects/option.hpp"
#include "rdm/errors.hpp"

namespace efa::fi {
namespace {

/// Of calls without flags. Small messages are inline anyway, so FI_INJECT needs no care; larger
/// ones than that it cannot be for, and op_flags have it also for who did not ask (spec 3.5).
uint64_t default_flags(uint64_t op_flags) {
  return op_flags & FI_COMPLETION;
}

/// Requests between two doorbells, of which the device has a limit.
uint32_t batch_limit(ibv_qp& qp) {
  constexpr uint32_t kUnknown = 16;  // the smallest limit that there is (spec device 9)
  efadv_wq_attr sq{}, rq{};
  const auto query = direct_verbs().query_qp_wqs;
  constexpr uint32_t kOldestAttr = offsetof(efadv_wq_attr, caps);
  if (!query || query(&qp, &sq, &rq, kOldestAttr) || sq.max_batch == 0) return kUnknown;
  return sq.max_batch;
}

}  // namespace

DeviceEndpoint::DeviceEndpoint(Domain& domain, const fi_info& asked, void* context)
    : Endpoint(domain, asked, context),
      has_context_memory_(asked.mode & FI_CONTEXT2),
      mark_(has_context_memory_),
      tx_flags_(default_flags(asked.tx_attr->op_flags)),
      rx_flags_(default_flags(asked.rx_attr->op_flags)),
      max_message_(domain.device.mtu),
      inject_size_(std::min(asked.tx_attr->inject_size, domain.device.inline_size)),
      inline_size_(domain.device.inline_size),
      max_rma_(domain.device.max_rdma_size),
      inject_rma_size_(inject_size_) {
  if (asked.ep_attr->max_msg_size)
    max_message_ = std::min(max_message_, asked.ep_attr->max_msg_size);
}

DeviceEndpoint::~DeviceEndpoint() {
  const Guard guard(domain.lock);
  if (!qp) return;
  if (batched_) flush_requests();
  for (fid_cq* cq : {tx_cq, rx_cq})
    if (cq) DirectCq::of(cq).leave(qp->qp_num);
  disconnect();
}

int DeviceEndpoint::start() {
  completes_ = &DirectCq::of(tx_cq ? tx_cq : rx_cq);
  tx_free_ = tx_depth;
  rx_free_ = rx_depth;
  counting_ = counters.any();
  max_batch_ = std::min(batch_limit(*qp), std::max(tx_depth / 2, 1U));
  held_receives_.resize(std::min(max_batch_, 64U));
  if (info->caps & FI_RMA)
    if (const int error = bounce_.open(domain.pd, domain.device.inline_size)) return error;
  for (fid_cq* cq : {tx_cq, rx_cq})
    if (cq) DirectCq::of(cq).enter(qp->qp_num, *this);
  return 0;
}

void DeviceEndpoint::progress() {
  if (!enabled) return;
  if (tx_cq) DirectCq::of(tx_cq).collect();
  if (rx_cq && rx_cq != tx_cq) DirectCq::of(rx_cq).collect();
}

/// One for each CQ is enough, and easy to end.
void DeviceEndpoint::keep_session() {
  if (completes_->session()) completes_->end_session();
  completes_->set_session(this);
}

int DeviceEndpoint::flush_requests() {
  const int error = ibv_wr_complete(qpx);
  if (error != 0) [[unlikely]]
    tx_free_ += batched_;  // none of them has reached the device
  batched_ = 0;
  if (completes_->session() == this) completes_->set_session(nullptr);
  return error == ENOMEM ? -FI_EAGAIN : -error;
}

int DeviceEndpoint::flush_receives() {
  for (uint32_t i = 0; i + 1 < held_; ++i)
    held_receives_[i].request.next = &held_receives_[i + 1].request;
  for (uint32_t i = 0; i < held_; ++i)
    held_receives_[i].request.sg_list = held_receives_[i].segments;
  ibv_recv_wr* bad = nullptr;
  const int error = ibv_post_recv(qp, &held_receives_[0].request, &bad);
  for (; error && bad; bad = bad->next) ++rx_free_;
  held_ = 0;
  return error == ENOMEM ? -FI_EAGAIN : -error;
}

void DeviceEndpoint::tally(uint32_t opcode) {
  if (Counter* counter = counter_of(opcode)) counter->add();
}

Counter* DeviceEndpoint::counter_of(uint32_t opcode) const {
  switch (opcode) {
    case IBV_WC_SEND:
      return counters.send;
    case IBV_WC_RDMA_WRITE:
      return counters.write;
    case IBV_WC_RDMA_READ:
      return counters.read;
    case IBV_WC_RECV:
      return counters.receive;
    default:
      return counters.remote_write;
  }
}

bool DeviceEndpoint::sent_silently(uint64_t id, rdm::Completion& completion) {
  if (!RmaBounce::is_slot(id)) return false;
  const RmaBounce::Use use = bounce_.release(id);
  completion.context = use.context;
  completion.flags = FI_RMA | FI_WRITE;
  return !use.silent;
}

void DeviceEndpoint::written(const uint64_t* receive, rdm::Completion& completion) {
  if (receive) ++rx_free_;
  tally(IBV_WC_RECV_RDMA_WITH_IMM);
  // Who lends a receive to such writes (FI_RX_CQ_DATA) wants to know which.
  completion.context = receive ? mark_.context(*receive) : nullptr;
  completion.flags = FI_REMOTE_WRITE | FI_RMA;
}

void DeviceEndpoint::failed(uint32_t opcode, uint64_t id, rdm::FailedCompletion& failure) {
  if (Counter* counter = counter_of(opcode)) counter->add_error();
  failure.of.context = mark_.context(id);
  if (opcode & IBV_WC_RECV) {
    ++rx_free_;
    failure.of.flags = FI_RECV | FI_MSG;
    return;
  }
  ++tx_free_;
  failure.of.flags = flags_of_sent(opcode);
  if (RmaBounce::is_slot(id)) failure.of.context = bounce_.release(id).context;
  explain(failure);
}

/// Both addresses and the cure: as err_data, and for users whose application keeps it to itself in
/// the log, the first one and then ever fewer.
void DeviceEndpoint::explain(rdm::FailedCompletion& failure) {
  constexpr int kFlushed = 1;
  if (!has_context_memory_ || !failure.of.context || failure.provider_errno == kFlushed) return;
  const auto* memory = static_cast<const fi_context2*>(failure.of.context);
  const AvEntry* peer = av->find(reinterpret_cast<fi_addr_t>(memory->internal[0]));
  if (!peer) return;
  failure.text = "operation from " + address_text(address) + " to " + address_text(peer->address) +
                 " failed: " + rdm::text_of_errno(failure.provider_errno);
  if (std::has_single_bit(++failures_))
    log(FI_LOG_WARN, failure.text + " (error " + std::to_string(failure.provider_errno) +
                         ", number " + std::to_string(failures_) + " of this endpoint)");
}

int DeviceEndpoint::control(int command, void* argument) {
  if (command != FI_GETOPSFLAG && command != FI_SETOPSFLAG) return -FI_ENOSYS;
  if (!argument) return -FI_EINVAL;
  uint64_t& flags = *static_cast<uint64_t*>(argument);
  const uint64_t direction = flags & (FI_TRANSMIT | FI_RECV);
  if (direction != FI_TRANSMIT && direction != FI_RECV) return -FI_EINVAL;
  uint64_t& chosen = direction == FI_TRANSMIT ? info->tx_attr->op_flags : info->rx_attr->op_flags;
  if (command == FI_GETOPSFLAG) {
    flags = chosen;
    return 0;
  }
  const Guard guard(domain.lock);
  chosen = flags & ~direction;
  tx_flags_ = default_flags(info->tx_attr->op_flags);
  rx_flags_ = default_flags(info->rx_attr->op_flags);
  return 0;
}

}  // namespace efa::fi
