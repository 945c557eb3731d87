// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/host_id.hpp"

#include <charconv>
#include <fstream>
#include <string>

namespace efa::fi {

uint64_t host_id() {
  static const uint64_t id = [] {
    std::ifstream file("/sys/devices/virtual/dmi/id/board_asset_tag");
    std::string tag;
    constexpr size_t kPrefix = 3;  // "i-0", before 16 digits
    if (!(file >> tag) || tag.size() <= kPrefix) return uint64_t{0};
    uint64_t number = 0;
    const char* end = tag.data() + tag.size();
    const auto parsed = std::from_chars(tag.data() + kPrefix, end, number, 16);
    return parsed.ec == std::errc() && parsed.ptr == end ? number : 0;
  }();
  return id;
}

}  // namespace efa::fi
