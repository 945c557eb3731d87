// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion channels and queues, queue pairs (verbs A8.2 - A8.5, A9).
#include <fcntl.h>
#include <poll.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_verbs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "efa_uabi.h"
#include "frontend/uverbs/context.hpp"
#include "frontend/uverbs/qp_transitions.hpp"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

namespace {

constexpr std::uint32_t kPageOffsetMask = kPageSize - 1;
/// Bytes of a request up to and including the last mandatory field (A3).
constexpr std::size_t kCreateCqMinimum = offsetof(efa_uabi_create_cq, flags);
constexpr std::size_t kCreateQpMinimum = offsetof(efa_uabi_create_qp, flags);

/// Reads the private part of a create request under the length rules of A3.
template <class Request>
int read_private(Call& call, std::size_t minimum, Request& out) {
  Input in;
  if (const int error = call.uhw_in(in)) return error;
  if (in.length < minimum) return EINVAL;
  if (!in.zero_from(sizeof(Request))) return EOPNOTSUPP;
  std::memcpy(&out, in.bytes.data(), sizeof(out));
  return out.comp_mask == 0 ? 0 : EOPNOTSUPP;
}

template <class T, std::size_t N>
bool all_zero(const T (&values)[N]) noexcept {
  return std::all_of(std::begin(values), std::end(values), [](T v) { return v == 0; });
}

bool is_qp_type(std::uint32_t type) {
  return (type >= kQpTypeRc && type <= kQpTypeUd) || type == kQpTypeRawPacket ||
         type == kQpTypeXrcInitiator || type == kQpTypeDriver;
}

/// The core's checks of MODIFY_QP: ports, states, address vectors (verbs A8.4).
bool names_nonsense(const ib_uverbs_modify_qp& request, std::uint32_t mask) {
  const auto set = [mask](std::uint32_t bit) { return (mask & bit) != 0; };
  return (set(kQpPort) && request.port_num != 1) ||
         (set(kQpState) && request.qp_state > EFA_QP_STATE_ERR) ||
         (set(kQpCurState) && request.cur_qp_state > EFA_QP_STATE_ERR) ||
         (set(kQpAv) && request.dest.port_num != 1) ||
         (set(kQpAlternatePath) && (request.alt_port_num != 1 || request.alt_dest.port_num != 1));
}

}  // namespace

void Context::forget_closed_channels() {
  std::erase_if(channels_, [](const auto& entry) {
    const Channel& channel = *entry.second;
    pollfd writer{channel.write_end, 0, 0};
    // No reader can come back once all are gone.
    const bool closed = ::poll(&writer, 1, 0) == 1 && (writer.revents & POLLERR) != 0;
    if (!closed || channel.users != 0) return false;
    ::close(channel.write_end);
    return true;
  });
}

int Context::create_comp_channel(Call& call) {
  forget_closed_channels();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
  ::fcntl(ends[0], F_SETFL, 0);  // the client chooses for its end
  struct stat status {};
  ::fstat(ends[0], &status);
  const int number = call.descriptors.give(ends[0]);
  ::close(ends[0]);
  if (number < 0) {
    ::close(ends[1]);
    return EMFILE;
  }
  auto channel = std::make_unique<Channel>();
  channel->write_end = ends[1];
  channel->inode = status.st_ino;
  channels_[status.st_ino] = std::move(channel);
  ib_uverbs_create_comp_channel_resp response{};
  response.fd = static_cast<std::uint32_t>(number);
  return call.core_out(response);
}

/// mmap key of the doorbell page that holds `offset` of the doorbell BAR; maps it on first use.
std::optional<std::uint64_t> Context::doorbell_key(std::uint32_t offset) {
  const std::uint32_t page = offset & ~kPageOffsetMask;
  if (const auto found = doorbell_pages_.find(page); found != doorbell_pages_.end())
    return found->second.offset;
  const auto range = memory_->allocate(kPageSize);
  if (!range || !memory_->map_over(*range, driver_.doorbell_window(page))) return std::nullopt;
  doorbell_pages_[page] = *range;
  return range->offset;
}

