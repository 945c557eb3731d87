// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "mr_access.hpp"

#include <infiniband/verbs.h>

namespace efa::fi {
namespace {

/// One row of the table in spec 7: by what the device can do.
struct Row {
  uint64_t access;
  int neither;
  int read_only;
  int read_and_write;
};

constexpr int kLocal = IBV_ACCESS_LOCAL_WRITE;
constexpr int kRead = IBV_ACCESS_REMOTE_READ;
constexpr int kWrite = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

// FI_SEND: receivers pull long messages. FI_WRITE: targets pull long writes, if need be.
constexpr Row kRows[] = {
    {FI_RECV, kLocal, kLocal, kLocal}, {FI_READ, 0, kLocal, kLocal},
    {FI_SEND, 0, kRead, kRead},        {FI_WRITE, 0, kRead, 0},
    {FI_REMOTE_READ, 0, kRead, kRead}, {FI_REMOTE_WRITE, 0, kLocal, kWrite},
};

}  // namespace

int verbs_access(uint64_t access, const Device& device) {
  int bits = 0;
  for (const Row& row : kRows) {
    if (!(access & row.access)) continue;
    if (!device.rdma_read)
      bits |= row.neither;
    else
      bits |= device.rdma_write ? row.read_and_write : row.read_only;
  }
  return bits;
}

}  // namespace efa::fi
