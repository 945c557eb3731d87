// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/identity.hpp"

namespace efa::emu {

namespace {

std::array<std::uint8_t, 6> mac_of(unsigned host, unsigned device) {
  return {0x02,
          0xef,
          0xa0,
          static_cast<std::uint8_t>(host >> 8),
          static_cast<std::uint8_t>(host),
          static_cast<std::uint8_t>(device)};
}

}  // namespace

DeviceIdentity identity_of(unsigned host, unsigned device) {
  const auto mac = mac_of(host, device);
  return {
      Gid::from_mac(mac),
      {static_cast<std::uint8_t>(mac[0] ^ 2), mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}};
}

}  // namespace efa::emu
