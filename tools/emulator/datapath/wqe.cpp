// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/wqe.hpp"

#include <algorithm>
#include <cstring>

namespace efa::emu {

namespace {

constexpr unsigned kEchoedOpBits = EFA_CDESC_COMMON_OP_TYPE_MASK >> EFA_CDESC_COMMON_OP_TYPE_SHIFT;

template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

Sge sge_from(const efa_tx_buf_desc& desc) noexcept {
  return {efa_tx_buf_desc_addr(&desc), desc.length, efa_tx_buf_desc_lkey(&desc)};
}

efa_comp_status decode_inline(std::span<const std::byte> wqe, std::size_t offset, std::size_t room,
                              const efa_tx_meta_desc& meta, SendRequest& out) {
  if (meta.length > room) return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  out.length = meta.length;
  std::memcpy(out.inline_data.data(), wqe.data() + offset, out.length);
  return EFA_COMP_STATUS_OK;
}

efa_comp_status decode_send(std::span<const std::byte> wqe, const efa_tx_meta_desc& meta,
                            SendRequest& out) {
  constexpr std::size_t body = offsetof(efa_tx_wqe, data);
  if (out.is_inline)
    return decode_inline(
        wqe, body, wqe.size() == sizeof(efa_tx_wqe) ? EFA_INLINE_64 : EFA_INLINE_128, meta, out);
  if (meta.length > kMaxSendSges) return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < meta.length; ++i) {
    out.sge[i] = sge_from(load<efa_tx_buf_desc>(wqe, body + i * sizeof(efa_tx_buf_desc)));
    total += out.sge[i].length;
  }
  if (total > UINT32_MAX) return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  out.sge_count = static_cast<std::uint8_t>(meta.length);
  out.length = static_cast<std::uint32_t>(total);
  return EFA_COMP_STATUS_OK;
}

efa_comp_status decode_rdma(std::span<const std::byte> wqe, const efa_tx_meta_desc& meta,
                            const Profile& profile, SendRequest& out) {
  constexpr std::size_t body = offsetof(efa_tx_wqe, data);
  const auto remote = load<efa_remote_mem_addr>(wqe, body + offsetof(efa_rdma_req, remote_mem));
  out.rkey = remote.rkey;
  out.remote_addr = efa_remote_mem_addr_addr(&remote);
  if (out.is_inline) {
    // Only wide WQEs have room for inline RDMA data, and only writes send any (I2.2).
    if (wqe.size() != sizeof(efa_tx_wqe_128) || out.op != EFA_SEND_OP_TYPE_RDMA_WRITE)
      return EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
    const auto status = decode_inline(wqe, body + offsetof(efa_rdma_req_128, inline_data),
                                      EFA_INLINE_128, meta, out);
    if (status != EFA_COMP_STATUS_OK) return status;
  } else {
    if (meta.length > EFA_TX_RDMA_SGES) return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
    out.sge_count = static_cast<std::uint8_t>(meta.length);
    if (out.sge_count == 1)
      out.sge[0] = sge_from(load<efa_tx_buf_desc>(wqe, body + offsetof(efa_rdma_req, local_mem)));
    out.length = out.sge_count == 1 ? out.sge[0].length : 0;
  }
  if (out.length != remote.length || out.length > profile.max_rdma_size)
    return EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH;
  return EFA_COMP_STATUS_OK;
}

bool rdma_supported(const Profile& profile, efa_send_op_type op) noexcept {
  return profile.has(op == EFA_SEND_OP_TYPE_RDMA_READ ? EFA_DEVICE_ATTR_RDMA_READ_MASK
                                                      : EFA_DEVICE_ATTR_RDMA_WRITE_MASK);
}

}  // namespace

efa_comp_status decode_send_wqe(std::span<const std::byte> wqe, const QueuePair& qp,
                                const Profile& profile, SendRequest& out) {
  const auto meta = load<efa_tx_meta_desc>(wqe, 0);
  out.req_id = qp.req_id_64 ? efa_tx_meta_desc_req_id64(&meta) : meta.req_id;
  // The CQE echoes no more than its three bits hold; beyond them there is no operation.
  const unsigned op = efa_tx_meta_desc_op_type(&meta);
  out.op = static_cast<efa_send_op_type>(op & kEchoedOpBits);
  out.has_imm = efa_tx_meta_desc_has_imm(&meta) != 0;
  out.is_inline = efa_tx_meta_desc_inline_msg(&meta) != 0;
  out.dest_qp = meta.dest_qp_num;
  out.ah = meta.ah;
  out.qkey = meta.qkey;
  out.imm = meta.immediate_data;
  out.sge_count = 0;
  out.length = 0;

  // One WQE is one transaction with one CQE: these four are always set (I2.1).
  if (!efa_tx_meta_desc_meta_desc(&meta) || !efa_tx_meta_desc_first(&meta) ||
      !efa_tx_meta_desc_last(&meta) || !efa_tx_meta_desc_comp_req(&meta))
    return EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR;

  if (op != out.op) return EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
  switch (out.op) {
    case EFA_SEND_OP_TYPE_SEND:
      return decode_send(wqe, meta, out);
    case EFA_SEND_OP_TYPE_RDMA_READ:
    case EFA_SEND_OP_TYPE_RDMA_WRITE:
      if (qp.type != EFA_QP_TYPE_SRD || !rdma_supported(profile, out.op))
        return EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
      return decode_rdma(wqe, meta, profile, out);
    case EFA_SEND_OP_TYPE_FAST_REG:
    case EFA_SEND_OP_TYPE_FAST_INV:
      return profile.alloc_mr ? EFA_COMP_STATUS_OK : EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
  }
  return EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP;
}

RecvWqe decode_recv_wqe(RecvQueue& rq, std::uint16_t available, RecvRequest& out) {
  const std::byte* ring = rq.ring.get();
  if (ring == nullptr) return RecvWqe::kBroken;
  out.sges.clear();
  std::uint64_t total = 0;
  for (std::uint32_t n = 0; n < available; ++n) {
    const std::uint32_t slot = (rq.consumed + n) & (rq.descriptors - 1);
    efa_rx_desc desc;
    std::memcpy(&desc, ring + slot * sizeof(desc), sizeof(desc));
    if (n == 0) out.req_id = desc.req_id;
    out.sges.push_back({efa_rx_desc_addr(&desc), desc.length, efa_rx_desc_lkey(&desc)});
    total += desc.length;
    // Only `last` is a boundary to trust (I5).
    if (efa_rx_desc_last(&desc)) {
      out.descriptors = static_cast<std::uint16_t>(n + 1);
      out.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(total, UINT32_MAX));
      return RecvWqe::kComplete;
    }
  }
  return available == rq.descriptors ? RecvWqe::kBroken : RecvWqe::kIncomplete;
}

}  // namespace efa::emu
