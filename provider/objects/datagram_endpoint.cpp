// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The table of datagram endpoints (spec libfabric-api 2.2). All buffers begin with 40 bytes: in
/// receives the device writes a GRH there, in sends they are skipped.
#include <algorithm>
#include <memory>

#include "objects/absent_tables.hpp"
#include "objects/device_messages.hpp"

namespace efa::fi {
namespace {

constexpr size_t kPrefix = 40;

struct Sender {
  [[gnu::always_inline]] static ssize_t send(DeviceEndpoint& ep, const void* buffer, size_t length,
                                             void* descriptor, fi_addr_t to, void* context,
                                             uint64_t flags, uint64_t data) {
    if (length < kPrefix) return -FI_EINVAL;
    const auto* payload = static_cast<const std::byte*>(buffer) + kPrefix;
    return ep.send(one(payload, length - kPrefix, descriptor), to, context, flags, data);
  }

  /// The pieces behind the prefix, which is all in the first one.
  static ssize_t send_pieces(DeviceEndpoint& ep, const iovec* pieces, void** descriptors,
                             size_t count, fi_addr_t to, void* context, uint64_t flags,
                             uint64_t data) {
    if (count == 1) [[likely]]
      return send(ep, pieces->iov_base, pieces->iov_len, descriptors ? *descriptors : nullptr, to,
                  context, flags, data);
    if (count == 0 || count > std::min(ep.domain.device.max_sq_sge, Buffers::kMost) ||
        pieces[0].iov_len < kPrefix)
      return -FI_EINVAL;
    iovec behind[Buffers::kMost];
    std::copy_n(pieces, count, behind);
    behind[0].iov_base = static_cast<std::byte*>(behind[0].iov_base) + kPrefix;
    behind[0].iov_len -= kPrefix;
    return ep.send(Buffers(behind, descriptors, count), to, context, flags, data);
  }
};

class DatagramEndpoint final : public DeviceEndpoint {
 public:
  using DeviceEndpoint::DeviceEndpoint;

  int start() override {
    if (const int error = DeviceEndpoint::start()) return error;
    msg = &DeviceMessages<Sender>::table;
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
