// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/provider_error.hpp"

#include <rdma/fi_errno.h>

#include <algorithm>
#include <iterator>

#include "wire/provider_errno.hpp"

namespace efa::fi {
namespace {

struct Row {
  int code;
  int error;
  const char* text;
};

constexpr int code(rdm::ProviderErrno value) {
  return static_cast<int>(value);
}
using enum rdm::ProviderErrno;

/// In the order of the codes.
constexpr Row kRows[] = {
    {0, FI_EOTHER, "success"},
    {1, FI_ECANCELED, "flushed: the endpoint was closed, or an earlier operation broke its queue"},
    {2, FI_EINVAL, "internal error of the local queue pair; close the endpoint and open another"},
    {3, FI_EINVAL, "operation not supported by the device"},
    {4, FI_EINVAL, "invalid address handle: the peer was removed from the AV too early"},
    {5, FI_EINVAL, "invalid local key: the buffer is not registered any more, or not for this use"},
    {6, FI_EMSGSIZE, "bad local length: longer than the device takes"},
    {7, FI_EINVAL, "bad remote address: key, range or access of the peer's registration are wrong"},
    {8, FI_ECONNABORTED, "aborted by the peer: its device was reset or it went away"},
    {9, FI_ENOTCONN, "bad destination queue pair: the peer's endpoint is closed, or another one"},
    {10, FI_ENORX, "receiver not ready: the peer posts no receives; its program may hang"},
    {11, FI_EMSGSIZE, "bad remote length: the peer's receive buffer is too small"},
    {12, FI_EREMOTEIO, "bad response status of the peer's device"},
    {13, FI_ECONNABORTED, "unresponsive peer: it was reached before and does not answer any more"},
    {14, FI_ENOTCONN, "unknown peer: the target of RMA needs the initiator in its AV"},
    {15, FI_EHOSTUNREACH,
     "unreachable peer: let its security group and yours allow all traffic within the group, both "
     "ways, and use one subnet or peered ones"},
    {18, FI_EINVAL, "the peer's device lacks a feature that this operation needs"},
    {code(kOther), FI_EOTHER, "error of the provider"},
    {code(kRetiredPacketType), FI_EOTHER, "packet of a retired type received"},
    {code(kInvalidPacketType), FI_EOTHER, "malformed packet received"},
    {code(kUnknownPacketType), FI_EOTHER,
     "packet of an unknown type received; is the peer's libfabric newer?"},
    {code(kPostPacket), FI_EOTHER, "a packet could not be posted"},
    {code(kSendPacket), FI_EOTHER, "a packet could not be sent"},
    {code(kProcessRtm), FI_EOTHER, "a message could not be processed"},
    {code(kProcessTaggedRtm), FI_EOTHER, "a tagged message could not be processed"},
    {code(kMessageIdProcessed), FI_EOTHER, "message received twice"},
    {code(kNoMemory), FI_ENOMEM, "out of memory"},
    {code(kMrDeregistration), FI_EOTHER, "memory could not be deregistered"},
    {code(kReceiveCopy), FI_EOTHER, "received data could not be copied to the buffer"},
    {code(kRxStatesExhausted), FI_EOTHER, "no memory for another incoming operation"},
    {code(kTxStatesExhausted), FI_EOTHER, "no memory for another outgoing operation"},
    {code(kAvInsert), FI_EOTHER, "the address of a peer could not be inserted into the AV"},
    {code(kRmaAddress), FI_EOTHER, "key, range or access of an RMA request are wrong"},
    {code(kPostInternalReceive), FI_EOTHER, "internal receive buffers could not be posted"},
    {code(kPostHandshake), FI_EOTHER, "the handshake could not be posted"},
    {code(kPostSend), FI_EOTHER, "a send could not be posted"},
    {code(kSizeMismatch), FI_EOTHER, "message and buffer differ in length"},
    {code(kPostRead), FI_EOTHER, "a read could not be posted"},
    {code(kPostRdmaRead), FI_EOTHER, "an RDMA read could not be posted"},
    {code(kAtomicDatatype), FI_EOTHER, "invalid datatype of an atomic operation"},
    {code(kWriteSendCompletion), FI_EOTHER, "a send completion could not be written"},
    {code(kWriteReceiveCompletion), FI_EOTHER, "a receive completion could not be written"},
    {code(kReadDatagramCq), FI_EOTHER, "the device's completion queue could not be read"},
    {code(kShm), FI_EOTHER, "error of shared-memory transfer"},
    {code(kWriteShmCompletion), FI_EOTHER, "a shared-memory completion could not be written"},
    {code(kEstablishedUnresponsive), FI_ECONNABORTED,
     "unresponsive peer: it worked before; look whether its host and program are alive"},
    {code(kInvalidZeroCopyPacket), FI_EOTHER, "invalid packet on the zero-copy queue"},
    {code(kNeverEstablished), FI_ECONNABORTED,
     "unresponsive peer that never answered: check its security group, and that it runs"},
    {code(kPeerAborted), FI_ECANCELED, "the peer aborted the operation"},
};

constexpr bool kSorted = std::is_sorted(std::begin(kRows), std::end(kRows),
                                        [](Row a, Row b) { return a.code < b.code; });
static_assert(kSorted);

const Row* find(int provider_errno) {
  const Row* row = std::lower_bound(std::begin(kRows), std::end(kRows), provider_errno,
                                    [](const Row& row, int code) { return row.code < code; });
  return row != std::end(kRows) && row->code == provider_errno ? row : nullptr;
}

}  // namespace

int libfabric_error(int provider_errno) {
  const Row* row = find(provider_errno);
  return row ? row->error : FI_EOTHER;
}

const char* provider_error_text(int provider_errno) {
  const Row* row = find(provider_errno);
  return row ? row->text : "unknown error";
}

}  // namespace efa::fi
