// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The requester half: from the doorbell to the send CQE.
#include <algorithm>
#include <cstring>

#include "datapath/data_path.hpp"

namespace efa::emu {

namespace {

// WQEs taken from one queue before the others get their turn.
constexpr unsigned kBatch = 64;
// Bytes that one transfer moves before other queues get their turn: 1 MiB is about 0.1 ms.
constexpr std::uint32_t kSlice = 1 << 20;
// A receiver's doorbell wakes waiters at once; the timer serves finite retries and injected faults.
constexpr std::uint32_t kMaxBackoffShift = 6;

}  // namespace

bool DataPath::take_send_queue(QpContext& context, std::uint16_t value) {
  QueuePair& qp = context.qp;
  if (qp.state != EFA_QP_STATE_RTS && qp.state != EFA_QP_STATE_ERR) return false;
  if (static_cast<std::uint16_t>(value - qp.sq.consumed) > qp.sq.depth) {
    // More WQEs than the queue holds: the producer is confused (I6).
    qp.sq.consumed = qp.sq.seen = value;
    fail_queue_pair(context);
    return true;
  }
  qp.sq.seen = value;
  const Profile& profile = device_.profile();
  if (qp.state == EFA_QP_STATE_RTS && device_.options().strict && profile.max_tx_batch != 0 &&
      static_cast<std::uint16_t>(value - qp.sq.consumed) * qp.sq.wqe_size >
          profile.max_tx_batch * 64u) {
    fail_queue_pair(context);
    return true;
  }
  const std::byte* ring = device_.environment().llq.data() + qp.sq.llq_offset;
  for (unsigned n = 0; n < kBatch && qp.sq.consumed != value; ++n) {
    const std::uint32_t slot = qp.sq.consumed & (qp.sq.depth - 1);
    // Copied once: the host may change the ring while the WQE is looked at.
    std::byte wqe[sizeof(efa_tx_wqe_128)];
    std::memcpy(wqe, ring + std::size_t{slot} * qp.sq.wqe_size, qp.sq.wqe_size);
    ++qp.sq.consumed;
    post(context, wqe);
  }
  return true;
}

void DataPath::post(QpContext& context, const std::byte* wqe) {
  QueuePair& qp = context.qp;
  Message& message = messages_.allocate();
  SendRequest& request = message.request;
  const auto complete = [&](efa_comp_status status) {
    complete_send(qp, request, status);
    messages_.release(message);
  };

  auto status = decode_send_wqe({wqe, qp.sq.wqe_size}, qp, device_.profile(), request);
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

void DataPath::run_direct(Message& message) {
  SendRequest& request = message.request;
  DataPath& responder = *message.peer->responder;
  const std::uint32_t length = std::min(kSlice, request.length - message.moved);
  Buffer local;
  auto status = resolve_local(message, message.moved, length, local);
  if (status != EFA_COMP_STATUS_OK) return finish(message, status);
  const bool last = message.moved + length == request.length;
  status = responder.accept({request, *this, message.owner->qp.type, message.source_qp,
                             message.moved, length, last, local});
  if (status == EFA_COMP_STATUS_REMOTE_ERROR_RNR) return not_ready(message);
  message.peer->heard = true;
  message.moved += length;
  if (request.op != EFA_SEND_OP_TYPE_RDMA_READ) {
    device_.stats.tx_bytes += length;
    device_.stats.tx_pkts += packets_of(length);
  } else if (status == EFA_COMP_STATUS_OK) {
    device_.stats.rx_bytes += length;
    device_.stats.rx_pkts += packets_of(length);
  }
  if (status != EFA_COMP_STATUS_OK || last) return finish(message, status);
  message.continues = true;
  continuing_.push_back(message.self);
}

void DataPath::not_ready(Message& message) {
  ++message.owner->qp.stats.rnr_retries;
  message.peer->heard = true;
  if (message.rnr_left == 0) return finish(message, EFA_COMP_STATUS_REMOTE_ERROR_RNR);
  message.parked = true;
  ++message.parks;
  line_up(message);
  Nanoseconds wait = fabric_.topology().rnr_backoff;
  if (message.rnr_left == kRnrForever) wait <<= std::min(message.parks - 1, kMaxBackoffShift);
  Event event;
  event.kind = Event::Kind::kRnrRetry;
  event.message = message.self;
  event.part = message.parks;
  fabric_.at(fabric_.clock().now() + wait, *this, event);
}

/// Has the responder try the message again as soon as a receive is posted.
void DataPath::line_up(Message& message) {
  DataPath& responder = *message.peer->responder;
  QueuePair* target = responder.device_.find_qp(message.request.dest_qp);
  if (target == nullptr) return;
  QpContext& context = *responder.context_of(*target);
  if (context.waiters.empty()) responder.watch_receives(context);
  if (!message.lined_up) context.waiters.push_back({this, message.self});
  message.lined_up = true;
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
  if (static_cast<std::uint16_t>(value - qp.sq.consumed) > qp.sq.depth) return;
  while (qp.sq.consumed != value) take_send_queue(context, value);
}

void DataPath::finish(Message& message, efa_comp_status status) {
  QueuePair& qp = message.owner->qp;
  complete_send(qp, message.request, status);
  retire(message);
  if (qp.draining) qp.draining = context_of(qp)->oldest != nullptr;
}

void DataPath::retire(Message& message) {
  QpContext& context = *message.owner;
  (message.previous != nullptr ? message.previous->next : context.oldest) = message.next;
  (message.next != nullptr ? message.next->previous : context.newest) = message.previous;
  if (message.sequence != 0 && message.peer != nullptr)
    message.peer->outstanding.erase(message.sequence);
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
