// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/packet_pool.hpp"

#include <sys/mman.h>

namespace efa::rdm {

std::unique_ptr<Slab> Slab::make(Host& host, std::size_t bytes, int access) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  ibv_mr* mr = host.register_memory(memory, bytes, access);
  if (mr == nullptr) {
    munmap(memory, bytes);
    return nullptr;
  }
  return std::make_unique<Slab>(host, static_cast<std::byte*>(memory), bytes, mr);
}

Slab::~Slab() {
  host_.deregister(mr_);
  munmap(memory_, bytes_);
}

}  // namespace efa::rdm
