// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// FI_EFA_* as libfabric reads them.
#pragma once

#include <rdma/providers/fi_prov.h>

#include "objects/settings.hpp"

namespace efa::fi {

class FabricParameters final : public Parameters {
 public:
  /// After fi_param_define() of all.
  explicit FabricParameters(fi_provider& provider) : provider_(provider) {}
  std::optional<Parameter> find(const char* name, fi_param_type type) const override;

 private:
  fi_provider& provider_;
};

}  // namespace efa::fi