int Context::create_cq(Call& call) {
  AttributeBundle& attributes = call.attributes;
  std::uint32_t cqe = 0, vector = 0, flags = 0;
  std::uint64_t user_handle = 0;
  if (const int error = attributes.get(UVERBS_ATTR_CREATE_CQ_CQE, cqe)) return error;
  if (const int error = attributes.get(UVERBS_ATTR_CREATE_CQ_USER_HANDLE, user_handle))
    return error;
  if (const int error = attributes.get(UVERBS_ATTR_CREATE_CQ_COMP_VECTOR, vector)) return error;
  if (attributes.has(UVERBS_ATTR_CREATE_CQ_FLAGS))
    if (const int error = attributes.get(UVERBS_ATTR_CREATE_CQ_FLAGS, flags)) return error;
  if (vector >= driver_.completion_vectors()) return EINVAL;
  Channel* channel = nullptr;
  if (const auto fd = attributes.handle(UVERBS_ATTR_CREATE_CQ_COMP_CHANNEL)) {
    const auto found = channels_.find(call.descriptors.inode_of(static_cast<int>(*fd)));
    if (found == channels_.end()) return EBADF;
    channel = found->second.get();
  }
  if (flags != 0) return EOPNOTSUPP;
  if (cqe == 0) return EINVAL;
  call.failures = &driver_.counters().create_cq_err;
  const efa_queue_attr_1& limits = driver_.attributes().queues;
  if (cqe > limits.max_cq_depth) return EINVAL;

  efa_uabi_create_cq request{};
  if (const int error = read_private(call, kCreateCqMinimum, request)) return error;
  const bool events = efa_uabi_create_cq_completion_channel(&request) != 0;
  const bool sgid = efa_uabi_create_cq_sgid(&request) != 0;
  const bool wide_ids = efa_uabi_create_cq_sq_comp_64_bit_req_id(&request) != 0;
  if (!all_zero(request.reserved_58)) return EINVAL;
  const bool big = request.cq_entry_size == sizeof(efa_rx_cdesc_ex);
  if (!big && (request.cq_entry_size != sizeof(efa_rx_cdesc) || sgid)) return EINVAL;
  if (request.num_sub_cqs != limits.sub_cqs_per_cq) return EINVAL;
  // Better than upstream's driver, which ignores unknown ones (verbs K3).
  unsigned known = EFA_UABI_CREATE_CQ_COMPLETION_CHANNEL_MASK | EFA_UABI_CREATE_CQ_SGID_MASK;
  if (driver_.attributes().has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK))
    known |= EFA_UABI_CREATE_CQ_SQ_COMP_64_BIT_REQ_ID_MASK;
  if ((request.flags & ~known) != 0) return EOPNOTSUPP;
  if (events && !driver_.has_events()) return EOPNOTSUPP;

  auto object = std::make_unique<CqObject>();
  CqObject& cq = *object;
  const std::uint64_t ring_bytes = std::uint64_t{request.cq_entry_size} * cqe * request.num_sub_cqs;
  if (const int error = find_cq_ring(call, ring_bytes, cq)) return error;
  efa_create_cq_cmd command{};
  efa_create_cq_resp created{};
  efa_create_cq_cmd_set_interrupt_mode_enabled(&command, events);
  efa_create_cq_cmd_set_cq_entry_size_words(&command, request.cq_entry_size / 4);
  efa_create_cq_cmd_set_set_src_addr(&command, sgid);
  efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&command, wide_ids);
  command.sub_cq_depth = static_cast<std::uint16_t>(cqe);
  command.eqn = events ? driver_.eq_of_vector(vector) : 0;
  const bool own_ring = cq.caller_ring.space == 0;
  efa_mem_addr_set(&command.cq_ba,
                   own_ring ? queue_space_ + cq.ring.offset : cq.caller_ring.address);
  command.num_sub_cqs = request.num_sub_cqs;
  command.uar = uar_;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_CREATE_CQ, command, created)) {
    memory_->release(cq.ring);
    unpin(cq.caller_ring);
    return error;
  }

  cq.number = created.cq_idx;
  cq.user_handle = user_handle;
  cq.channel = channel;
  if (channel != nullptr) ++channel->users;
  driver_.watch_cq(cq.number, [this, &cq] { post_event(cq); });
  const std::uint32_t handle = insert(std::move(object));

  efa_uabi_create_cq_resp response{};
  response.q_mmap_key = cq.ring.offset;
  response.q_mmap_size = cq.ring.length;
  response.cq_idx = created.cq_idx;
  int error = 0;
  // Who brings the ring gets nothing to map (A4).
  if (own_ring && efa_create_cq_resp_db_valid(&created)) {
    const auto key = doorbell_key(created.db_offset);
    efa_uabi_create_cq_resp_set_db_off(&response, 1);
    response.db_off = created.db_offset & kPageOffsetMask;
    if (key)
      response.db_mmap_key = *key;
    else
      error = ENOMEM;
  }
  if (error == 0) error = attributes.put(UVERBS_ATTR_CREATE_CQ_RESP_CQE, cqe);
  if (error == 0) error = call.uhw_out(response);
  if (error == 0) error = attributes.put_handle(UVERBS_ATTR_CREATE_CQ_HANDLE, handle);
  ib_uverbs_destroy_cq_resp ignored;
  if (error != 0) remove_cq(handle, ignored);
  return error;
}

