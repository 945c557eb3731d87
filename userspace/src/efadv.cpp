// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The functions of efadv.h: argument checks here, the work in the objects' own files.
#pragma GCC visibility push(default)
#include <infiniband/efadv.h>
#pragma GCC visibility pop

#include <algorithm>
#include <cerrno>

#include "ah.hpp"
#include "comp_cntr.hpp"
#include "cq.hpp"
#include "extensible.hpp"
#include "log.hpp"
#include "qp_plan.hpp"
#include "uverbs_ioctl.hpp"

namespace {

using namespace efa;

template <class T>
T* failed(int error) {
  errno = error;
  return nullptr;
}

std::uint32_t device_caps(const Limits& limits, bool knows_rdma_size) {
  std::uint32_t caps = 0;
  if (limits.rnr_retry()) caps |= EFADV_DEVICE_ATTR_CAPS_RNR_RETRY;
  if (limits.cq_with_sgid()) caps |= EFADV_DEVICE_ATTR_CAPS_CQ_WITH_SGID;
  if (limits.unsolicited_write_recv()) caps |= EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV;
  if (limits.cq_with_ext_mem()) caps |= EFADV_DEVICE_ATTR_CAPS_CQ_WITH_EXT_MEM_DMABUF;
  if (limits.comp_cntr()) caps |= EFADV_DEVICE_ATTR_CAPS_COMP_CNTR;
  // Whoever cannot be told how large an RDMA may be is not told of RDMA (V11).
  if (knows_rdma_size && limits.rdma_read()) caps |= EFADV_DEVICE_ATTR_CAPS_RDMA_READ;
  if (knows_rdma_size && limits.rdma_write()) caps |= EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE;
  return caps;
}

}  // namespace

int efadv_query_device(ibv_context* base, efadv_device_attr* attr, std::uint32_t inlen) {
  if (!is_efa(base)) return EOPNOTSUPP;
  const Limits& limits = Context::of(base).limits;
  efadv_device_attr answer{};
  answer.max_sq_wr = limits.max_sq_wr;
  answer.max_rq_wr = limits.max_rq_wr;
  answer.max_sq_sge = static_cast<std::uint16_t>(limits.max_sq_sge);
  answer.max_rq_sge = static_cast<std::uint16_t>(limits.max_rq_sge);
  answer.inline_buf_size = static_cast<std::uint16_t>(limits.inline_buf_size);
  answer.inline_buf_size_ex = static_cast<std::uint16_t>(limits.inline_buf_size_ex);
  answer.max_rdma_size = limits.max_rdma_size;
  answer.device_caps = device_caps(limits, inlen >= EFA_THROUGH(efadv_device_attr, max_rdma_size));
  return write_extensible(attr, answer, inlen, EFA_THROUGH(efadv_device_attr, inline_buf_size_ex),
                          NewerPart::kZeroed);
}

int efadv_query_ah(ibv_ah* ah, efadv_ah_attr* attr, std::uint32_t inlen) {
  if (!is_efa(ah->context)) return EOPNOTSUPP;
  efadv_ah_attr answer{};
  answer.ahn = Ah::of(ah).number;
  return write_extensible(attr, answer, inlen, EFA_THROUGH(efadv_ah_attr, ahn), NewerPart::kZeroed);
}

int efadv_query_mr(ibv_mr* mr, efadv_mr_attr* attr, std::uint32_t inlen) {
  if (!is_efa(mr->context)) return EOPNOTSUPP;
  if (inlen < sizeof(efadv_mr_attr)) return EINVAL;
  efadv_mr_attr answer{};
  UverbsIoctl<5> command(UVERBS_OBJECT_MR, EFA_UABI_IDS_METHOD_MR_QUERY);
  command.add_object(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE, mr->handle);
  command.add_out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY, answer.ic_id_validity);
  command.add_out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID, answer.recv_ic_id);
  command.add_out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID, answer.rdma_read_ic_id);
  command.add_out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID, answer.rdma_recv_ic_id);
  if (const int error = command.send(*mr->context)) return error;
  return write_extensible(attr, answer, inlen, sizeof(answer), NewerPart::kZeroed);
}

ibv_cq_ex* efadv_create_cq(ibv_context* base, ibv_cq_init_attr_ex* attr,
                           efadv_cq_init_attr* efa_attr, std::uint32_t inlen) {
  if (!is_efa(base)) return failed<ibv_cq_ex>(EOPNOTSUPP);
  Context& context = Context::of(base);
  efadv_cq_init_attr efa{};
  if (read_extensible(efa, efa_attr, inlen, EFA_THROUGH(efadv_cq_init_attr, wc_flags)) != 0 ||
      efa.comp_mask != 0) {
    return failed<ibv_cq_ex>(
        EFA_FAIL(context, EINVAL,
                 "efadv_create_cq: %u bytes of attributes with comp_mask 0x%llx: too "
                 "short, or with a part that this library does not know",
                 inlen, static_cast<unsigned long long>(efa.comp_mask)));
  }
  return create_efa_cq(context, *attr, efa);
}

