// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// prov_errno of CQ and EQ entries that are not a status of the device (spec efa-rdm-protocol 14).
#ifndef EFA_PROVIDER_WIRE_PROVIDER_ERRNO_HPP
#define EFA_PROVIDER_WIRE_PROVIDER_ERRNO_HPP

#include <cstdint>

namespace efa::rdm {

enum class ProviderErrno : std::uint16_t {
  kNone = 0,
  kOther = 4096,
  kRetiredPacketType = 4097,
  kInvalidPacketType = 4098,  // and every packet whose lengths contradict each other (18, R11)
  kUnknownPacketType = 4099,
  kPostPacket = 4100,
  kSendPacket = 4101,
  kProcessRtm = 4102,
  kProcessTaggedRtm = 4103,
  kMessageIdProcessed = 4104,
  kNoMemory = 4105,
  kMrDeregistration = 4106,
  kReceiveCopy = 4107,
  kRxStatesExhausted = 4108,
  kTxStatesExhausted = 4109,
  kAvInsert = 4110,
  kRmaAddress = 4111,
  kPostInternalReceive = 4112,
  kPostHandshake = 4113,
  kPostSend = 4114,
  kSizeMismatch = 4115,
  kPostRead = 4116,
  kPostRdmaRead = 4117,
  kAtomicDatatype = 4118,
  kWriteSendCompletion = 4119,
  kWriteReceiveCompletion = 4120,
  kReadDatagramCq = 4121,
  kShm = 4122,
  kWriteShmCompletion = 4123,
  kEstablishedUnresponsive = 4124,
  kInvalidZeroCopyPacket = 4125,
  kNeverEstablished = 4126,
  kPeerAborted = 4127,
};

}  // namespace efa::rdm

#endif