/// Memory for the ring: the caller's own, or pages of the queue memory.
int Context::find_cq_ring(Call& call, std::uint64_t bytes, CqObject& cq) {
  if (const int error = pin_cq_ring(call, cq.caller_ring)) return error;
  if (cq.caller_ring.space != 0) {
    if (cq.caller_ring.length >= page_align(bytes)) return 0;
    unpin(cq.caller_ring);
    return EINVAL;
  }
  const auto ring = memory_->allocate(bytes);
  if (!ring) return ENOMEM;
  if (memory_->map(*ring) == nullptr) {
    memory_->release(*ring);
    return ENOMEM;
  }
  cq.ring = *ring;
  return 0;
}

void Context::post_event(CqObject& cq) {
  if (cq.channel == nullptr) return;
  const ib_uverbs_comp_event_desc event{cq.user_handle};
  // One event per arm: the pipe cannot be full unless nobody reads thousands of them.
  if (::write(cq.channel->write_end, &event, sizeof(event)) == sizeof(event)) ++cq.events_sent;
}

/// Takes the CQ's unread events out of its channel, leaves those of others. Returns how many the
/// client did read: libibverbs waits until it has acknowledged that number.
std::uint32_t Context::purge_events(CqObject& cq) {
  if (cq.channel == nullptr || cq.events_sent == 0) return cq.events_sent;
  const std::string path = fmt::format("/proc/self/fd/{}", cq.channel->write_end);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (reader < 0) return cq.events_sent;
  std::vector<ib_uverbs_comp_event_desc> others;
  std::uint32_t unread = 0;
  ib_uverbs_comp_event_desc event;
  while (::read(reader, &event, sizeof(event)) == sizeof(event)) {
    if (event.cq_handle == cq.user_handle)
      ++unread;
    else
      others.push_back(event);
  }
  for (const ib_uverbs_comp_event_desc& other : others)
    if (::write(cq.channel->write_end, &other, sizeof(other)) != sizeof(other)) break;
  ::close(reader);
  return cq.events_sent - std::min(unread, cq.events_sent);
}

int Context::remove_cq(std::uint32_t handle, ib_uverbs_destroy_cq_resp& response) {
  response = {};
  CqObject* cq = find<CqObject>(handle);
  if (cq == nullptr) return not_found(handle);
  if (cq->users != 0) return EBUSY;
  efa_destroy_cq_cmd command{};
  efa_destroy_cq_resp ignored{};
  command.cq_idx = cq->number;
  driver_.execute(EFA_AQ_OPCODE_DESTROY_CQ, command, ignored);
  driver_.unwatch_cq(cq->number);
  response.comp_events_reported = purge_events(*cq);
  if (cq->channel != nullptr) --cq->channel->users;
  memory_->release(cq->ring);
  unpin(cq->caller_ring);
  driver_.memory().queue_memory_changed();
  objects_.erase(handle);
  release_ended_spaces();
  return 0;
}

int Context::destroy_cq(Call& call) {
  const auto handle = call.attributes.handle(UVERBS_ATTR_DESTROY_CQ_HANDLE);
  if (!handle) return EINVAL;
  ib_uverbs_destroy_cq_resp response;
  if (const int error = remove_cq(*handle, response)) return error;
  return call.attributes.put(UVERBS_ATTR_DESTROY_CQ_RESP, response);
}

/// errno for the first of the objects of a queue pair that is not there.
int Context::missing_of_qp(Call& call) const {
  const auto pd = call.attributes.handle(UVERBS_ATTR_CREATE_QP_PD_HANDLE);
  const auto send = call.attributes.handle(UVERBS_ATTR_CREATE_QP_SEND_CQ_HANDLE);
  const auto recv = call.attributes.handle(UVERBS_ATTR_CREATE_QP_RECV_CQ_HANDLE);
  if (find<PdObject>(pd) == nullptr) return not_found(pd);
  return find<CqObject>(send) == nullptr ? not_found(send) : not_found(recv);
}

