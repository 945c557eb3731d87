// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device.hpp"

namespace efa::fi {

bool chosen(std::string_view choice, std::string_view device) {
  if (choice.empty() || choice.starts_with("all")) return true;
  for (;;) {
    const size_t comma = choice.find(',');
    if (choice.substr(0, comma) == device) return true;
    if (comma == choice.npos) return false;
    choice.remove_prefix(comma + 1);
  }
}

}  // namespace efa::fi
