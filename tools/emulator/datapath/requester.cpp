// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The requester half: from the doorbell to the send CQE.
#include <algorithm>
#include <cstring>

#include "datapath/data_path.hpp"

namespace efa::emu {

namespace {

// WQEs taken from one queue before the others get their turn.
constexpr unsigned kBatch = 64;
// Bytes that one transfer, or one queue's new WQEs, move before the others get their turn: 1 MiB is
// about 0.1 ms.
constexpr std::uint32_t kSlice = 1 << 20;
// A receiver's doorbell wakes waiters at once; the timer serves finite retries and injected faults.
constexpr std::uint32_t kMaxBackoffShift = 6;

/// An invalidation waits for all earlier WQEs of its queue (I3.4).
bool waits_for_earlier(const std::byte* wqe) noexcept {
  efa_tx_meta_desc meta;
  std::memcpy(&meta, wqe, sizeof(meta));
  return efa_tx_meta_desc_op_type(&meta) == EFA_SEND_OP_TYPE_FAST_INV;
}

std::uint16_t distance(std::uint16_t from, std::uint16_t to) noexcept {
  return static_cast<std::uint16_t>(to - from);
}

}  // namespace

/// Looks at the doorbell value of a send queue. True if it led to anything.
bool DataPath::take_send_queue(QpContext& context, std::uint16_t value) {
  QueuePair& qp = context.qp;
  if (qp.state != EFA_QP_STATE_RTS && qp.state != EFA_QP_STATE_ERR) return false;
  const std::uint32_t fresh = distance(qp.sq.seen, value);
  qp.sq.seen = value;
  if (distance(qp.sq.consumed, value) > qp.sq.depth) {
    // More WQEs than the queue holds: the producer is confused (I6).
    qp.sq.consumed = value;
    fail_queue_pair(context);
    return true;
  }
  const std::uint32_t limit = device_.profile().max_tx_batch * sizeof(efa_tx_wqe);
  if (qp.state == EFA_QP_STATE_RTS && device_.options().strict && limit != 0 &&
      fresh * qp.sq.wqe_size > limit) {
    fail_queue_pair(context);
    return true;
  }
  return fetch(context, value);
}

/// Takes WQEs up to `value`, or as many as are this queue's turn.
bool DataPath::fetch(QpContext& context, std::uint16_t value) {
  QueuePair& qp = context.qp;
  const std::byte* ring = device_.environment().llq.data() + qp.sq.llq_offset;
  const efa_qp_state state = qp.state;
  const std::uint64_t enough = moved_ + kSlice;
  bool fetched = false;
  // A WQE may put its own queue pair into ERR, which consumes the rest.
  for (unsigned n = 0; n < kBatch && moved_ < enough && qp.state == state; ++n) {
    if (qp.sq.consumed == value) break;
    const std::uint32_t slot = qp.sq.consumed & (qp.sq.depth - 1);
    // Copied once: the host may change the ring while the WQE is looked at.
    std::byte wqe[sizeof(efa_tx_wqe_128)];
    std::memcpy(wqe, ring + std::size_t{slot} * qp.sq.wqe_size, qp.sq.wqe_size);
    if (waits_for_earlier(wqe) && context.oldest != nullptr && state == EFA_QP_STATE_RTS) break;
    ++qp.sq.consumed;
    post(context, wqe);
    fetched = true;
  }
  return fetched;
}

void DataPath::post(QpContext& context, const std::byte* wqe) {
  QueuePair& qp = context.qp;
  Message& message = messages_.allocate();
  SendRequest& request = message.request;
  const auto complete = [&](efa_comp_status status) {
    complete_send(qp, request, status);
    messages_.release(message);
  };

  const auto status = decode_send_wqe({wqe, qp.sq.wqe_size}, qp, device_.profile(), request);
  if (qp.state == EFA_QP_STATE_ERR) return complete(EFA_COMP_STATUS_FLUSHED);
  if (status != EFA_COMP_STATUS_OK) return complete(status);
  if (request.op == EFA_SEND_OP_TYPE_FAST_REG || request.op == EFA_SEND_OP_TYPE_FAST_INV)
    return complete(fast_registration(context, wqe, request));
  if (request.op == EFA_SEND_OP_TYPE_SEND && request.length > device_.profile().mtu)
    return complete(EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  const AddressHandle* ah = device_.address_handles().find(request.ah, qp.pd);
  if (ah == nullptr) return complete(EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH);

  message.peer = peer_of(*ah);
  message.source_qp = qp.number;
  message.source_pd = qp.pd;
  message.transport = qp.type;
  if (message.peer != nullptr) message.responder_life = message.peer->responder->life_;
  message.rnr_left = qp.rnr_retry;
  message.owner = &context;
  message.previous = context.newest;
  (context.newest != nullptr ? context.newest->next : context.oldest) = &message;
  context.newest = &message;
  qp.type == EFA_QP_TYPE_UD ? begin_datagram(message) : begin(message);
}

Peer* DataPath::peer_of(const AddressHandle& ah) {
  Endpoint* endpoint = fabric_.find(ah.gid);
  if (endpoint == nullptr) return nullptr;
  if (peers_.size() <= endpoint->port()) peers_.resize(endpoint->port() + 1);
  std::unique_ptr<Peer>& peer = peers_[endpoint->port()];
  if (!peer) {
    peer = std::make_unique<Peer>();
    peer->responder = static_cast<DataPath*>(endpoint);
    peer->route = fabric_.route(*this, *endpoint);
  }
  return peer.get();
}

bool DataPath::usable_directly(const Message& message) const noexcept {
  return message.peer != nullptr && message.peer->route.perfect &&
         !fabric_.deaf(*message.peer->responder) && !fabric_.deaf(*this);
}

void DataPath::begin(Message& message) {
  if (usable_directly(message))
    run_direct(message);
  else
    begin_parts(message);
}

/// Has the responder execute `length` bytes of the message from `offset` on. The message is gone
/// afterwards if that put its own queue pair into ERR.
efa_comp_status DataPath::deliver(Message& message, std::uint32_t offset, std::uint32_t length,
                                  bool last) {
  Buffer local;
  const auto status = resolve_local(message, offset, length, local);
  if (status != EFA_COMP_STATUS_OK) return status;
  DataPath& responder = *message.peer->responder;
  if (message.responder_life != responder.life_) return EFA_COMP_STATUS_REMOTE_ERROR_ABORT;
  return responder.accept(
      {message.request, *this, message.transport, message.source_qp, offset, length, last, local});
}

void DataPath::run_direct(Message& message) {
  const MessageRef self = message.self;
  // Receives that were posted meanwhile belong to those that wait for them.
  message.peer->responder->poll_receive_doorbells();
  if (messages_.find(self) == nullptr) return;
  const std::uint32_t length = std::min(kSlice, message.request.length - message.moved);
  const bool last = message.moved + length == message.request.length;
  const auto status = deliver(message, message.moved, length, last);
  if (messages_.find(self) == nullptr) return;
  message.peer->heard = true;
  if (status == EFA_COMP_STATUS_REMOTE_ERROR_RNR) return not_ready(message);
  count_direct(message, length, status);
  message.moved += length;
  moved_ += length;
  if (status != EFA_COMP_STATUS_OK || last) return finish(message, status);
  continuing_.push_back(self);
}

void DataPath::count_direct(const Message& message, std::uint32_t length, efa_comp_status status) {
  const std::uint32_t packets = packets_in(message.moved, length);
  if (message.request.op != EFA_SEND_OP_TYPE_RDMA_READ) {
    device_.stats.tx_bytes += length;
    device_.stats.tx_pkts += packets;
  } else if (status == EFA_COMP_STATUS_OK) {
    device_.stats.rx_bytes += length;
    device_.stats.rx_pkts += packets;
  }
}

void DataPath::not_ready(Message& message) {
  ++message.owner->qp.stats.rnr_retries;
  if (message.rnr_left == 0) return finish(message, EFA_COMP_STATUS_REMOTE_ERROR_RNR);
  message.parked = true;
  ++message.parks;
  line_up(message);
  Nanoseconds wait = fabric_.topology().rnr_backoff;
  if (message.rnr_left == kRnrForever) wait <<= std::min(message.parks - 1, kMaxBackoffShift);
  Event event;
  event.kind = Event::Kind::kRnrRetry;
  event.message = message.self;
  event.attempt = message.parks;
  fabric_.at(fabric_.clock().now() + wait, *this, event);
}

void DataPath::retry_not_ready(const Event& event) {
  Message* message = messages_.find(event.message);
  if (message == nullptr) return;
  if (message->part_size != 0) {
    if (message->parts[event.part].attempt == event.attempt) send_part(*message, event.part);
  } else if (message->parked && message->parks == event.attempt) {
    message->parked = false;
    if (message->rnr_left != kRnrForever) --message->rnr_left;
    begin(*message);
  }
}

/// Has the responder try the message again as soon as a receive is posted.
void DataPath::line_up(Message& message) {
  DataPath& responder = *message.peer->responder;
  QpContext* target = responder.find_context(message.request.dest_qp);
  if (target == nullptr || message.lined_up) return;
  if (target->waiters.empty()) responder.watch_receives(*target);
  target->waiters.push_back({this, message.self});
  message.lined_up = true;
}

void DataPath::leave_line(const Message& message) {
  QpContext* target = message.peer->responder->find_context(message.request.dest_qp);
  if (target == nullptr) return;
  std::erase_if(target->waiters, [&](const Waiter& waiter) {
    return waiter.requester == this && waiter.message == message.self;
  });
}

efa_comp_status DataPath::resolve_local(const Message& message, std::uint32_t offset,
                                        std::uint32_t length, Buffer& out) {
  const SendRequest& request = message.request;
  out = {&device_.environment().memory, {}, nullptr, length};
  if (request.is_inline) {
    out.bytes = request.inline_data.data() + offset;
    return EFA_COMP_STATUS_OK;
  }
  if (!message.snapshot.empty()) {
    out.bytes = message.snapshot.data() + offset;
    return EFA_COMP_STATUS_OK;
  }
  local_segments_.clear();
  const bool writes = request.op == EFA_SEND_OP_TYPE_RDMA_READ;
  std::uint64_t skip = offset;
  std::uint64_t left = length;
  for (std::size_t i = 0; i < request.sge_count && left != 0; ++i) {
    const Sge& sge = request.sge[i];
    if (skip >= sge.length) {
      skip -= sge.length;
      continue;
    }
    const MemoryRegion* mr = device_.find_mr(sge.lkey);
    if (mr == nullptr || mr->pd != message.source_pd || !mr->contains(sge.addr, sge.length) ||
        (writes && (mr->permissions & kLocalWrite) == 0))
      return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
    const std::uint64_t step = std::min<std::uint64_t>(left, sge.length - skip);
    mr->translate(sge.addr + skip, step, local_segments_);
    left -= step;
    skip = 0;
  }
  out.segments = local_segments_;
  return EFA_COMP_STATUS_OK;
}

void DataPath::flush(QpContext& context) {
  while (context.oldest != nullptr) finish(*context.oldest, EFA_COMP_STATUS_FLUSHED);
  QueuePair& qp = context.qp;
  if (qp.sq.depth == 0) return;
  const auto value = static_cast<std::uint16_t>(efa_sq_doorbell_pc(
      __atomic_load_n(device_.doorbell_word(qp.sq.db_offset), __ATOMIC_ACQUIRE)));
  if (distance(qp.sq.consumed, value) > qp.sq.depth) return;
  while (qp.sq.consumed != value) fetch(context, value);
}

void DataPath::finish(Message& message, efa_comp_status status) {
  QpContext& context = *message.owner;
  QueuePair& qp = context.qp;
  complete_send(qp, message.request, status);
  retire(message);
  if (qp.draining) qp.draining = context.oldest != nullptr;
}

void DataPath::retire(Message& message) {
  QpContext& context = *message.owner;
  (message.previous != nullptr ? message.previous->next : context.oldest) = message.next;
  (message.next != nullptr ? message.next->previous : context.newest) = message.previous;
  if (message.lined_up) leave_line(message);
  messages_.release(message);
}

efa_comp_status DataPath::fast_registration(QpContext& context, const std::byte* wqe,
                                            const SendRequest& request) {
  const QueuePair& qp = context.qp;
  // Page lists hold DMA addresses: not for processes (I3.4).
  if (!device_.options().fast_reg_from_any_uar && !device_.is_kernel_uar(qp.uar))
    return EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
  constexpr std::size_t body = offsetof(efa_tx_wqe, data);
  if (request.op == EFA_SEND_OP_TYPE_FAST_INV) {
    efa_fast_mr_inv_req inv;
    std::memcpy(&inv, wqe + body, sizeof(inv));
    MemoryRegion* mr = device_.find_mr_index(inv.lkey);
    if (mr == nullptr || !mr->fast_reg || mr->pd != qp.pd)
      return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
    mr->valid = false;
    return EFA_COMP_STATUS_OK;
  }

  efa_fast_mr_reg_req reg;
  std::memcpy(&reg, wqe + body, sizeof(reg));
  MemoryRegion* mr = device_.find_mr_index(reg.lkey);
  if (mr == nullptr || !mr->fast_reg || mr->pd != qp.pd)
    return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
  const unsigned shift = efa_fast_mr_reg_req_phys_page_size_shift(&reg);
  if (shift < 12 || reg.mr_length == 0 || reg.iova + reg.mr_length < reg.iova)
    return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  const std::uint64_t first = reg.iova >> shift;
  const std::uint64_t count = ((reg.iova + reg.mr_length - 1) >> shift) - first + 1;
  const bool direct = efa_fast_mr_reg_req_pbl_mode(&reg) == EFA_FRWR_PBL_MODE_DIRECT_PBL;
  if (count > mr->max_pages || (!direct && count > EFA_FRWR_INLINE_PAGES))
    return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  std::vector<DmaAddr> pages(count);
  if (!direct)
    pages[0] = reg.pbl.inline_array[0];
  else if (!device_.environment().memory.read(reg.pbl.dma_addr, pages.data(), count * 8))
    return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
  mr->pages = std::move(pages);
  mr->page_shift = static_cast<std::uint8_t>(shift);
  mr->iova = reg.iova;
  mr->length = reg.mr_length;
  mr->permissions = reg.permissions & (kLocalWrite | kRemoteWrite | kRemoteRead);
  mr->key = (mr->key & ~std::uint32_t{EFA_FRWR_KEY_GEN_MASK}) |
            (reg.lkey & std::uint32_t{EFA_FRWR_KEY_GEN_MASK});
  mr->valid = true;
  return EFA_COMP_STATUS_OK;
}

}  // namespace efa::emu
