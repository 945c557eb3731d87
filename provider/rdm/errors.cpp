// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/errors.hpp"

#include <rdma/fi_errno.h>

namespace efa::rdm {
namespace {

constexpr std::uint32_t kUnresponsive = 13;

constexpr int code(ProviderErrno value) {
  return static_cast<int>(value);
}

}  // namespace

int completion_errno(std::uint32_t status, bool established) {
  if (status == kUnresponsive)
    return code(established ? ProviderErrno::kEstablishedUnresponsive
                            : ProviderErrno::kNeverEstablished);
  return status == 0 ? code(ProviderErrno::kOther) : static_cast<int>(status);
}

int error_of(int provider_errno) {
  switch (provider_errno) {
    case 1:
      return FI_ECANCELED;
    case 2:
    case 3:
    case 4:
    case 5:
    case 7:
    case 18:
      return FI_EINVAL;
    case 6:
    case 11:
      return FI_EMSGSIZE;
    case 8:
    case 13:
    case code(ProviderErrno::kEstablishedUnresponsive):
    case code(ProviderErrno::kNeverEstablished):
      return FI_ECONNABORTED;
    case 9:
    case 14:
      return FI_ENOTCONN;
    case 10:
      return FI_ENORX;
    case 12:
      return FI_EREMOTEIO;
    case 15:
      return FI_EHOSTUNREACH;
    case code(ProviderErrno::kNoMemory):
      return FI_ENOMEM;
    default:
      return FI_EOTHER;
  }
}

const char* text_of_errno(int provider_errno) {
  switch (provider_errno) {
    case 0:
      return "success";
    case 1:
      return "flushed: the queue pair was closed";
    case 2:
      return "internal error of the queue pair";
    case 3:
      return "the device does not support the operation";
    case 4:
      return "invalid address handle";
    case 5:
      return "invalid local key: was the memory registered for this, and not closed yet?";
    case 6:
      return "invalid local length: is the buffer inside its registration?";
    case 7:
      return "invalid remote address or key: is the peer's memory registered for this access, "
             "and not closed yet?";
    case 8:
      return "the peer's device reset the connection: the peer has ended or was killed";
    case 9:
      return "no such endpoint at the peer's device: the peer has closed it or has ended";
    case 10:
      return "the peer had no receive posted";
    case 11:
      return "the message is longer than the peer's receive";
    case 12:
      return "the peer's device answered with a bad status";
    case 13:
      return "the peer does not respond";
    case 14:
      return "the peer does not know this endpoint: it must have it in its address vector";
    case 15:
      return "the peer cannot be reached: security groups of both hosts must allow all traffic "
             "between them, in and out, and both must be in one subnet";
    case 18:
      return "the peer's device lacks a feature that this request needs";
    case code(ProviderErrno::kRetiredPacketType):
      return "packet of a retired type";
    case code(ProviderErrno::kInvalidPacketType):
      return "malformed packet";
    case code(ProviderErrno::kUnknownPacketType):
      return "packet of an unknown type";
    case code(ProviderErrno::kPostPacket):
      return "a packet could not be posted";
    case code(ProviderErrno::kSendPacket):
      return "a packet could not be sent";
    case code(ProviderErrno::kProcessRtm):
      return "a message could not be processed";
    case code(ProviderErrno::kProcessTaggedRtm):
      return "a tagged message could not be processed";
    case code(ProviderErrno::kMessageIdProcessed):
      return "a message arrived twice";
    case code(ProviderErrno::kNoMemory):
      return "out of memory";
    case code(ProviderErrno::kMrDeregistration):
      return "memory could not be deregistered";
    case code(ProviderErrno::kReceiveCopy):
      return "data could not be copied into the receive buffer";
    case code(ProviderErrno::kRxStatesExhausted):
      return "too many operations arrive at a time";
    case code(ProviderErrno::kTxStatesExhausted):
      return "too many operations are sent at a time";
    case code(ProviderErrno::kAvInsert):
      return "a peer could not be added to the address vector";
    case code(ProviderErrno::kRmaAddress):
      return "remote memory access outside of a registration, or with a wrong key, or not allowed";
    case code(ProviderErrno::kPostInternalReceive):
      return "receive buffers could not be posted";
    case code(ProviderErrno::kPostHandshake):
      return "a handshake could not be sent";
    case code(ProviderErrno::kPostSend):
      return "a work request could not be posted";
    case code(ProviderErrno::kSizeMismatch):
      return "a write's data and its target have different sizes";
    case code(ProviderErrno::kPostRead):
    case code(ProviderErrno::kPostRdmaRead):
      return "an RDMA read could not be posted";
    case code(ProviderErrno::kAtomicDatatype):
      return "an atomic operation of an unknown datatype or kind";
    case code(ProviderErrno::kWriteSendCompletion):
    case code(ProviderErrno::kWriteReceiveCompletion):
      return "a completion could not be written";
    case code(ProviderErrno::kReadDatagramCq):
      return "completions of datagrams could not be read";
    case code(ProviderErrno::kShm):
    case code(ProviderErrno::kWriteShmCompletion):
      return "error of the shared-memory provider";
    case code(ProviderErrno::kEstablishedUnresponsive):
      return "the peer does not respond any more: it has ended, or its host or network is down";
    case code(ProviderErrno::kNeverEstablished):
      return "the peer never answered: is it running, do the security groups of both hosts allow "
             "all traffic between them, in and out?";
    case code(ProviderErrno::kInvalidZeroCopyPacket):
      return "invalid packet on a queue pair without headers";
    case code(ProviderErrno::kPeerAborted):
      return "the peer gave up the operation";
    default:
      return "unknown error";
  }
}

}  // namespace efa::rdm
