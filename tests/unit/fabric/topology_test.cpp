// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/topology.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace efa::emu {
namespace {

Topology grouped() {
  Topology topology = uniform_topology(4, 1, "efa2");
  topology.groups = {{"compute", {"compute"}, {"compute", "storage"}},
                     {"storage", {"compute"}, {}},
                     {"open", {"*"}, {"*"}}};
  topology.hosts[0].groups = {"compute"};
  topology.hosts[1].groups = {"compute"};
  topology.hosts[2].groups = {"storage"};
  topology.hosts[3].groups = {};
  return topology;
}

std::string why(const Topology& topology) {
  const auto checked = validate(topology);
  return checked ? "valid" : checked.error().text();
}

TEST(UniformTopology, HasNumberedHostsAndPerfectLinks) {
  const Topology topology = uniform_topology(3, 2, "efa1");
  ASSERT_EQ(topology.hosts.size(), 3u);
  EXPECT_EQ(topology.hosts[2].name, "host2");
  EXPECT_EQ(topology.hosts[2].devices, 2u);
  EXPECT_EQ(topology.hosts[2].generation, "efa1");
  EXPECT_TRUE(impairment_between(topology, 0, 2).perfect());
  EXPECT_TRUE(traffic_allowed(topology, 0, 2));
  EXPECT_EQ(why(topology), "valid");
}

TEST(Links, TheLastOneThatMatchesADirectionWins) {
  Topology topology = uniform_topology(3, 1, "efa2");
  topology.links = {
      {"*", "*", {.loss = 0.1}}, {"host0", "*", {.loss = 0.2}}, {"host0", "host1", {.delay = 5}}};
  EXPECT_EQ(impairment_between(topology, 1, 0), (Impairment{.loss = 0.1}));
  EXPECT_EQ(impairment_between(topology, 0, 2), (Impairment{.loss = 0.2}));
  EXPECT_EQ(impairment_between(topology, 0, 1), (Impairment{.delay = 5}));
  EXPECT_EQ(impairment_between(topology, 1, 1), (Impairment{.loss = 0.1}));
}

TEST(SecurityGroups, BothEndsMustAllowTheTraffic) {
  const Topology topology = grouped();
  EXPECT_EQ(why(topology), "valid");
  EXPECT_TRUE(traffic_allowed(topology, 0, 1));
  EXPECT_TRUE(traffic_allowed(topology, 0, 2));
  EXPECT_FALSE(traffic_allowed(topology, 2, 0)) << "storage may send to nobody";
}

TEST(SecurityGroups, AHostWithoutGroupAllowsAllButIsAllowedOnlyByAny) {
  Topology topology = grouped();
  EXPECT_FALSE(traffic_allowed(topology, 3, 0));
  EXPECT_FALSE(traffic_allowed(topology, 0, 3));
  topology.hosts[0].groups.push_back("open");
  EXPECT_TRUE(traffic_allowed(topology, 3, 0));
  EXPECT_TRUE(traffic_allowed(topology, 0, 3));
}

TEST(SecurityGroups, DoNotSeparateAHostFromItself) {
  const Topology topology = grouped();
  EXPECT_TRUE(traffic_allowed(topology, 2, 2));
}

TEST(Validate, BoundsTheNumberOfHosts) {
  EXPECT_EQ(why(uniform_topology(1, 1, "efa0")), "valid");
  EXPECT_EQ(why(uniform_topology(1024, 1, "efa4")), "valid");
  EXPECT_EQ(why(uniform_topology(0, 1, "efa2")), "the topology has 0 hosts; give 1 to 1024");
  EXPECT_EQ(why(uniform_topology(1025, 1, "efa2")), "the topology has 1025 hosts; give 1 to 1024");
}

TEST(Validate, BoundsTheDevicesOfAHost) {
  EXPECT_EQ(why(uniform_topology(1, 16, "efa2")), "valid");
  EXPECT_EQ(why(uniform_topology(1, 17, "efa2")), "host \"host0\" has 17 devices; give 1 to 16");
  EXPECT_EQ(why(uniform_topology(1, 0, "efa2")), "host \"host0\" has 0 devices; give 1 to 16");
}

TEST(Validate, KnowsTheGenerations) {
  EXPECT_EQ(why(uniform_topology(1, 1, "efa9")),
            "host \"host0\" has the unknown generation \"efa9\"; known are efa0, efa1, efa2, efa3, "
            "efa4");
}

TEST(Validate, HostNamesAreDnsLabels) {
  Topology topology = uniform_topology(1, 1, "efa2");
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string("a-"), std::string("a.b"), std::string("a_b"),
        std::string("h\u00f6st"), std::string(64, 'a'), std::string("*"), std::string("a b")}) {
    topology.hosts[0].name = name;
    EXPECT_EQ(why(topology), "host name \"" + name +
                                 "\" is no DNS label; use 1 to 63 letters, digits and inner "
                                 "hyphens");
  }
  topology.hosts[0].name = std::string(63, 'a');
  EXPECT_EQ(why(topology), "valid");
}