int Context::create_qp(Call& call) {
  AttributeBundle& attributes = call.attributes;
  std::uint32_t type = 0, create_flags = 0;
  ib_uverbs_qp_cap cap{};
  if (const int error = attributes.get_constant(UVERBS_ATTR_CREATE_QP_TYPE, type)) return error;
  if (const int error = attributes.get(UVERBS_ATTR_CREATE_QP_CAP, cap)) return error;
  if (attributes.has(UVERBS_ATTR_CREATE_QP_FLAGS))
    if (const int error = attributes.get(UVERBS_ATTR_CREATE_QP_FLAGS, create_flags)) return error;
  PdObject* pd = find<PdObject>(attributes.handle(UVERBS_ATTR_CREATE_QP_PD_HANDLE));
  CqObject* send_cq = find<CqObject>(attributes.handle(UVERBS_ATTR_CREATE_QP_SEND_CQ_HANDLE));
  CqObject* recv_cq = find<CqObject>(attributes.handle(UVERBS_ATTR_CREATE_QP_RECV_CQ_HANDLE));
  // Types that the core knows; those of EFA are the driver's business.
  if (!is_qp_type(type)) return EINVAL;
  if (type == kQpTypeRawPacket && !call.net_raw) return EPERM;
  const bool known_type = type == kQpTypeUd || type == kQpTypeDriver;
  if (pd == nullptr || send_cq == nullptr || recv_cq == nullptr)
    return known_type ? missing_of_qp(call) : EOPNOTSUPP;
  call.failures = &driver_.counters().create_qp_err;
  if (!known_type) return EOPNOTSUPP;

  const DeviceAttributes& device = driver_.attributes();
  const efa_queue_attr_1& limits = device.queues;
  efa_uabi_create_qp request{};
  if (const int error = read_private(call, kCreateQpMinimum, request)) return error;
  if (!all_zero(request.reserved_98)) return EINVAL;
  std::uint16_t known = 0;
  if (device.has(EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK))
    known |= EFA_UABI_CREATE_QP_UNSOLICITED_WRITE_RECV_MASK;
  if (device.has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK))
    known |= EFA_UABI_CREATE_QP_SQ_64_BIT_REQ_ID_MASK;
  if ((request.flags & ~known) != 0) return EOPNOTSUPP;
  if (cap.max_send_wr > limits.max_sq_depth || request.sq_ring_size > limits.max_llq_size ||
      cap.max_recv_wr > limits.max_rq_depth || cap.max_send_sge > limits.max_wr_send_sges ||
      cap.max_recv_sge > limits.max_wr_recv_sges || cap.max_inline_data > device.inline_buf_size_ex)
    return EINVAL;
  if (request.rq_ring_size > limits.max_rq_depth * sizeof(efa_rx_desc)) return EINVAL;
  // Every WQE has a CQE anyway; other creation flags are for other kinds of hardware.
  if (attributes.has(UVERBS_ATTR_CREATE_QP_SRQ_HANDLE) ||
      (create_flags & ~std::uint32_t{IB_UVERBS_QP_CREATE_SQ_SIG_ALL}) != 0)
    return EOPNOTSUPP;
  if (type == kQpTypeDriver && request.driver_qp_type != 0) return EOPNOTSUPP;

  auto object = std::make_unique<QpObject>();
  QpObject& qp = *object;
  if (request.rq_ring_size != 0) {
    const auto rq = memory_->allocate(request.rq_ring_size);
    if (!rq) return ENOMEM;
    qp.rq = *rq;
    if (memory_->map(*rq) == nullptr) {
      memory_->release(*rq);
      return ENOMEM;
    }
  }
  efa_create_qp_cmd command{};
  efa_create_qp_resp created{};
  command.pd = pd->number;
  command.qp_type = static_cast<std::uint8_t>(type == kQpTypeUd ? EFA_QP_TYPE_UD : EFA_QP_TYPE_SRD);
  efa_create_qp_cmd_set_unsolicited_write_recv(&command,
                                               efa_uabi_create_qp_unsolicited_write_recv(&request));
  efa_create_qp_cmd_set_sq_64_bit_req_id(&command, efa_uabi_create_qp_sq_64_bit_req_id(&request));
  command.rq_base_addr = request.rq_ring_size != 0 ? queue_space_ + qp.rq.offset : 0;
  command.send_cq_idx = send_cq->number;
  command.recv_cq_idx = recv_cq->number;
  command.qp_alloc_size.send_queue_ring_size = request.sq_ring_size;
  command.qp_alloc_size.send_queue_depth = cap.max_send_wr;
  command.qp_alloc_size.recv_queue_ring_size = request.rq_ring_size;
  command.qp_alloc_size.recv_queue_depth = cap.max_recv_wr;
  command.uar = uar_;
  command.sl = request.sl;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_CREATE_QP, command, created)) {
    memory_->release(qp.rq);
    return error;
  }
  qp.handle = created.qp_handle;
  qp.number = created.qp_num;
  qp.verbs_type = type;
  qp.cap = cap;
  qp.pd = pd;
  qp.send_cq = send_cq;
  qp.recv_cq = recv_cq;
  ++pd->users;
  ++send_cq->users;
  ++recv_cq->users;
  const std::uint32_t handle = insert(std::move(object));

  efa_uabi_create_qp_resp response{};
  response.rq_db_offset = created.rq_db_offset & kPageOffsetMask;
  response.sq_db_offset = created.sq_db_offset & kPageOffsetMask;
  response.llq_desc_offset = created.llq_descriptors_offset & kPageOffsetMask;
  response.send_sub_cq_idx = created.send_sub_cq_idx;
  response.recv_sub_cq_idx = created.recv_sub_cq_idx;
  const auto sq_key = doorbell_key(created.sq_db_offset);
  const auto rq_key = request.rq_ring_size != 0 ? doorbell_key(created.rq_db_offset) : 0;
  const auto llq = memory_->allocate(
      std::max<std::uint64_t>(std::uint64_t{request.sq_ring_size} + response.llq_desc_offset, 1));
  int error = sq_key && rq_key && llq ? 0 : ENOMEM;
  if (error == 0) {
    qp.llq = *llq;
    qp.llq_window = driver_.llq_window(created.llq_descriptors_offset & ~kPageOffsetMask);
    if (!memory_->map_over(*llq, qp.llq_window)) error = ENOMEM;
    response.rq_mmap_key = qp.rq.offset;
    response.rq_mmap_size = qp.rq.length;
    response.rq_db_mmap_key = *rq_key;
    response.sq_db_mmap_key = *sq_key;
    response.llq_desc_mmap_key = llq->offset;
  }
  const std::uint32_t number = created.qp_num;
  if (error == 0) error = attributes.put(UVERBS_ATTR_CREATE_QP_RESP_CAP, cap);
  if (error == 0) error = attributes.put(UVERBS_ATTR_CREATE_QP_RESP_QP_NUM, number);
  if (error == 0) error = call.uhw_out(response);
  if (error == 0) error = attributes.put_handle(UVERBS_ATTR_CREATE_QP_HANDLE, handle);
  if (error != 0) remove_qp(handle);
  return error;
}

