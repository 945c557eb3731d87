// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "status.hpp"

#include <infiniband/efa_diag.h>

namespace {

// What happened; why, most likely; what to do. By spec device-io I8 and verbs B11.
constexpr const char* text_of(std::uint32_t vendor_err) {
  switch (vendor_err) {
    case EFA_COMP_STATUS_OK:
      return "success";
    case EFA_COMP_STATUS_FLUSHED:
      return "flushed: the QP went to the error state, or its address handle was destroyed, before "
             "the "
             "request ran; look at the first completion that failed on this QP";
    case EFA_COMP_STATUS_LOCAL_ERROR_QP_INTERNAL_ERROR:
      return "internal error of the local QP: the device found the request malformed; if the "
             "program "
             "writes WQEs itself, check their layout and max_batch, otherwise destroy the QP, make "
             "a new "
             "one and report it";
    case EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP:
      return "operation not supported: the device or the QP's type lacks it (UD has no RDMA); "
             "compare "
             "device_caps of efadv_query_device with what the program posts";
    case EFA_COMP_STATUS_LOCAL_ERROR_INVALID_AH:
      return "invalid address handle: none was given, or it was destroyed, or belongs to another "
             "protection domain; every request needs ibv_wr_set_ud_addr with an AH of the QP's own "
             "PD";
    case EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY:
      return "invalid local key: lkey, address range, access rights or protection domain of a "
             "segment "
             "are wrong; check that the MR covers it, is still registered and, if the device "
             "writes to "
             "it, has IBV_ACCESS_LOCAL_WRITE";
    case EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH:
      return "bad length: the message is longer than allowed; sends end at the port's max_msg_sz, "
             "RDMA "
             "at max_rdma_size of efadv_query_device";
    case EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS:
      return "bad remote address: rkey, range or access rights at the peer are wrong; check that "
             "the "
             "peer's MR covers it, is still registered and has IBV_ACCESS_REMOTE_READ or "
             "IBV_ACCESS_REMOTE_WRITE";
    case EFA_COMP_STATUS_REMOTE_ERROR_ABORT:
      return "aborted by the peer: its device was reset or its connection state was dropped while "
             "the "
             "request ran; restart the peer's program, then exchange addresses anew";
    case EFA_COMP_STATUS_REMOTE_ERROR_BAD_DEST_QPN:
      return "bad destination QP: the peer has no QP of this number and type that receives, or the "
             "Q_Key "
             "differs; its program has probably ended or failed: see its log, check QP number and "
             "Q_Key";
    case EFA_COMP_STATUS_REMOTE_ERROR_RNR:
      return "receiver not ready: the peer had no posted receive and retries ran out; post more "
             "receives there, or set rnr_retry 7 (for ever) when the QP goes to RTS";
    case EFA_COMP_STATUS_REMOTE_ERROR_BAD_LENGTH:
      return "message too long for the peer: the receive that it posted is smaller than the "
             "message; "
             "post larger receives there or send less";
    case EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS:
      return "bad answer from the peer: it failed while it served the request, most likely by an "
             "invalid "
             "key of its posted receive; see the errors in the peer's own completions";
    case EFA_COMP_STATUS_LOCAL_ERROR_UNRESP_REMOTE:
      return "peer unresponsive: it answered earlier and is silent now; check that the peer's host "
             "and "
             "program are alive and that no security group changed";
    case EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER:
      return "unknown to the peer: it has no address handle for this host, which RDMA needs; let "
             "the peer "
             "call ibv_create_ah with this host's GID first";
    case EFA_COMP_STATUS_LOCAL_ERROR_UNREACH_REMOTE:
      return "peer unreachable: it never answered; check the GID, that both hosts are in one "
             "subnet, and "
             "that a security group of each allows all traffic to and from the other's";
    case EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH:
      return "feature mismatch: the peer's device lacks what the request needs, such as RDMA "
             "between "
             "different generations; use send and receive with this peer";
    default:
      return "status that this libefa does not know: a newer device, or a damaged completion; "
             "update "
             "libefa and report the number";
  }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* efa_vendor_err_str(
    std::uint32_t vendor_err) {
  return text_of(vendor_err);
}
