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
  QueuePair* qp = device_.find_qp(packet.request.dest_qp);
  if (qp == nullptr || qp->type != packet.transport || !accepts(qp->state)) {
    ++drops_.no_queue_pair;
    ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN;
  }
  if (qp->qkey != packet.request.qkey) {
    ++drops_.bad_qkey;
    ++device_.stats.qkey_viol;
    ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN;
  }
  QpContext& context = *context_of(*qp);
  return packet.request.is_rdma() ? accept_rdma(context, packet) : accept_send(context, packet);
}

bool DataPath::take_receive(QueuePair& qp) {
  RecvQueue& rq = qp.rq;
  if (rq.descriptors == 0) return false;
  const auto value = static_cast<std::uint16_t>(
      efa_rq_doorbell_pc(__atomic_load_n(device_.doorbell_word(rq.db_offset), __ATOMIC_ACQUIRE)));
  rq.seen = value;
  const auto available = static_cast<std::uint16_t>(value - rq.consumed);
  if (available > rq.descriptors) {
    fail_queue_pair(*context_of(qp));
    return false;
  }
  return available != 0 && decode_recv_wqe(rq, available, receive_);
}

bool DataPath::injected_not_ready() {
  ++deliveries_;
  const auto& faults = fabric_.topology().hosts[host()].rnr;
  return std::any_of(faults.begin(), faults.end(), [&](const RnrFault& fault) {
    return deliveries_ >= fault.first && deliveries_ - fault.first < fault.count;
  });
}

efa_comp_status DataPath::accept_send(QpContext& context, const Packet& packet) {
  QueuePair& qp = context.qp;
  const bool datagram = qp.type == EFA_QP_TYPE_UD;
  if (injected_not_ready() || !take_receive(qp)) {
    if (datagram) {
      ++drops_.no_receive;
      ++device_.stats.rx_drops;
    }
    return qp.state == EFA_QP_STATE_ERR ? EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN
                                        : EFA_COMP_STATUS_REMOTE_ERROR_RNR;
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

/// Scatters `payload` into the receive WQE in `receive_` and completes it.
efa_comp_status DataPath::place(QpContext& context, const Packet& packet, const Buffer& payload) {
  QueuePair& qp = context.qp;
  if (payload.length > receive_.length) {
    ++drops_.receive_too_small;
    if (qp.type == EFA_QP_TYPE_UD) ++device_.stats.rx_drops;
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH;  // the WQE is not consumed (I9)
  }

  bool bad_buffer = false;
  remote_segments_.clear();
  std::uint64_t left = payload.length;
  for (const Sge& sge : receive_.sges) {
    if (left == 0) break;
    const std::uint64_t step = std::min<std::uint64_t>(left, sge.length);
    const MemoryRegion* mr = device_.find_mr(sge.lkey);
    if (mr == nullptr || mr->pd != qp.pd || (mr->permissions & kLocalWrite) == 0 ||
        !mr->contains(sge.addr, sge.length)) {
      bad_buffer = true;
      break;
    }
    mr->translate(sge.addr, step, remote_segments_);
    left -= step;
  }
  const auto length = static_cast<std::uint32_t>(payload.length);
  if (!bad_buffer && length != 0) {
    const Buffer target{&device_.environment().memory, remote_segments_, nullptr, length};
    const CopyResult result = transfer_.copy(payload, target);
    if (result == CopyResult::kSourceFault) return EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY;
    bad_buffer = result == CopyResult::kTargetFault;
  }

  qp.rq.consumed = static_cast<std::uint16_t>(qp.rq.consumed + receive_.descriptors);
  if (bad_buffer) {
    ++drops_.bad_receive_buffer;
    complete_receive(qp, packet, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY, receive_.req_id, 0,
                     false);
    return EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS;
  }
  device_.stats.rx_bytes += packet.length;
  device_.stats.rx_pkts += packets_of(packet.length);
  complete_receive(qp, packet, EFA_COMP_STATUS_OK, receive_.req_id, length, false);
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
  const bool takes_receive = request.has_imm && packet.last && !qp.unsolicited_write_recv;
  // Asked before data is placed: a sender without a receive to meet tries the packet again.
  if (takes_receive && (injected_not_ready() || !take_receive(qp)))
    return EFA_COMP_STATUS_REMOTE_ERROR_RNR;

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
    stats.tx_pkts += packets_of(packet.length);
  } else {
    stats.write_recv_bytes += packet.length;
    stats.rx_bytes += packet.length;
    stats.rx_pkts += packets_of(packet.length);
  }
  if (packet.last) {
    count_event(qp, read ? EFA_EVENT_COUNTER_QP_EVENT_REMOTE_READ_COMP
                         : EFA_EVENT_COUNTER_QP_EVENT_REMOTE_WRITE_COMP);
    if (request.has_imm && !read) return accept_immediate(context, packet);
  }
  return EFA_COMP_STATUS_OK;
}

/// The receive completion of a write with immediate; the WQE's buffers are not written (I3.1).
efa_comp_status DataPath::accept_immediate(QpContext& context, const Packet& packet) {
  QueuePair& qp = context.qp;
  const bool unsolicited = qp.unsolicited_write_recv;
  if (!unsolicited)
    qp.rq.consumed = static_cast<std::uint16_t>(qp.rq.consumed + receive_.descriptors);
  complete_receive(qp, packet, EFA_COMP_STATUS_OK, unsolicited ? 0 : receive_.req_id,
                   packet.request.length, unsolicited);
  return EFA_COMP_STATUS_OK;
}

void DataPath::flush_receives(QpContext& context) {
  QueuePair& qp = context.qp;
  RecvQueue& rq = qp.rq;
  if (rq.descriptors == 0) return;
  rq.seen = static_cast<std::uint16_t>(
      efa_rq_doorbell_pc(__atomic_load_n(device_.doorbell_word(rq.db_offset), __ATOMIC_ACQUIRE)));
  for (;;) {
    const auto available = static_cast<std::uint16_t>(rq.seen - rq.consumed);
    if (available == 0 || available > rq.descriptors || !decode_recv_wqe(rq, available, receive_))
      break;
    rq.consumed = static_cast<std::uint16_t>(rq.consumed + receive_.descriptors);
    const SendRequest nothing;
    complete_receive(qp, {nothing, *this, qp.type, 0, 0, 0, true, {}}, EFA_COMP_STATUS_FLUSHED,
                     receive_.req_id, 0, false);
  }
  rq.consumed = rq.seen;
}

}  // namespace efa::emu
