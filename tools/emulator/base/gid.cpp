// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/gid.hpp"

#include <fmt/core.h>

namespace efa::emu {

std::string Gid::text() const {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); i += 2)
    out += fmt::format("{}{:02x}{:02x}", i == 0 ? "" : ":", raw[i], raw[i + 1]);
  return out;
}

Gid Gid::from_mac(const std::array<std::uint8_t, 6>& mac) {
  return Gid{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(mac[0] ^ 2), mac[1], mac[2],
              0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

}  // namespace efa::emu