int Context::remove_qp(std::uint32_t handle) {
  QpObject* qp = find<QpObject>(handle);
  if (qp == nullptr) return not_found(handle);
  efa_destroy_qp_cmd command{};
  efa_destroy_qp_resp response{};
  command.qp_handle = qp->handle;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_DESTROY_QP, command, response)) return error;
  if (qp->llq_window != nullptr) driver_.clear_window(qp->llq_window, qp->llq.length);
  memory_->release(qp->llq);
  memory_->release(qp->rq);
  driver_.memory().queue_memory_changed();
  --qp->pd->users;
  --qp->send_cq->users;
  --qp->recv_cq->users;
  for (CounterObject* counter : qp->counters) --counter->users;
  objects_.erase(handle);
  return 0;
}

int Context::destroy_qp(Call& call) {
  const auto handle = call.attributes.handle(UVERBS_ATTR_DESTROY_QP_HANDLE);
  if (!handle) return EINVAL;
  if (const int error = remove_qp(*handle)) return error;
  return call.attributes.put(UVERBS_ATTR_DESTROY_QP_RESP, ib_uverbs_destroy_qp_resp{});
}

int Context::modify_qp(Call& call) {
  Input in;
  if (const int error = call.core_in(in)) return error;
  ib_uverbs_modify_qp request;
  std::memcpy(&request, in.bytes.data(), sizeof(request));
  QpObject* qp = find<QpObject>(request.qp_handle);
  if (qp == nullptr) return not_found(request.qp_handle);
  const std::uint32_t mask = request.attr_mask;
  if ((mask & ~std::uint32_t{kQpStandardMask}) != 0) return EOPNOTSUPP;
  if (names_nonsense(request, mask)) return EINVAL;
  constexpr std::uint32_t kPrivilegedQkey = 0x80000000;
  if ((mask & kQpQkey) != 0 && (request.qkey & kPrivilegedQkey) != 0 && !call.net_raw) return EPERM;
  Input private_in;
  if (const int error = call.uhw_in(private_in)) return error;
  if (!private_in.zero_from(0)) return EOPNOTSUPP;
  constexpr std::uint32_t kSupported = kQpState | kQpCurState | kQpEnSqdAsyncNotify | kQpPkeyIndex |
                                       kQpPort | kQpQkey | kQpSqPsn | kQpRnrRetry;
  if ((mask & ~kSupported) != 0) return EOPNOTSUPP;

  const std::uint32_t current = (mask & kQpCurState) != 0 ? request.cur_qp_state : qp->state;
  const std::uint32_t target = (mask & kQpState) != 0 ? request.qp_state : current;
  if (!qp_transition_allowed(qp->verbs_type == kQpTypeDriver, current, target, mask)) return EINVAL;
  if ((mask & kQpPkeyIndex) != 0 && request.pkey_index != 0) return EOPNOTSUPP;

  efa_modify_qp_cmd command{};
  efa_modify_qp_resp response{};
  command.qp_handle = qp->handle;
  if ((mask & kQpState) != 0) {
    efa_modify_qp_cmd_set_qp_state(&command, 1);
    efa_modify_qp_cmd_set_cur_qp_state(&command, 1);
    command.qp_state = target;
    command.cur_qp_state = current;
  }
  efa_modify_qp_cmd_set_qkey(&command, (mask & kQpQkey) != 0);
  command.qkey = request.qkey;
  efa_modify_qp_cmd_set_sq_psn(&command, (mask & kQpSqPsn) != 0);
  command.sq_psn = request.sq_psn;
  efa_modify_qp_cmd_set_sq_drained_async_notify(&command, (mask & kQpEnSqdAsyncNotify) != 0);
  command.sq_drained_async_notify = request.en_sqd_async_notify;
  efa_modify_qp_cmd_set_rnr_retry(&command, (mask & kQpRnrRetry) != 0);
  command.rnr_retry = request.rnr_retry;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_MODIFY_QP, command, response)) return error;
  qp->state = target;
  return 0;
}

