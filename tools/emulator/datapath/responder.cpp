// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The responder half: what an arriving packet does to this device.
#include <algorithm>
#include <cstring>

#include "datapath/data_path.hpp"
#include "datapath/grh.hpp"

namespace efa::emu {

namespace {

/// RDMA works only between devices of the same side of the efa0 / efa1 border (device.md 6.2).
bool same_family(const Profile& a, const Profile& b) noexcept {
  return (a.pci_device == EFA_PCI_DEVICE_EFA0) == (b.pci_device == EFA_PCI_DEVICE_EFA0);
}

bool accepts(efa_qp_state state) noexcept {
  return state == EFA_QP_STATE_RTR || state == EFA_QP_STATE_RTS || state == EFA_QP_STATE_SQD ||
         state == EFA_QP_STATE_SQE;
}

}  // namespace

efa_comp_status DataPath::accept(const Packet& packet) {
  // Not the device's table: a queue pair that is being destroyed is still in that.
  QpContext* context = find_context(packet.request.dest_qp);
  if (context == nullptr || context->qp.type != packet.transport || !accepts(context->qp.state)) {
    ++drops_.no_queue_pair;
    ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN;
  }
  if (context->qp.qkey != packet.request.qkey) {
    ++drops_.bad_qkey;
    ++device_.stats.qkey_viol;
    ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN;
  }
  return packet.request.is_rdma() ? accept_rdma(*context, packet) : accept_send(*context, packet);
}

/// Decodes the next posted receive into `receive_`. False if there is none.
bool DataPath::take_receive(QpContext& context) {
  RecvQueue& rq = context.qp.rq;
  if (rq.descriptors == 0) return false;
  rq.seen = static_cast<std::uint16_t>(
      efa_rq_doorbell_pc(__atomic_load_n(device_.doorbell_word(rq.db_offset), __ATOMIC_ACQUIRE)));
  const auto available = static_cast<std::uint16_t>(rq.seen - rq.consumed);
  if (available == 0) return false;
  const auto found =
      available > rq.descriptors ? RecvWqe::kBroken : decode_recv_wqe(rq, available, receive_);
  if (found == RecvWqe::kBroken) fail_queue_pair(context);
  return found == RecvWqe::kComplete;
}

/// The same for a message that needs one: what to answer if it cannot have one.
efa_comp_status DataPath::claim_receive(QpContext& context) {
  const bool posted = take_receive(context);
  if (context.qp.state == EFA_QP_STATE_ERR) return EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN;
  return injected_not_ready() || !posted ? EFA_COMP_STATUS_REMOTE_ERROR_RNR : EFA_COMP_STATUS_OK;
}

bool DataPath::injected_not_ready() {
  ++deliveries_;
  const auto& faults = fabric_.topology().hosts[host()].rnr;
  return std::any_of(faults.begin(), faults.end(), [&](const RnrFault& fault) {
    return deliveries_ >= fault.first && deliveries_ - fault.first < fault.count;
  });
}

efa_comp_status DataPath::accept_send(QpContext& context, const Packet& packet) {
  const bool datagram = context.qp.type == EFA_QP_TYPE_UD;
  if (const auto status = claim_receive(context); status != EFA_COMP_STATUS_OK) {
    if (datagram) {
      ++drops_.no_receive;
      ++device_.stats.rx_drops;
    }
    return status;
  }
  if (!datagram) return place(context, packet, packet.local);

  datagram_.resize(kGrhBytes + packet.length);
  write_grh(datagram_.data(), packet.source.gid(), gid(), packet.length);
  const Buffer& local = packet.local;
  if (local.bytes != nullptr)
    std::memcpy(datagram_.data() + kGrhBytes, local.bytes, packet.length);
  else if (!local.space->gather(local.segments, datagram_.data() + kGrhBytes))
    return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
  return place(context, packet, {nullptr, {}, datagram_.data(), datagram_.size()});
}

/// Fills `remote_segments_` with the first `length` bytes of the buffers of `receive_`. False if
/// any of the buffers may not be written, needed or not (I5).
bool DataPath::receive_segments(const QueuePair& qp, std::uint64_t length) {
  remote_segments_.clear();
  for (const Sge& sge : receive_.sges) {
    if (sge.length == 0) continue;
    const MemoryRegion* mr = device_.find_mr(sge.lkey);
    if (mr == nullptr || mr->pd != qp.pd || (mr->permissions & kLocalWrite) == 0 ||
        !mr->contains(sge.addr, sge.length))
      return false;
    const std::uint64_t step = std::min<std::uint64_t>(length, sge.length);
    mr->translate(sge.addr, step, remote_segments_);
    length -= step;
  }
  return true;
}

/// Scatters `payload` into the receive WQE in `receive_` and completes it.
efa_comp_status DataPath::place(QpContext& context, const Packet& packet, const Buffer& payload) {
  QueuePair& qp = context.qp;
  const bool datagram = qp.type == EFA_QP_TYPE_UD;
  if (payload.length > receive_.length) {
    ++drops_.receive_too_small;
    if (datagram) ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH;  // the WQE is not consumed (I9)
  }

  bool good = receive_segments(qp, payload.length);
  if (good) {
    const Buffer target{&device_.environment().memory, remote_segments_, nullptr, payload.length};
    const CopyResult result = transfer_.copy(payload, target);
    if (result == CopyResult::kSourceFault) return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
    good = result == CopyResult::kDone;
  }

  qp.rq.consumed = static_cast<std::uint16_t>(qp.rq.consumed + receive_.descriptors);
  if (!good) {
    ++drops_.bad_receive_buffer;
    if (datagram) ++device_.stats.rx_drops;
    complete_receive(qp, packet, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY, receive_.req_id, 0,
                     false);
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS;
  }
  device_.stats.rx_bytes += packet.length;
  device_.stats.rx_pkts += packets_of(packet.length);
  complete_receive(qp, packet, EFA_COMP_STATUS_OK, receive_.req_id,
                   static_cast<std::uint32_t>(payload.length), false);
  return EFA_COMP_STATUS_OK;
}

efa_comp_status DataPath::accept_rdma(QpContext& context, const Packet& packet) {
  QueuePair& qp = context.qp;
  const SendRequest& request = packet.request;
  const bool read = request.op == EFA_SEND_OP_TYPE_RDMA_READ;
  const auto& requester = static_cast<const DataPath&>(packet.source);
  if (!same_family(device_.profile(), requester.device_.profile()) ||
      !device_.profile().has(read ? EFA_DEVICE_ATTR_RDMA_READ_MASK
                                  : EFA_DEVICE_ATTR_RDMA_WRITE_MASK))
    return EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH;
  if (!device_.address_handles().knows(packet.source.gid()))
    return EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER;

  remote_segments_.clear();
  if (request.length != 0) {  // keys of zero-length transfers are not checked (I3.1)
    const MemoryRegion* mr = device_.find_mr(request.rkey);
    if (mr == nullptr || mr->pd != qp.pd ||
        (mr->permissions & (read ? kRemoteRead : kRemoteWrite)) == 0 ||
        !mr->contains(request.remote_addr, request.length))
      return EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS;
    mr->translate(request.remote_addr + packet.offset, packet.length, remote_segments_);
  }
  const bool immediate = request.has_imm && !read && packet.last;
  // Asked before data is placed: a sender without a receive to meet tries the packet again.
  if (immediate && !qp.unsolicited_write_recv)
    if (const auto status = claim_receive(context); status != EFA_COMP_STATUS_OK) return status;

  const Buffer remote{&device_.environment().memory, remote_segments_, nullptr, packet.length};
  const CopyResult result =
      read ? transfer_.copy(remote, packet.local) : transfer_.copy(packet.local, remote);
  const CopyResult our_fault = read ? CopyResult::kSourceFault : CopyResult::kTargetFault;
  if (result != CopyResult::kDone)
    return result == our_fault ? EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS
                               : EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;

  Statistics& stats = device_.stats;
  if (read) {
    stats.read_resp_bytes += packet.length;
    stats.tx_bytes += packet.length;
    stats.tx_pkts += packets_in(packet.offset, packet.length);
  } else {
    stats.write_recv_bytes += packet.length;
    stats.rx_bytes += packet.length;
    stats.rx_pkts += packets_in(packet.offset, packet.length);
  }
  if (packet.last) {
    count_event(qp, read ? EFA_EVENT_COUNTER_QP_EVENT_REMOTE_READ_COMP
                         : EFA_EVENT_COUNTER_QP_EVENT_REMOTE_WRITE_COMP);
    if (immediate) accept_immediate(context, packet);
  }
  return EFA_COMP_STATUS_OK;
}

/// The receive completion of a write with immediate; the WQE's buffers are not written (I3.1).
void DataPath::accept_immediate(QpContext& context, const Packet& packet) {
  QueuePair& qp = context.qp;
  const bool unsolicited = qp.unsolicited_write_recv;
  if (!unsolicited)
    qp.rq.consumed = static_cast<std::uint16_t>(qp.rq.consumed + receive_.descriptors);
  complete_receive(qp, packet, EFA_COMP_STATUS_OK, unsolicited ? 0 : receive_.req_id,
                   packet.request.length, unsolicited);
}

void DataPath::flush_receives(QpContext& context) {
  QueuePair& qp = context.qp;
  RecvQueue& rq = qp.rq;
  if (rq.descriptors == 0) return;
  rq.seen = static_cast<std::uint16_t>(
      efa_rq_doorbell_pc(__atomic_load_n(device_.doorbell_word(rq.db_offset), __ATOMIC_ACQUIRE)));
  for (;;) {
    const auto available = static_cast<std::uint16_t>(rq.seen - rq.consumed);
    if (available == 0 || available > rq.descriptors ||
        decode_recv_wqe(rq, available, receive_) != RecvWqe::kComplete)
      break;
    rq.consumed = static_cast<std::uint16_t>(rq.consumed + receive_.descriptors);
    complete_flushed_receive(qp, receive_.req_id);
  }
  rq.consumed = rq.seen;
}

}  // namespace efa::emu
