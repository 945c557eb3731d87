// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Options of direct and datagram endpoints (spec libfabric-api 6.1, the columns "direct").
#include <rdma/fi_errno.h>

#include "objects/device_endpoint.hpp"
#include "objects/option.hpp"

namespace efa::fi {
namespace {

int set_p2p(const void* value, size_t size) {
  int wanted = 0;
  if (const int error = take_option(value, size, wanted)) return error;
  if (wanted < FI_HMEM_P2P_ENABLED || wanted > FI_HMEM_P2P_DISABLED) return -FI_EINVAL;
  // The device reads and writes all memory itself.
  return wanted == FI_HMEM_P2P_DISABLED ? -FI_EOPNOTSUPP : 0;
}

/// An option that changes nothing here.
int accept(const void* value, size_t size) {
  bool ignored = false;
  return take_option(value, size, ignored);
}

int set_device_rdma(const fi_info& info, const Device& device, const void* value, size_t size) {
  bool wanted = false;
  if (const int error = take_option(value, size, wanted)) return error;
  const bool possible = device.rdma_read && device.rdma_write;
  if (wanted) return possible ? 0 : -FI_EOPNOTSUPP;
  return info.caps & FI_RMA ? -FI_EOPNOTSUPP : 0;
}

}  // namespace

int DeviceEndpoint::set_option(int option, const void* value, size_t size) {
  bool wanted = false;
  switch (static_cast<Option>(option)) {
    case Option::hmem_p2p:
      return set_p2p(value, size);
    case Option::cuda_api_permitted:
    case Option::shared_memory_permitted:
    case Option::homogeneous_peers:
      return accept(value, size);
    case Option::max_msg_size:
      return lower_option(value, size, max_message_, domain.device.mtu);
    case Option::max_rma_size:
      return lower_option(value, size, max_rma_, domain.device.max_rdma_size);
    case Option::inject_msg_size:
      return lower_option(value, size, inject_size_, inline_size_);
    case Option::inject_rma_size:
      return lower_option(value, size, inject_rma_size_, inline_size_);
    case Option::use_device_rdma:
      return set_device_rdma(*info, domain.device, value, size);
    case Option::use_unsolicited_write_recv:
      if (const int error = take_option(value, size, wanted)) return error;
      if (enabled) return -FI_EINVAL;
      if (!wanted && !(info->mode & FI_RX_CQ_DATA)) return -FI_EOPNOTSUPP;
      unsolicited = wanted && domain.device.unsolicited_write_recv;
      return 0;
    default:
      return Endpoint::set_option(option, value, size);
  }
}

int DeviceEndpoint::get_option(int option, void* value, size_t* size) {
  switch (static_cast<Option>(option)) {
    case Option::hmem_p2p:
      return give_option<int>(FI_HMEM_P2P_REQUIRED, value, size);
    case Option::max_msg_size:
      return give_option(max_message_, value, size);
    case Option::max_rma_size:
      return give_option(max_rma_, value, size);
    case Option::inject_msg_size:
      return give_option(inject_size_, value, size);
    case Option::inject_rma_size:
      return give_option(inject_rma_size_, value, size);
    case Option::emulated_read:
    case Option::emulated_write:
      return give_option(false, value, size);
    default:
      return Endpoint::get_option(option, value, size);
  }
}

}  // namespace efa::fi
