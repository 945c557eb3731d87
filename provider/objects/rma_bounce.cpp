// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/rma_bounce.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace efa::fi {

void RmaBounce::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

int RmaBounce::open(ibv_pd* pd, size_t size) {
  // Whole pages: nothing else may share them with the device.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_ = std::max<size_t>(size, 1);
  const size_t bytes = (size_ * (kSlots + 1) + page - 1) / page * page;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, bytes)));
  if (!memory_) return -ENOMEM;
  const int access = IBV_ACCESS_LOCAL_WRITE;
  mr_ = ibv_reg_mr(pd, memory_.get(), bytes, access);
  if (!mr_) return -errno;
  uses_.resize(kSlots + 1);
  free_.reserve(kSlots);
  for (uint32_t slot = kSlots; slot > 0; --slot) free_.push_back(slot);
  return 0;
}

void RmaBounce::close() {
  if (mr_) ibv_dereg_mr(mr_);
  mr_ = nullptr;
  memory_.reset();
}

}  // namespace efa::fi