TEST(Validate, HostNamesAreUniqueWhateverTheirCase) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].name = "HOST0";
  EXPECT_EQ(why(topology), "host name \"HOST0\" is used twice; give every host a name of its own");
}

TEST(Validate, GroupsOfHostsAndRulesMustExist) {
  Topology topology = grouped();
  topology.hosts[1].groups = {"nobody"};
  EXPECT_EQ(why(topology),
            "host \"host1\" is in the undefined group \"nobody\"; defined are \"compute\", "
            "\"storage\", \"open\"");
  topology = grouped();
  topology.groups[1].allow_to = {"mars"};
  EXPECT_EQ(why(topology),
            "group \"storage\" allows the undefined group \"mars\"; defined are \"compute\", "
            "\"storage\", \"open\"");
  topology = uniform_topology(1, 1, "efa2");
  topology.hosts[0].groups = {"x"};
  EXPECT_EQ(why(topology), "host \"host0\" is in the undefined group \"x\"; no group is defined");
}

TEST(Validate, GroupNamesAreUniqueAndNoWildcard) {
  Topology topology = grouped();
  topology.groups.push_back({"compute", {}, {}});
  EXPECT_EQ(why(topology), "group \"compute\" is defined twice; merge the two");
  topology.groups.back().name = "*";
  EXPECT_EQ(why(topology), "group name \"*\" is not possible; \"*\" means any group; give a name");
}

TEST(Validate, LinksJoinHostsThatExist) {
  Topology topology = uniform_topology(1, 1, "efa2");
  topology.links = {{"*", "host7", {}}};
  EXPECT_EQ(why(topology),
            "link \"*\" to \"host7\": there is no host \"host7\"; name a host, or \"*\" for any");
}

TEST(Validate, ImpairmentsAreInRange) {
  Topology topology = uniform_topology(1, 1, "efa2");
  const auto with = [&](Impairment impairment) {
    topology.links = {{"*", "*", impairment}};
    return why(topology);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(with({.loss = 1.1}), "link \"*\" to \"*\": loss is out of range; give 0 to 1");
  EXPECT_EQ(with({.loss = nan}), "link \"*\" to \"*\": loss is out of range; give 0 to 1");
  EXPECT_EQ(with({.reorder = -1}), "link \"*\" to \"*\": reorder is out of range; give 0 to 1");
  EXPECT_EQ(with({.duplicate = 2}), "link \"*\" to \"*\": duplicate is out of range; give 0 to 1");
  EXPECT_EQ(with({.bandwidth_gbps = -1}),
            "link \"*\" to \"*\": bandwidth is out of range; give 0 (no limit) or more");
}

TEST(Validate, FaultsCountFromOne) {
  Topology topology = uniform_topology(1, 1, "efa2");
  topology.hosts[0].rnr = {{0, 1}};
  EXPECT_EQ(why(topology), "host \"host0\" has an RNR fault at 0 with count 1; both count from 1");
}

TEST(Validate, TimesAreNotZero) {
  Topology topology = uniform_topology(1, 1, "efa2");
  topology.transport_timeout = 0;
  EXPECT_EQ(why(topology), "transport_timeout is 0; give at least 1ns");
  topology.transport_timeout = 1;
  topology.rnr_backoff = 0;
  EXPECT_EQ(why(topology), "rnr_backoff is 0; give at least 1ns");
}

}  // namespace
}  // namespace efa::emu