efadv_cq* efadv_cq_from_ibv_cq_ex(ibv_cq_ex* cq) {
  return &Cq::of(cq).dv;
}

int efadv_query_cq(ibv_cq* base, efadv_cq_attr* attr, std::uint32_t inlen) {
  if (!is_efa(base->context)) return EOPNOTSUPP;
  Cq& cq = Cq::of(base);
  efadv_cq_attr answer{};
  answer.buffer = reinterpret_cast<std::uint8_t*>(const_cast<std::uint64_t*>(cq.sub_cqs()->begin));
  answer.entry_size = cqe::kBytes;
  answer.num_entries = cq.entries;
  answer.doorbell = cq.doorbell;
  return write_extensible(attr, answer, inlen, EFA_THROUGH(efadv_cq_attr, num_entries),
                          NewerPart::kUntouched);
}

ibv_qp* efadv_create_driver_qp(ibv_pd* pd, ibv_qp_init_attr* attr, std::uint32_t driver_qp_type) {
  if (!is_efa(pd->context)) return failed<ibv_qp>(EOPNOTSUPP);
  Context& context = Context::of(pd->context);
  if (attr->qp_type != IBV_QPT_DRIVER) {
    return failed<ibv_qp>(EFA_FAIL(context, EINVAL,
                                   "efadv_create_driver_qp: qp_type %d is not IBV_QPT_DRIVER",
                                   attr->qp_type));
  }
  efadv_qp_init_attr efa{};
  efa.driver_qp_type = driver_qp_type;
  ibv_qp_init_attr_ex extended{};
  std::memcpy(&extended, attr, sizeof(*attr));
  extended.comp_mask = IBV_QP_INIT_ATTR_PD;
  extended.pd = pd;
  ibv_qp* qp = efadv_create_qp_ex(pd->context, &extended, &efa, sizeof(efa));
  if (qp != nullptr) attr->cap = extended.cap;
  return qp;
}

ibv_qp* efadv_create_qp_ex(ibv_context* base, ibv_qp_init_attr_ex* attr,
                           efadv_qp_init_attr* efa_attr, std::uint32_t inlen) {
  if (!is_efa(base)) return failed<ibv_qp>(EOPNOTSUPP);
  Context& context = Context::of(base);
  efadv_qp_init_attr efa{};
  if (read_extensible(efa, efa_attr, inlen, EFA_THROUGH(efadv_qp_init_attr, driver_qp_type)) != 0 ||
      efa.comp_mask != 0 || efa.reserved != 0) {
    return failed<ibv_qp>(
        EFA_FAIL(context, EINVAL,
                 "efadv_create_qp_ex: %u bytes of attributes: too short, or with a part that "
                 "this library does not know",
                 inlen));
  }
  if (attr->qp_type != IBV_QPT_DRIVER) {
    return failed<ibv_qp>(EFA_FAIL(context, EINVAL,
                                   "efadv_create_qp_ex: qp_type %d is not IBV_QPT_DRIVER; for UD "
                                   "call ibv_create_qp_ex",
                                   attr->qp_type));
  }
  constexpr std::uint32_t kFlags =
      EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV | EFADV_QP_FLAGS_INLINE_WRITE;
  if (efa.driver_qp_type != EFADV_QP_DRIVER_TYPE_SRD || (efa.flags & ~kFlags) != 0 ||
      (efa.wr_flags & ~std::uint64_t{EFADV_WR_EX_WITH_PROCESSING_HINTS}) != 0) {
    return failed<ibv_qp>(
        EFA_FAIL(context, EOPNOTSUPP,
                 "efadv_create_qp_ex: driver_qp_type %u (only SRD, 0), flags 0x%x (0x%x), wr_flags "
                 "0x%llx (0x%x): possible values are in parentheses",
                 efa.driver_qp_type, efa.flags, kFlags,
                 static_cast<unsigned long long>(efa.wr_flags), EFADV_WR_EX_WITH_PROCESSING_HINTS));
  }
  QpOptions options;
  options.srd = true;
  options.unsolicited_write_recv = efa.flags & EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV;
  options.inline_write = efa.flags & EFADV_QP_FLAGS_INLINE_WRITE;
  options.processing_hints = efa.wr_flags & EFADV_WR_EX_WITH_PROCESSING_HINTS;
  options.builder = attr->comp_mask & IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  options.service_level = efa.sl;
  return create_qp_with(context, *attr, options);
}

