// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Registers memory in a protection domain, for the registration cache.
#pragma once

#include <infiniband/verbs.h>

#include "rdm/registration_cache.hpp"

namespace efa::fi {

class MemoryRegistrar final : public rdm::Registrar {
 public:
  explicit MemoryRegistrar(ibv_pd* pd) : pd_(pd) {}
  ibv_mr* register_memory(void* address, size_t length, unsigned access) override {
    return ibv_reg_mr(pd_, address, length, access);
  }
  void deregister_memory(ibv_mr* mr) override { ibv_dereg_mr(mr); }

 private:
  ibv_pd* const pd_;
};

}  // namespace efa::fi
