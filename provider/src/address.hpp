// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address of an endpoint: 32 bytes that fi_getname() gives and fi_av_insert() takes (spec
/// efa-rdm-protocol 2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace efa::fi {

using Gid = std::array<uint8_t, 16>;

struct Address {
  Gid gid{};
  uint16_t qpn = 0;
  uint16_t pad = 0;
  uint32_t connid = 0;  ///< the qkey of the QP
  uint64_t reserved = 0;

  bool operator==(const Address&) const = default;
};
static_assert(sizeof(Address) == 32);

std::string gid_text(const Gid& gid);
std::optional<Gid> parse_gid(std::string_view text);

/// fi_addr_efa://[GID]:QPN:QKEY, as libfabric prints addresses.
std::string address_text(const Address& address);

/// What a user types for a peer: a GID with the QP number as service, or the form of
/// address_text().
std::optional<Address> parse_address(std::string_view node, std::string_view service);

}  // namespace efa::fi
