// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// CQEs, and what is counted when one is written.
#include <cstring>

#include "datapath/data_path.hpp"

namespace efa::emu {

namespace {

void fill_common(efa_cdesc_common& common, std::uint16_t req_id, efa_comp_status status,
                 efa_queue_type queue, efa_send_op_type op, std::uint16_t qp_num) noexcept {
  common.req_id = req_id;
  common.status = static_cast<std::uint8_t>(status);
  common.flags = 0;
  efa_cdesc_common_set_q_type(&common, queue);
  efa_cdesc_common_set_op_type(&common, op);
  common.qp_num = qp_num;
}

struct OpEvents {
  unsigned good, bad;
};

OpEvents events_of(efa_send_op_type op) noexcept {
  switch (op) {
    case EFA_SEND_OP_TYPE_RDMA_READ:
      return {EFA_EVENT_COUNTER_QP_EVENT_READ_COMP, EFA_EVENT_COUNTER_QP_EVENT_READ_COMP_ERR};
    case EFA_SEND_OP_TYPE_RDMA_WRITE:
      return {EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP, EFA_EVENT_COUNTER_QP_EVENT_WRITE_COMP_ERR};
    default:
      return {EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP, EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR};
  }
}

void count_good(Statistics& device, QueuePairStats& qp, const SendRequest& request) noexcept {
  switch (request.op) {
    case EFA_SEND_OP_TYPE_SEND:
      ++device.send_wrs;
      device.send_bytes += request.length;
      ++qp.sent_messages;
      qp.sent_bytes += request.length;
      break;
    case EFA_SEND_OP_TYPE_RDMA_READ:
      ++device.read_wrs;
      device.read_bytes += request.length;
      ++qp.read_messages;
      qp.read_bytes += request.length;
      break;
    case EFA_SEND_OP_TYPE_RDMA_WRITE:
      ++device.write_wrs;
      device.write_bytes += request.length;
      ++qp.written_messages;
      qp.written_bytes += request.length;
      break;
    default:
      break;
  }
}

void count_bad(Statistics& device, QueuePairStats& qp, const SendRequest& request) noexcept {
  ++qp.errors;
  if (request.op == EFA_SEND_OP_TYPE_RDMA_READ) ++device.read_wr_err;
  if (request.op == EFA_SEND_OP_TYPE_RDMA_WRITE) ++device.write_wr_err;
}

}  // namespace

std::uint32_t DataPath::packets_of(std::uint32_t bytes) const noexcept {
  const std::uint32_t mtu = device_.profile().mtu;
  return bytes <= mtu ? 1 : (bytes - 1) / mtu + 1;
}

/// MTU-sized packets that begin within [offset, offset + length) of a message.
std::uint32_t DataPath::packets_in(std::uint32_t offset, std::uint32_t length) const noexcept {
  return packets_of(offset + length) - (offset == 0 ? 0 : packets_of(offset));
}

void DataPath::count_event(QueuePair& qp, unsigned event) {
  for (const QueuePair::Attachment& attachment : qp.counters)
    if (attachment.events & (1u << event)) attachment.counter->add(1);
}

void DataPath::complete_send(QueuePair& qp, const SendRequest& request, efa_comp_status status) {
  const OpEvents events = events_of(request.op);
  const bool good = status == EFA_COMP_STATUS_OK;
  if (good)
    count_good(device_.stats, qp.stats, request);
  else
    count_bad(device_.stats, qp.stats, request);

  efa_tx_cdesc send{};
  fill_common(send.common, static_cast<std::uint16_t>(request.req_id), status,
              EFA_QUEUE_TYPE_SEND_QUEUE, request.op, qp.number);
  efa_tx_cdesc_set_req_id64(&send, request.req_id);
  efa_rx_cdesc_ex cqe{};
  static_assert(sizeof(send) == sizeof(cqe.base));
  std::memcpy(&cqe, &send, sizeof(send));
  qp.send_cq->push(qp.send_sub_cq, cqe);
  count_event(qp, good ? events.good : events.bad);
}

void DataPath::complete_receive(QueuePair& qp, const Packet& packet, efa_comp_status status,
                                std::uint16_t req_id, std::uint32_t length, bool unsolicited) {
  const bool good = status == EFA_COMP_STATUS_OK;
  const SendRequest& request = packet.request;
  const bool send = request.op == EFA_SEND_OP_TYPE_SEND;
  if (good) {
    ++qp.stats.received_messages;
    qp.stats.received_bytes += request.length;
    ++device_.stats.recv_wrs;
    // Bytes of RDMA writes are counted as such.
    if (send) device_.stats.recv_bytes += request.length;
  }

  efa_rx_cdesc_ex cqe{};
  fill_common(cqe.base.common, req_id, status, EFA_QUEUE_TYPE_RECV_QUEUE, request.op, qp.number);
  efa_cdesc_common_set_has_imm(&cqe.base.common, request.has_imm);
  efa_cdesc_common_set_unsolicited(&cqe.base.common, unsolicited);
  cqe.base.length = static_cast<std::uint16_t>(length);
  cqe.base.src_qp_num = packet.source_qp;
  cqe.base.imm = request.has_imm ? request.imm : 0;
  const AddressHandle* ah = device_.address_handles().find(packet.source.gid(), qp.pd);
  cqe.base.ah = ah != nullptr ? ah->number : static_cast<std::uint16_t>(EFA_AH_INVALID);
  if (!send)
    cqe.u.rdma_write.length_hi = static_cast<std::uint16_t>(length >> 16);
  else if (ah == nullptr && qp.recv_cq->config().set_src_addr)
    std::memcpy(&cqe.u.src_addr, packet.source.gid().raw.data(), sizeof(cqe.u.src_addr));
  qp.recv_cq->push(qp.recv_sub_cq, cqe);
  count_event(
      qp, good ? EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP : EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP_ERR);
}

/// Nobody sent anything: only what every error CQE tells is set (I8).
void DataPath::complete_flushed_receive(QueuePair& qp, std::uint16_t req_id) {
  efa_rx_cdesc_ex cqe{};
  fill_common(cqe.base.common, req_id, EFA_COMP_STATUS_FLUSHED, EFA_QUEUE_TYPE_RECV_QUEUE,
              EFA_SEND_OP_TYPE_SEND, qp.number);
  cqe.base.ah = EFA_AH_INVALID;
  qp.recv_cq->push(qp.recv_sub_cq, cqe);
  count_event(qp, EFA_EVENT_COUNTER_QP_EVENT_RECV_COMP_ERR);
}

}  // namespace efa::emu