int Context::query_qp(Call& call) {
  Input in;
  if (const int error = call.core_in(in)) return error;
  ib_uverbs_query_qp request;
  std::memcpy(&request, in.bytes.data(), sizeof(request));
  const QpObject* qp = find<QpObject>(request.qp_handle);
  if (qp == nullptr) return not_found(request.qp_handle);
  constexpr std::uint32_t kSupported =
      kQpState | kQpPkeyIndex | kQpPort | kQpQkey | kQpSqPsn | kQpCap | kQpRnrRetry;
  if ((request.attr_mask & ~kSupported) != 0) return EOPNOTSUPP;
  efa_query_qp_cmd command{};
  efa_query_qp_resp device{};
  command.qp_handle = qp->handle;
  if (const int error = driver_.execute(EFA_AQ_OPCODE_QUERY_QP, command, device)) return error;
  ib_uverbs_query_qp_resp response{};
  response.qp_state = static_cast<std::uint8_t>(device.qp_state);
  response.qkey = device.qkey;
  response.sq_psn = device.sq_psn;
  response.sq_draining = device.sq_draining;
  response.rnr_retry = device.rnr_retry;
  response.port_num = 1;
  response.sq_sig_all = 1;  // every WQE has a CQE, so nobody keeps what was asked for (verbs A8.5)
  response.max_send_wr = qp->cap.max_send_wr;
  response.max_recv_wr = qp->cap.max_recv_wr;
  response.max_send_sge = qp->cap.max_send_sge;
  response.max_recv_sge = qp->cap.max_recv_sge;
  response.max_inline_data = qp->cap.max_inline_data;
  return call.core_out(response);
}

}  // namespace efa::emu
