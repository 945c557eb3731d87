// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Addresses, and nodes and services that stand for them.
#include "address.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

#include "machine.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

const Gid kGid = recorded_device().gid;
constexpr const char* kText = "fe80::4a5:28ff:fe98:e500";

TEST(Address, IsLaidOutAsOnTheWire) {
  EXPECT_EQ(offsetof(Address, gid), 0u);
  EXPECT_EQ(offsetof(Address, qpn), 16u);
  EXPECT_EQ(offsetof(Address, connid), 20u);
  EXPECT_EQ(offsetof(Address, reserved), 24u);
}

TEST(Address, IsAGidWithTheQpNumberAsService) {
  EXPECT_EQ(gid_text(kGid), kText);
  EXPECT_EQ(parse_address(kText, ""), (Address{.gid = kGid}));
  EXPECT_EQ(parse_address(kText, "7"), (Address{.gid = kGid, .qpn = 7}));
}

TEST(Address, IsReadBackAsLibfabricPrintsIt) {
  Address address{.gid = kGid, .qpn = 18, .connid = 0x4d3c2b1a};
  InfoPtr info = make_info();
  info->addr_format = FI_ADDR_EFA;
  info->src_addr = std::malloc(sizeof address);
  info->src_addrlen = sizeof address;
  std::memcpy(info->src_addr, &address, sizeof address);
  std::string text = fi_tostr(info.get(), FI_TYPE_INFO);
  text = text.substr(text.find("fi_addr_efa://"));
  text = text.substr(0, text.find('\n'));
  EXPECT_EQ(parse_address(text, ""), address) << text;
}

TEST(Address, IsNothingElse) {
  for (const char* node : {"", "host0", "10.0.0.1", "fe80::1:::", "[fe80::1]:5:6",
                           "fi_addr_efa://[fe80::1]", "fi_addr_efa://[fe80::1]:5",
                           "fi_addr_efa://[fe80::1]:70000:1", "fi_addr_efa://[fe80::1]:1:x"})
    EXPECT_FALSE(parse_address(node, "")) << node;
  for (const char* service : {"x", "7x", "-1", "65536", " 7"})
    EXPECT_FALSE(parse_address(kText, service)) << service;
}

Result ask_node(const char* node, const char* service, uint64_t flags,
                const fi_info* hints = nullptr) {
  static const Catalogue catalogue = machine(kRelease1_17);
  return get_info(catalogue, {FI_VERSION(1, 17), node, service, flags, hints});
}

TEST(Destination, IsTheNodeOrElseTheHint) {
  const Result result = ask_node("fe80::1", "9", 0);
  ASSERT_EQ(kinds(result), "rdm datagram");
  Address address;
  ASSERT_EQ(result.list.get()->dest_addrlen, sizeof address);
  std::memcpy(&address, result.list.get()->dest_addr, sizeof address);
  EXPECT_EQ(address.qpn, 9);
  EXPECT_EQ(gid_text(address.gid), "fe80::1");

  Hints hints = make_hints("empty");
  hints->dest_addr = std::malloc(sizeof address);
  hints->dest_addrlen = sizeof address;
  std::memcpy(hints->dest_addr, &address, sizeof address);
  const Result hinted = ask_node(nullptr, nullptr, 0, hints.get());
  ASSERT_EQ(kinds(hinted), "rdm");
  EXPECT_EQ(std::memcmp(hinted.list.get()->dest_addr, &address, sizeof address), 0);
  hints->dest_addrlen = 16;
  EXPECT_EQ(kinds(ask_node(nullptr, nullptr, 0, hints.get())), "");
}

TEST(Source, ChoosesTheDevice) {
  EXPECT_EQ(kinds(ask_node(kText, nullptr, FI_SOURCE)), "rdm datagram");
  EXPECT_EQ(kinds(ask_node("fe80::1", nullptr, FI_SOURCE)), "");
  EXPECT_EQ(kinds(ask_node(nullptr, nullptr, FI_SOURCE)), "rdm datagram");

  const Address own{.gid = kGid};
  Hints hints = make_hints("empty");
  hints->src_addr = std::malloc(sizeof own);
  hints->src_addrlen = sizeof own;
  std::memcpy(hints->src_addr, &own, sizeof own);
  EXPECT_EQ(kinds(ask_node(nullptr, nullptr, 0, hints.get())), "rdm");
  static_cast<Address*>(hints->src_addr)->qpn = 1;
  EXPECT_EQ(kinds(ask_node(nullptr, nullptr, 0, hints.get())), "");
  static_cast<Address*>(hints->src_addr)->qpn = 0;
  hints->src_addrlen = 31;
  EXPECT_EQ(kinds(ask_node(nullptr, nullptr, 0, hints.get())), "");
}

}  // namespace
