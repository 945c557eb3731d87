// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Registered memory, as the data path sees it: what fi_mr_desc() points to.
#ifndef EFA_PROVIDER_RDM_REGION_HPP
#define EFA_PROVIDER_RDM_REGION_HPP

#include <cstddef>
#include <cstdint>

#include "wire/choose.hpp"

namespace efa::rdm {

struct Region {
  std::uint32_t lkey = 0;
  std::uint32_t rkey = 0;
  std::uintptr_t start = 0;  // virtual address of its first byte
  std::size_t length = 0;
  std::uint64_t access = 0;  // FI_SEND, FI_RECV, FI_READ, FI_WRITE, FI_REMOTE_READ, FI_REMOTE_WRITE
  MemoryType memory = MemoryType::kHost;
  bool remote_readable = false;  // by the device (libfabric-api 7, "access bits asked from verbs")

  bool contains(std::uintptr_t address, std::size_t bytes) const {
    return address >= start && bytes <= length && address - start <= length - bytes;
  }
};

}  // namespace efa::rdm

#endif
