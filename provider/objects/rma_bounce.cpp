// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/rma_bounce.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace efa::fi {

int RmaBounce::open(ibv_pd* pd, size_t size) {
  size_ = std::max<size_t>(size, 1);
  bytes_ = size_ * (kSlots + 1);
  // Whole pages: nothing else may share them with the device.
  void* const mapped =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return -errno;
  memory_ = mapped;
  const int access = IBV_ACCESS_LOCAL_WRITE;
  mr_ = ibv_reg_mr(pd, memory_, bytes_, access);
  if (!mr_) return -errno;
  uses_.resize(kSlots + 1);
  free_.reserve(kSlots);
  for (uint32_t slot = kSlots; slot > 0; --slot) free_.push_back(slot);
  return 0;
}

void RmaBounce::close() {
  if (mr_) ibv_dereg_mr(mr_);
  mr_ = nullptr;
  if (memory_) munmap(memory_, bytes_);
  memory_ = nullptr;
}

}  // namespace efa::fi
