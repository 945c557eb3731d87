// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "address.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace efa::fi {
namespace {

constexpr std::string_view kScheme = "fi_addr_efa://[";

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

/// GID]:QPN:QKEY, what follows the bracket.
std::optional<Address> parse_printed(std::string_view text) {
  const size_t bracket = text.find("]:");
  const size_t colon = text.rfind(':');
  if (bracket == text.npos || colon <= bracket + 1) return {};
  const auto gid = parse_gid(text.substr(0, bracket));
  const auto qpn = parse_number<uint16_t>(text.substr(bracket + 2, colon - bracket - 2));
  const auto qkey = parse_number<uint32_t>(text.substr(colon + 1));
  if (!gid || !qpn || !qkey) return {};
  return Address{.gid = *gid, .qpn = *qpn, .connid = *qkey};
}

}  // namespace

std::string gid_text(const Gid& gid) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, gid.data(), text, sizeof text);
  return text;
}

std::optional<Gid> parse_gid(std::string_view text) {
  Gid gid;
  if (inet_pton(AF_INET6, std::string(text).c_str(), gid.data()) != 1) return {};
  return gid;
}

std::string address_text(const Address& address) {
  return std::string(kScheme) + gid_text(address.gid) + "]:" + std::to_string(address.qpn) + ":" +
         std::to_string(address.connid);
}

std::optional<Address> parse_address(std::string_view node, std::string_view service) {
  if (node.starts_with(kScheme)) return parse_printed(node.substr(kScheme.size()));
  const auto gid = parse_gid(node);
  const auto qpn = parse_number<uint16_t>(service.empty() ? "0" : service);
  if (!gid || !qpn) return {};
  return Address{.gid = *gid, .qpn = *qpn};
}

}  // namespace efa::fi
