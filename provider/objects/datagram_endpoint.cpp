// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The table of datagram endpoints (spec libfabric-api 2.2). All buffers begin with 40 bytes: in
/// receives the device writes a GRH there, in sends they are skipped.
#include <algorithm>
#include <memory>

#include "objects/absent_tables.hpp"
#include "objects/device_endpoint.hpp"
#include "objects/op_flags.hpp"

namespace efa::fi {
namespace {

constexpr size_t kPrefix = 40;

DeviceEndpoint& of(fid_ep* endpoint) {
  return DeviceEndpoint::of(endpoint);
}
OneBuffer one(const void* buffer, size_t length, void* descriptor) {
  return {buffer, length, region_of(descriptor)};
}

[[gnu::always_inline]] inline ssize_t send_flags(fid_ep* ep, const void* buffer, size_t length,
                                                 void* descriptor, fi_addr_t to, void* context,
                                                 uint64_t flags, uint64_t data) {
  if (length < kPrefix) return -FI_EINVAL;
  const auto* payload = static_cast<const std::byte*>(buffer) + kPrefix;
  return of(ep).send(one(payload, length - kPrefix, descriptor), to, context, flags, data);
}

/// The pieces behind the prefix, which is all in the first one.
ssize_t send_pieces(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t to,
                    void* context, uint64_t flags, uint64_t data) {
  if (count == 1) [[likely]]
    return send_flags(ep, pieces->iov_base, pieces->iov_len, descriptors ? *descriptors : nullptr,
                      to, context, flags, data);
  if (count == 0 || count > std::min(of(ep).domain.device.max_sq_sge, Buffers::kMost) ||
      pieces[0].iov_len < kPrefix)
    return -FI_EINVAL;
  iovec behind[Buffers::kMost];
  std::copy_n(pieces, count, behind);
  behind[0].iov_base = static_cast<std::byte*>(behind[0].iov_base) + kPrefix;
  behind[0].iov_len -= kPrefix;
  return of(ep).send(Buffers(behind, descriptors, count), to, context, flags, data);
}

ssize_t recv(fid_ep* ep, void* buffer, size_t length, void* descriptor, fi_addr_t, void* context) {
  return of(ep).receive(one(buffer, length, descriptor), context, of(ep).rx_flags());
}
ssize_t recvv(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t,
              void* context) {
  if (count > of(ep).rx_segments) return -FI_EINVAL;
  return with_pieces(pieces, descriptors, count, [&](const auto& payload) {
    return of(ep).receive(payload, context, of(ep).rx_flags());
  });
}
ssize_t recvmsg(fid_ep* ep, const fi_msg* msg, uint64_t flags) {
  if (flags & ~kRxOpFlags) return -FI_EOPNOTSUPP;
  if (msg->iov_count > of(ep).rx_segments) return -FI_EINVAL;
  return with_pieces(msg->msg_iov, msg->desc, msg->iov_count, [&](const auto& payload) {
    return of(ep).receive(payload, msg->context, flags);
  });
}
ssize_t send(fid_ep* ep, const void* buffer, size_t length, void* descriptor, fi_addr_t to,
             void* context) {
  return send_flags(ep, buffer, length, descriptor, to, context, of(ep).tx_flags(), 0);
}
ssize_t sendv(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t to,
              void* context) {
  return send_pieces(ep, pieces, descriptors, count, to, context, of(ep).tx_flags(), 0);
}
ssize_t sendmsg(fid_ep* ep, const fi_msg* msg, uint64_t flags) {
  if (flags & ~kTxOpFlags) return -FI_EOPNOTSUPP;
  return send_pieces(ep, msg->msg_iov, msg->desc, msg->iov_count, msg->addr, msg->context, flags,
                     msg->data);
}
ssize_t inject(fid_ep* ep, const void* buffer, size_t length, fi_addr_t to) {
  return send_flags(ep, buffer, length, nullptr, to, nullptr, kInjectFlags, 0);
}
ssize_t senddata(fid_ep* ep, const void* buffer, size_t length, void* descriptor, uint64_t data,
                 fi_addr_t to, void* context) {
  return send_flags(ep, buffer, length, descriptor, to, context,
                    of(ep).tx_flags() | FI_REMOTE_CQ_DATA, data);
}
ssize_t injectdata(fid_ep* ep, const void* buffer, size_t length, uint64_t data, fi_addr_t to) {
  return send_flags(ep, buffer, length, nullptr, to, nullptr, kInjectFlags | FI_REMOTE_CQ_DATA,
                    data);
}

fi_ops_msg messages{
    .size = sizeof(fi_ops_msg),
    .recv = recv,
    .recvv = recvv,
    .recvmsg = recvmsg,
    .send = send,
    .sendv = sendv,
    .sendmsg = sendmsg,
    .inject = inject,
    .senddata = senddata,
    .injectdata = injectdata,
};

class DatagramEndpoint final : public DeviceEndpoint {
 public:
  using DeviceEndpoint::DeviceEndpoint;

  int start() override {
    if (const int error = DeviceEndpoint::start()) return error;
    msg = &messages;
    return 0;
  }
};

}  // namespace

Endpoint* make_datagram_endpoint(Domain& domain, const fi_info& info, void* context) {
  auto endpoint = std::make_unique<DatagramEndpoint>(domain, info, context);
  endpoint->tagged = &no_tagged;
  endpoint->rma = &no_rma;
  endpoint->atomic = &no_atomics;
  return endpoint.release();
}

}  // namespace efa::fi
