// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The variables FI_EFA_* (spec libfabric-api 4.1).
#pragma once

#include <rdma/fabric.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace efa::fi {

inline constexpr std::string_view kPrefix = "FI_EFA_";

struct Variable {
  const char* name;  ///< as fi_param_define() takes it: small letters, without FI_EFA_
  fi_param_type type;
  const char* help;
  const char* idle = nullptr;  ///< why it has no effect here; null: it has
};

/// Variables that do something here or in libfabric's own provider.
std::span<const Variable> variables();

/// One line for each variable of the environment ("NAME=VALUE") that exists and has no effect here.
std::vector<std::string> remarks(const char* const* environment);

/// One line for each variable of the environment ("NAME=VALUE") that begins with FI_EFA_ and does
/// nothing, or did harm in other providers, with what to use in its place.
std::vector<std::string> complaints(const char* const* environment);

}  // namespace efa::fi
