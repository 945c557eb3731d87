// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Numbers of endpoint options (spec libfabric-api 6.1), also of those that the headers of
/// libfabric 1.17 or 2.1 do not have yet, and how their values go in and out.
#pragma once

#include <rdma/fi_errno.h>

#include <cstddef>
#include <cstring>

namespace efa::fi {

enum class Option : int {
  min_multi_recv = 0,
  hmem_p2p = 8,
  cuda_api_permitted = 10,
  shared_memory_permitted,
  max_msg_size,
  max_tagged_size,
  max_rma_size,
  max_atomic_size,
  inject_msg_size,
  inject_tagged_size,
  inject_rma_size,
  inject_atomic_size,

  rnr_retry = -(0xefa << 16),
  emulated_read,
  emulated_write,
  emulated_atomics,
  use_device_rdma,
  sendrecv_in_order_128,
  write_in_order_128,
  homogeneous_peers,
  use_unsolicited_write_recv,
};

/// 0, or -FI_EINVAL: not the size of a T.
template <class T>
int take_option(const void* value, size_t size, T& taken) {
  if (!value || size != sizeof(T)) return -FI_EINVAL;
  std::memcpy(&taken, value, sizeof(T));
  return 0;
}

/// 0, or -FI_ETOOSMALL with the size that is needed.
template <class T>
int give_option(T given, void* value, size_t* size) {
  const size_t room = *size;
  *size = sizeof(T);
  if (!value || room < sizeof(T)) return -FI_ETOOSMALL;
  std::memcpy(value, &given, sizeof(T));
  return 0;
}

/// For limits that an application may only lower.
inline int lower_option(const void* value, size_t size, size_t& limit, size_t most) {
  size_t wanted = 0;
  if (const int error = take_option(value, size, wanted)) return error;
  if (wanted > most) return -FI_EINVAL;
  limit = wanted;
  return 0;
}

}  // namespace efa::fi
