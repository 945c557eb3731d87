// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "qp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "cq.hpp"
#include "log.hpp"
#include "qp_plan.hpp"

namespace efa {
namespace {

using CreateQp = ibv::Message<ibv::CreateQp, efa_uabi_create_qp>;
using CreateQpResp = ibv::Message<ib_uverbs_create_qp_resp, efa_uabi_create_qp_resp>;

/// Both completion queues of a queue pair, locked in the order of their addresses: one queue pair's
/// receive queue may be another's send queue.
class CqLocks {
 public:
  explicit CqLocks(const Qp& qp)
      : first_(&Cq::of(qp.verbs.qp.recv_cq)), second_(&Cq::of(qp.verbs.qp.send_cq)) {
    if (first_ > second_) std::swap(first_, second_);
    first_->lock.lock();
    if (second_ != first_) second_->lock.lock();
  }
  ~CqLocks() {
    if (second_ != first_) second_->lock.unlock();
    first_->lock.unlock();
  }
  CqLocks(const CqLocks&) = delete;
  CqLocks& operator=(const CqLocks&) = delete;

 private:
  Cq* first_;
  Cq* second_;
};

/// V107. A device that wants a minimal depth must never be told of the whole ring at once.
std::uint32_t batch_limit(const Limits& limits, const QpPlan& plan) {
  std::uint32_t batch = 0xffff;
  if (limits.max_tx_batch != 0) {
    batch = limits.max_tx_batch * 64 / static_cast<std::uint32_t>(plan.wqe_size);
  }
  if (limits.min_sq_wr != 0) batch = std::min(batch, plan.send_requests - 1);
  return std::max(batch, std::uint32_t{1});
}

int ask_kernel(Context& context, Qp& qp, ibv_qp_init_attr_ex& attr, const QpOptions& options,
               const QpPlan& plan, efa_uabi_create_qp_resp& answer) {
  CreateQp cmd;
  efa_uabi_create_qp& request = cmd.efa();
  CreateQpResp resp;
  request.sq_ring_size = plan.send_requests * static_cast<std::uint32_t>(plan.wqe_size);
  request.rq_ring_size = plan.descriptors * static_cast<std::uint32_t>(sizeof(efa_rx_desc));
  efa_uabi_create_qp_set_unsolicited_write_recv(&request, options.unsolicited_write_recv);
  efa_uabi_create_qp_set_sq_64_bit_req_id(&request, qp.ids == RequestIds::kWide);
  request.sl = options.service_level;
  attr.cap.max_send_wr = plan.send_requests;
  attr.cap.max_recv_wr = plan.receive_requests;
  const int error = ibv::ibv_cmd_create_qp_ex(context.base(), &qp.verbs, &attr, cmd.core(),
                                              cmd.size(), resp.core(), resp.size());
  answer = resp.efa();
  return error;
}

/// A doorbell: an aligned word inside a page of its own mapping.
int map_doorbell(Context& context, Mapping& page, std::uint64_t key, std::uint32_t offset,
                 std::uint32_t*& doorbell) {
  if (!is_doorbell_offset(offset)) {
    return EFA_FAIL(context, EINVAL,
                    "QP: the kernel put a doorbell at %u, crooked or outside of its page", offset);
  }
  if (const int error = page.map(context.base()->cmd_fd, key, page_size(), PROT_WRITE))
    return error;
  doorbell = reinterpret_cast<std::uint32_t*>(page.data() + offset);
  return 0;
}

/// WQEs are written by stores of 16 bytes.
constexpr std::uint32_t kRingAlignment = 16;

int set_up_send(Context& context, Qp& qp, const ibv_qp_init_attr_ex& attr, const QpOptions& options,
                const QpPlan& plan, const efa_uabi_create_qp_resp& answer) {
  SendQueue& sq = qp.sq;
  const std::size_t bytes =
      std::size_t{plan.send_requests} * static_cast<std::size_t>(plan.wqe_size);
  if (answer.llq_desc_offset % kRingAlignment != 0) {
    return EFA_FAIL(context, EINVAL, "QP: the kernel put the send ring at %u, crooked",
                    answer.llq_desc_offset);
  }
  if (const int error = map_doorbell(context, sq.doorbell_page, answer.sq_db_mmap_key,
                                     answer.sq_db_offset, sq.doorbell)) {
    return error;
  }
  if (const int error = sq.ring_pages.map(context.base()->cmd_fd, answer.llq_desc_mmap_key,
                                          page_align(bytes + answer.llq_desc_offset), PROT_WRITE)) {
    return error;
  }
  if (const int error = sq.work.allocate(plan.send_requests)) return error;
  sq.ring = sq.ring_pages.data() + answer.llq_desc_offset;
  sq.wqe_size = static_cast<std::uint32_t>(plan.wqe_size);
  sq.max_sge = attr.cap.max_send_sge;
  sq.max_inline = attr.cap.max_inline_data;
  sq.max_batch = batch_limit(context.limits, plan);
  sq.implied_flags = attr.sq_sig_all ? IBV_SEND_SIGNALED : 0;
  sq.inline_write = options.inline_write;
  if (!options.builder) return 0;
  sq.staging_memory = make_pages(page_size(), bytes);
  if (sq.staging_memory == nullptr) return ENOMEM;
  sq.staging = sq.staging_memory.get();
  return 0;
}

int set_up_receive(Context& context, Qp& qp, const ibv_qp_init_attr_ex& attr, const QpPlan& plan,
                   const efa_uabi_create_qp_resp& answer) {
  ReceiveQueue& rq = qp.rq;
  if (const int error = rq.work.allocate(plan.receive_requests)) return error;
  rq.max_sge = attr.cap.max_recv_sge;
  if (plan.descriptors == 0) return 0;
  if (answer.rq_mmap_size < plan.descriptors * sizeof(efa_rx_desc)) {
    return EFA_FAIL(context, EINVAL, "QP: the kernel mapped %llu bytes for %u receive descriptors",
                    static_cast<unsigned long long>(answer.rq_mmap_size), plan.descriptors);
  }
  if (const int error = map_doorbell(context, rq.doorbell_page, answer.rq_db_mmap_key,
                                     answer.rq_db_offset, rq.doorbell)) {
    return error;
  }
  if (const int error = rq.ring_pages.map(context.base()->cmd_fd, answer.rq_mmap_key,
                                          answer.rq_mmap_size, PROT_WRITE)) {
    return error;
  }
  rq.ring = reinterpret_cast<std::uint64_t*>(rq.ring_pages.data());
  rq.descriptor_mask = plan.descriptors - 1;
  return 0;
}

int set_up(Context& context, Qp& qp, const ibv_qp_init_attr_ex& attr, const QpOptions& options,
           const QpPlan& plan, const efa_uabi_create_qp_resp& answer) {
  if (const int error = set_up_send(context, qp, attr, options, plan, answer)) return error;
  if (const int error = set_up_receive(context, qp, attr, plan, answer)) return error;
  choose_post_send(qp, plan.wqe_size);
  choose_post_recv(qp);
  if (options.builder) {
    choose_builder(qp, plan.wqe_size, plan.send_ops, options);
    qp.verbs.comp_mask |= ibv::kVerbsQpEx;
  }
  const std::uint16_t generation = context.qps.next_generation(qp.number());
  qp.sq.work.set_first_generation(generation);
  qp.take_generation();
  qp.rq.work.set_first_generation(generation);
  context.qps.put(qp.number(), &qp);
  return 0;
}

/// RESET forgets what is posted; both rings start anew with it (device-io I6).
void restart(Qp& qp) {
  const std::uint16_t generation = qp.context().qps.next_generation(qp.number());
  const CqLocks locks(qp);
  qp.sq.work.restart(generation);
  qp.take_generation();
  qp.rq.work.restart(generation);
  qp.rq.descriptors_posted = 0;
}

/// Posting is possible in the states that the device serves (V131, V160).
void follow_state(Qp& qp, ibv_qp_state state) {
  const std::lock_guard sq_guard(qp.sq.lock);
  const std::lock_guard rq_guard(qp.rq.lock);
  if (state == IBV_QPS_RESET) restart(qp);
  qp.sq.work.set_open(state == IBV_QPS_RTS || state == IBV_QPS_SQD);
  qp.rq.work.set_open(state != IBV_QPS_RESET && state != IBV_QPS_ERR);
}

}  // namespace

ibv_qp* create_qp_with(Context& context, ibv_qp_init_attr_ex& attr, const QpOptions& options) {
  QpPlan plan;
  int error = plan_qp(context, attr, options, plan);
  Owned<Qp> qp = error == 0 ? make<Qp>() : nullptr;
  if (qp == nullptr) {
    errno = error != 0 ? error : ENOMEM;
    return nullptr;
  }
  qp->domain = &Pd::of(attr.pd);
  qp->ids = context.limits.wide_request_ids() ? RequestIds::kWide : RequestIds::kSlots;
  efa_uabi_create_qp_resp answer{};
  error = ask_kernel(context, *qp, attr, options, plan, answer);
  if (error == 0) {
    error = set_up(context, *qp, attr, options, plan, answer);
    if (error != 0) ibv::ibv_cmd_destroy_qp(&qp->verbs.qp);
  }
  if (error != 0) {
    qp.reset();
    errno = error;
    return nullptr;
  }
  if (qp->domain->is_parent()) ++qp->domain->users;
  return &qp.release()->verbs.qp;
}

ibv_qp* create_qp_ex(ibv_context* base, ibv_qp_init_attr_ex* attr) {
  Context& context = Context::of(base);
  if (attr->qp_type != IBV_QPT_UD) {
    errno = EFA_FAIL(context, EOPNOTSUPP,
                     "QP: type %d; EFA has UD here, and SRD by efadv_create_qp_ex", attr->qp_type);
    return nullptr;
  }
  QpOptions options;
  options.builder = attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  return create_qp_with(context, *attr, options);
}

ibv_qp* create_qp(ibv_pd* pd, ibv_qp_init_attr* attr) {
  ibv_qp_init_attr_ex extended{};
  std::memcpy(&extended, attr, sizeof(*attr));
  extended.comp_mask = IBV_QP_INIT_ATTR_PD;
  extended.pd = pd;
  ibv_qp* qp = create_qp_ex(pd->context, &extended);
  if (qp != nullptr) attr->cap = extended.cap;
  return qp;
}

int destroy_qp(ibv_qp* base) {
  Qp& qp = Qp::of(base);
  const std::uint32_t number = qp.number();
  if (const int error = ibv::ibv_cmd_destroy_qp(base)) return error;
  {
    const CqLocks locks(qp);
    qp.context().qps.take_out(number, &qp);
  }
  if (qp.domain->is_parent()) --qp.domain->users;
  Owned<Qp>{&qp}.reset();
  return 0;
}

int modify_qp(ibv_qp* base, ibv_qp_attr* attr, int mask) {
  ibv::ModifyQp cmd{};
  if (const int error = ibv::ibv_cmd_modify_qp(base, attr, mask, &cmd, sizeof(cmd))) return error;
  if (mask & IBV_QP_STATE) follow_state(Qp::of(base), attr->qp_state);
  return 0;
}

int query_qp(ibv_qp* qp, ibv_qp_attr* attr, int mask, ibv_qp_init_attr* init) {
  ibv::QueryQp cmd{};
  return ibv::ibv_cmd_query_qp(qp, attr, mask, init, &cmd, sizeof(cmd));
}

/// V112. Release 44 only asks whether whole messages arrive in order, which they never do.
int query_qp_data_in_order(ibv_qp* qp, ibv_wr_opcode, std::uint32_t) {
#if EFA_IBVERBS_RELEASE == 44
  static_cast<void>(qp);
  return 0;
#else
  return Qp::of(qp).context().limits.data_polling_128()
             ? IBV_QUERY_QP_DATA_IN_ORDER_ALIGNED_128_BYTES
             : 0;
#endif
}

}  // namespace efa
