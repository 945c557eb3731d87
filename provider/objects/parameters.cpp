// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/parameters.hpp"

#include <rdma/fi_errno.h>

#include <cctype>
#include <cstdlib>

#include "environment.hpp"

namespace efa::fi {
namespace {

/// libfabric reads a number as far as it goes, and does not tell what it left: the text does.
const char* as_written(std::string name) {
  for (char& letter : name) letter = static_cast<char>(std::toupper(letter));
  return std::getenv((std::string(kPrefix) + name).c_str());
}

template <class Value>
std::optional<Parameter> take(const char* text, int result, Value value) {
  if (result == -FI_ENODATA) return {};
  // Set in another place than the environment: then it is a number, or libfabric had refused.
  if (!text && result) return {};
  return Parameter{text ? text : std::to_string(value), static_cast<int64_t>(value)};
}

}  // namespace

std::optional<Parameter> FabricParameters::find(const char* name, fi_param_type type) const {
  const char* const text = as_written(name);
  if (type == FI_PARAM_SIZE_T) {
    size_t value = 0;
    const int result = fi_param_get_size_t(&provider_, name, &value);
    return take(text, result, value);
  }
  int value = 0;
  const int result = type == FI_PARAM_BOOL ? fi_param_get_bool(&provider_, name, &value)
                                           : fi_param_get_int(&provider_, name, &value);
  return take(text, result, value);
}

}  // namespace efa::fi
