// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The tables of the fabric efa-direct (spec libfabric-api 2.1).
#include <algorithm>
#include <memory>

#include "objects/absent_tables.hpp"
#include "objects/device_messages.hpp"

namespace efa::fi {
namespace {

/// Local segments of RMA: the device has room for one.
constexpr size_t kRmaSegments = 1;

DeviceEndpoint& of(fid_ep* endpoint) {
  return DeviceEndpoint::of(endpoint);
}
// ---- Messages ----------------------------------------------------------------------------------

struct Sender {
  [[gnu::always_inline]] static ssize_t send(DeviceEndpoint& ep, const void* buffer, size_t length,
                                             void* descriptor, fi_addr_t to, void* context,
                                             uint64_t flags, uint64_t data) {
    return ep.send(one(buffer, length, descriptor), to, context, flags, data);
  }
  static ssize_t send_pieces(DeviceEndpoint& ep, const iovec* pieces, void** descriptors,
                             size_t count, fi_addr_t to, void* context, uint64_t flags,
                             uint64_t data) {
    if (count > std::min(ep.domain.device.max_sq_sge, Buffers::kMost)) return -FI_EINVAL;
    return with_pieces(pieces, descriptors, count, [&](const auto& payload) {
      return ep.send(payload, to, context, flags, data);
    });
  }
};

// ---- RMA ---------------------------------------------------------------------------------------

ssize_t read(fid_ep* ep, void* buffer, size_t length, void* descriptor, fi_addr_t from,
             uint64_t address, uint64_t key, void* context) {
  return of(ep).read(one(buffer, length, descriptor), from, address, key, context,
                     of(ep).tx_flags());
}
ssize_t readv(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t from,
              uint64_t address, uint64_t key, void* context) {
  if (count > kRmaSegments) return -FI_EINVAL;
  return of(ep).read(Buffers(pieces, descriptors, count), from, address, key, context,
                     of(ep).tx_flags());
}
ssize_t readmsg(fid_ep* ep, const fi_msg_rma* msg, uint64_t flags) {
  if (flags & ~kTxOpFlags) return -FI_EOPNOTSUPP;
  if (msg->iov_count > kRmaSegments || msg->rma_iov_count != 1) return -FI_EINVAL;
  return of(ep).read(Buffers(msg->msg_iov, msg->desc, msg->iov_count), msg->addr,
                     msg->rma_iov->addr, msg->rma_iov->key, msg->context, flags);
}
ssize_t write(fid_ep* ep, const void* buffer, size_t length, void* descriptor, fi_addr_t to,
              uint64_t address, uint64_t key, void* context) {
  return of(ep).write(one(buffer, length, descriptor), to, address, key, context, of(ep).tx_flags(),
                      0);
}
ssize_t writev(fid_ep* ep, const iovec* pieces, void** descriptors, size_t count, fi_addr_t to,
               uint64_t address, uint64_t key, void* context) {
  if (count > kRmaSegments) return -FI_EINVAL;
  return of(ep).write(Buffers(pieces, descriptors, count), to, address, key, context,
                      of(ep).tx_flags(), 0);
}
ssize_t writemsg(fid_ep* ep, const fi_msg_rma* msg, uint64_t flags) {
  if (flags & ~kTxOpFlags) return -FI_EOPNOTSUPP;
  if (msg->iov_count > kRmaSegments || msg->rma_iov_count != 1) return -FI_EINVAL;
  const Buffers payload(msg->msg_iov, msg->desc, msg->iov_count);
  if (flags & FI_INJECT)
    return of(ep).inject_write(payload, msg->addr, msg->rma_iov->addr, msg->rma_iov->key,
                               msg->context, flags, msg->data);
  return of(ep).write(payload, msg->addr, msg->rma_iov->addr, msg->rma_iov->key, msg->context,
                      flags, msg->data);
}
ssize_t inject_write(fid_ep* ep, const void* buffer, size_t length, fi_addr_t to, uint64_t address,
                     uint64_t key) {
  return of(ep).inject_write(one(buffer, length, nullptr), to, address, key, nullptr, kInjectFlags,
                             0);
}
ssize_t writedata(fid_ep* ep, const void* buffer, size_t length, void* descriptor, uint64_t data,
                  fi_addr_t to, uint64_t address, uint64_t key, void* context) {
  return of(ep).write(one(buffer, length, descriptor), to, address, key, context,
                      of(ep).tx_flags() | FI_REMOTE_CQ_DATA, data);
}
ssize_t inject_writedata(fid_ep* ep, const void* buffer, size_t length, uint64_t data, fi_addr_t to,
                         uint64_t address, uint64_t key) {
  return of(ep).inject_write(one(buffer, length, nullptr), to, address, key, nullptr,
                             kInjectFlags | FI_REMOTE_CQ_DATA, data);
}

fi_ops_rma remote_memory{
    .size = sizeof(fi_ops_rma),
    .read = read,
    .readv = readv,
    .readmsg = readmsg,
    .write = write,
    .writev = writev,
    .writemsg = writemsg,
    .inject = inject_write,
    .writedata = writedata,
    .injectdata = inject_writedata,
};

class DirectEndpoint final : public DeviceEndpoint {
 public:
  using DeviceEndpoint::DeviceEndpoint;

  int start() override {
    if (const int error = DeviceEndpoint::start()) return error;
    msg = &DeviceMessages<Sender>::table;
    rma = info->caps & FI_RMA ? &remote_memory : &rma_without_capability;
    return 0;
  }
};

}  // namespace

Endpoint* make_direct_endpoint(Domain& domain, const fi_info& info, void* context) {
  auto endpoint = std::make_unique<DirectEndpoint>(domain, info, context);
  endpoint->tagged = &no_tagged;
  endpoint->atomic = &no_atomics;
  return endpoint.release();
}

}  // namespace efa::fi