efadv_qp* efadv_qp_from_ibv_qp_ex(ibv_qp_ex* qp) {
  return &Qp::of(qp).dv;
}

int efadv_query_qp_wqs(ibv_qp* base, efadv_wq_attr* sq_attr, efadv_wq_attr* rq_attr,
                       std::uint32_t inlen) {
  if (!is_efa(base->context)) return EOPNOTSUPP;
  Qp& qp = Qp::of(base);
  efadv_wq_attr sq{};
  sq.buffer = reinterpret_cast<std::uint8_t*>(qp.sq.ring);
  sq.entry_size = qp.sq.wqe_size;
  sq.num_entries = qp.sq.work.mask() + 1;
  sq.doorbell = qp.sq.doorbell;
  sq.max_batch = qp.sq.max_batch;
  sq.caps = qp.ids == RequestIds::kWide ? EFADV_WQ_CAPS_64_BIT_REQ_ID : 0;
  efadv_wq_attr rq{};
  rq.buffer = reinterpret_cast<std::uint8_t*>(qp.rq.ring);
  rq.entry_size = sizeof(efa_rx_desc);
  rq.num_entries = qp.rq.ring == nullptr ? 0 : qp.rq.descriptor_mask + 1;
  rq.doorbell = qp.rq.doorbell;
  rq.max_batch = rq.num_entries;
  constexpr std::size_t kMinimum = EFA_THROUGH(efadv_wq_attr, max_batch);
  const int error = write_extensible(sq_attr, sq, inlen, kMinimum, NewerPart::kUntouched);
  return error != 0 ? error : write_extensible(rq_attr, rq, inlen, kMinimum, NewerPart::kUntouched);
}

int efadv_get_max_sq_depth(ibv_context* base, efadv_sq_depth_attr* attr, std::uint32_t inlen) {
  if (!is_efa(base)) return -EOPNOTSUPP;
  const Limits& limits = Context::of(base).limits;
  efadv_sq_depth_attr wanted;
  if (read_extensible(wanted, attr, std::min<std::size_t>(inlen, sizeof(wanted)), sizeof(wanted)) !=
          0 ||
      wanted.comp_mask != 0) {
    return -EINVAL;
  }
  const bool inline_write = wanted.flags & EFADV_SQ_DEPTH_ATTR_INLINE_WRITE;
  const std::uint32_t rdma_sges = std::min<std::uint32_t>(limits.max_sq_sge, EFA_TX_RDMA_SGES);
  if ((wanted.flags & ~std::uint32_t{EFADV_SQ_DEPTH_ATTR_INLINE_WRITE}) != 0 ||
      wanted.max_send_sge > limits.max_sq_sge || wanted.max_rdma_sge > rdma_sges ||
      wanted.max_inline_data > limits.inline_buf_size_ex) {
    return -EINVAL;
  }
  return static_cast<int>(
      max_send_depth(limits, wqe_size_for(wanted.max_inline_data, inline_write)));
}

int efadv_get_max_rq_depth(ibv_context* base, efadv_rq_depth_attr* attr, std::uint32_t inlen) {
  if (!is_efa(base)) return -EOPNOTSUPP;
  const Limits& limits = Context::of(base).limits;
  efadv_rq_depth_attr wanted;
  if (read_extensible(wanted, attr, std::min<std::size_t>(inlen, sizeof(wanted)),
                      EFA_THROUGH(efadv_rq_depth_attr, max_recv_sge)) != 0 ||
      wanted.comp_mask != 0 || wanted.max_recv_sge == 0 ||
      wanted.max_recv_sge > limits.max_rq_sge) {
    return -EINVAL;
  }
  return static_cast<int>(max_receive_depth(limits, wanted.max_recv_sge));
}

#if EFA_IBVERBS_RELEASE == 65
ibv_comp_cntr* efadv_create_comp_cntr(ibv_context* base, ibv_comp_cntr_init_attr* attr,
                                      efadv_comp_cntr_init_attr* efa_attr, std::uint32_t inlen) {
  if (!is_efa(base)) return failed<ibv_comp_cntr>(EOPNOTSUPP);
  efadv_comp_cntr_init_attr efa;
  if (read_extensible(efa, efa_attr, inlen, sizeof(efa)) != 0) return failed<ibv_comp_cntr>(EINVAL);
  return create_efa_comp_cntr(Context::of(base), *attr, efa);
}
#endif
