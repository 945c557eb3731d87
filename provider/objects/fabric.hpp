// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_fabric (spec libfabric-api 5.1).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>

#include <atomic>
#include <string>

namespace efa::fi {

struct Fabric : fid_fabric {
  std::string name;               ///< "efa" or "efa-direct"
  std::atomic<int> children = 0;  ///< domains, EQs, wait sets: fi_close() says -FI_EBUSY

  static Fabric& of(fid_fabric* fabric) { return *static_cast<Fabric*>(fabric); }
};

/// fi_provider.fabric. Thread-safe.
int open_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context);

}  // namespace efa::fi
