// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fabric/topology.hpp"

namespace efa::emu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kFullToml = R"(
seed = 99
transport_timeout = "500ms"
rnr_backoff = "2ms"
generation = "efa3"

[[hosts]]
name = "head"
devices = 2
groups = ["compute"]

[[hosts]]
name = "node{}"
count = 3
first = 1
generation = "efa1"
[hosts.faults]
unresponsive_after = "5s"
rnr = [{ at = 100, count = 3 }, { at = 7 }]

[[links]]
loss = 0.01

[[links]]
from = "head"
to = "node2"
both_ways = true
loss = "5%"
reorder = 0.5
duplicate = "1%"
delay = "10us"
jitter = "1ms"
bandwidth = "100Gbit"

[[groups]]
name = "compute"
allow_from = ["compute", "*"]
allow_to = ["*"]
)";

constexpr const char* kFullJson = R"({
  "seed": 99, "transport_timeout": "500ms", "rnr_backoff": "2ms", "generation": "efa3",
  "hosts": [
    {"name": "head", "devices": 2, "groups": ["compute"]},
    {"name": "node{}", "count": 3, "first": 1, "generation": "efa1",
     "faults": {"unresponsive_after": "5s", "rnr": [{"at": 100, "count": 3}, {"at": 7}]}}],
  "links": [
    {"loss": 0.01},
    {"from": "head", "to": "node2", "both_ways": true, "loss": "5%", "reorder": 0.5,
     "duplicate": "1%", "delay": "10us", "jitter": "1ms", "bandwidth": 100}],
  "groups": [{"name": "compute", "allow_from": ["compute", "*"], "allow_to": ["*"]}]
})";

void expect_full(const Topology& topology) {
  EXPECT_EQ(topology.seed, 99u);
  EXPECT_EQ(topology.transport_timeout, 500'000'000u);
  EXPECT_EQ(topology.rnr_backoff, 2'000'000u);
  ASSERT_EQ(topology.hosts.size(), 4u);
  EXPECT_EQ(topology.hosts[0].name, "head");
  EXPECT_EQ(topology.hosts[0].devices, 2u);
  EXPECT_EQ(topology.hosts[0].generation, "efa3");
  EXPECT_THAT(topology.hosts[0].groups, ElementsAre("compute"));
  EXPECT_FALSE(topology.hosts[0].unresponsive);
  const HostSpec& node = topology.hosts[3];
  EXPECT_EQ(node.name, "node3");
  EXPECT_EQ(node.devices, 1u);
  EXPECT_EQ(node.generation, "efa1");
  EXPECT_TRUE(node.unresponsive);
  EXPECT_EQ(node.unresponsive_after, 5'000'000'000u);
  ASSERT_EQ(node.rnr.size(), 2u);
  EXPECT_EQ(node.rnr[0].first, 100u);
  EXPECT_EQ(node.rnr[0].count, 3u);
  EXPECT_EQ(node.rnr[1].first, 7u);
  EXPECT_EQ(node.rnr[1].count, 1u);
  const Impairment lossy{.loss = 0.05,
                         .reorder = 0.5,
                         .duplicate = 0.01,
                         .delay = 10'000,
                         .jitter = 1'000'000,
                         .bandwidth_gbps = 100};
  EXPECT_EQ(impairment_between(topology, 0, 2), lossy);
  EXPECT_EQ(impairment_between(topology, 2, 0), lossy);
  EXPECT_EQ(impairment_between(topology, 1, 2), (Impairment{.loss = 0.01}));
  ASSERT_EQ(topology.groups.size(), 1u);
  EXPECT_THAT(topology.groups[0].allow_from, ElementsAre("compute", "*"));
  EXPECT_THAT(topology.groups[0].allow_to, ElementsAre("*"));
}

std::string toml_error(const std::string& text) {
  const auto parsed = parse_topology_toml(text, "net.toml");
  return parsed ? "no error" : parsed.error().text();
}

std::string json_error(const std::string& text) {
  const auto parsed = parse_topology_json(text, "net.json");
  return parsed ? "no error" : parsed.error().text();
}

/// The error of one host entry with these further lines; the entry starts in line 1.
std::string host_error(const std::string& lines) {
  return toml_error("[[hosts]]\nname = \"a\"\n" + lines);
}

std::string link_error(const std::string& line) {
  return toml_error("hosts = [{ name = \"a\" }]\n[[links]]\n" + line);
}

class TemporaryFolder {
 public:
  TemporaryFolder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path_ + "/" + name) << content;
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "efa-topology-XXXXXX";
};

TEST(TopologyFile, TomlWithEveryKeyIsRead) {
  const auto topology = parse_topology_toml(kFullToml, "net.toml");
  ASSERT_TRUE(topology) << topology.error().text();
  expect_full(*topology);
}

TEST(TopologyFile, JsonWithEveryKeyIsReadAlike) {
  const auto topology = parse_topology_json(kFullJson, "net.json");
  ASSERT_TRUE(topology) << topology.error().text();
  expect_full(*topology);
}

TEST(TopologyFile, OneNamedHostIsEnough) {
  const auto topology = parse_topology_toml("hosts = [{ name = \"a\" }]", "net.toml");
  ASSERT_TRUE(topology) << topology.error().text();
  EXPECT_EQ(topology->hosts[0].generation, "efa2");
  EXPECT_EQ(topology->hosts[0].devices, 1u);
  EXPECT_EQ(topology->seed, 1u);
}

TEST(TopologyFile, TheFormatIsToldBySuffixThenByContent) {
  const TemporaryFolder folder;
  EXPECT_TRUE(load_topology(folder.file("a.toml", kFullToml)));
  EXPECT_TRUE(load_topology(folder.file("a.json", kFullJson)));
  EXPECT_TRUE(load_topology(folder.file("toml", kFullToml)));
  EXPECT_TRUE(load_topology(folder.file("json", kFullJson)));
  EXPECT_FALSE(load_topology(folder.file("b.toml", kFullJson)));
  EXPECT_FALSE(load_topology(folder.file("b.json", kFullToml)));
}

TEST(TopologyFile, ThatIsMissingOrAFolderOrHugeIsNamed) {
  const TemporaryFolder folder;
  const std::string missing = folder.path() + "/none.toml";
  EXPECT_EQ(
      load_topology(missing).error().text(),
      "topology file " + missing + " cannot be read: No such file or directory; check the path");
  EXPECT_EQ(load_topology(folder.path()).error().text(),
            "topology file " + folder.path() + " is a folder; name a file in it");
  const std::string huge = folder.file("huge.toml", std::string((4 << 20) + 1, '\n'));
  EXPECT_EQ(load_topology(huge).error().text(),
            "topology file " + huge +
                " is larger than 4194304 bytes; use count = N instead of listing hosts one by "
                "one");
}

TEST(TopologyFile, SyntaxErrorsNameLineAndColumn) {
  EXPECT_THAT(toml_error("seed = 1\nhosts = [\n  { name = }\n]"),
              StartsWith("net.toml:3: column "));
  EXPECT_THAT(toml_error("seed = "), HasSubstr("the file is read as TOML"));
  EXPECT_THAT(json_error("{\n  \"hosts\": [}\n"),
              StartsWith("net.json:2: column 13: syntax error"));
  EXPECT_THAT(json_error(""), HasSubstr("the file is read as JSON"));
}

TEST(TopologyFile, TextBeyondAsciiIsKeptInQuotesAndComments) {
  const auto topology = parse_topology_toml(
      "# \u00e9\nhosts = [{ name = \"a\", groups = ['gr\u00fcn~~41'] }]\n"
      "groups = [{ name = \"gr\u00fcn~~41\" }]\nlinks = [{ delay = \"3\u00b5s\" }]",
      "net.toml");
  ASSERT_TRUE(topology) << topology.error().text();
  EXPECT_EQ(topology->groups[0].name, "gr\u00fcn~~41");
  EXPECT_EQ(topology->links[0].impairment.delay, 3'000u);
  EXPECT_THAT(toml_error("\"\u00e9\" = 1"), StartsWith("net.toml:1: \u00e9 is no known key"));
}

TEST(TopologyFile, TextBeyondAsciiElsewhereIsASyntaxError) {
  EXPECT_THAT(toml_error("hosts = []\n\u00e9 = 1"), StartsWith("net.toml:2: column 1: "));
  EXPECT_EQ(toml_error("seed = 1 # \xff"), "net.toml: the file is not in UTF-8; convert it");
}

TEST(TopologyFile, UnknownKeysNameTheNearestKnownOne) {
  EXPECT_EQ(host_error("devcies = 2"),
            "net.toml:3: hosts[0].devcies is no known key; did you mean \"devices\"? Known are "
            "name, count, first, generation, devices, groups, faults");
  EXPECT_EQ(toml_error("hots = []"),
            "net.toml:1: hots is no known key; did you mean \"hosts\"? Known are hosts, links, "
            "groups, seed, transport_timeout, rnr_backoff, generation, devices");
  EXPECT_THAT(link_error("bandwith = 1"), HasSubstr("did you mean \"bandwidth\"?"));
  EXPECT_THAT(host_error("faults.rnr = [{ at = 1, times = 2 }]"),
              HasSubstr("net.toml:3: hosts[0].faults.rnr[0].times is no known key"));
  EXPECT_THAT(
      json_error(R"({"hosts": [{"name": "a"}], "groups": [{"name": "g", "alow_to": []}]})"),
      StartsWith("net.json: groups[0].alow_to is no known key; did you mean \"allow_to\"?"));
}

TEST(TopologyFile, ValuesOfTheWrongKindAreShownWithWhatIsWanted) {
  EXPECT_EQ(toml_error("hosts = [{ name = 5 }]"),
            "net.toml:1: hosts[0].name is 5; text in quotes is wanted");
  EXPECT_EQ(toml_error("hosts = 3"), "net.toml:1: hosts is 3; a list is wanted");
  EXPECT_EQ(toml_error("hosts = [3]"),
            "net.toml:1: hosts[0] is 3; a table with the keys name, count, first, generation, "
            "devices, groups, faults is wanted");
  EXPECT_EQ(host_error("groups = [1]"),
            "net.toml:3: hosts[0].groups[0] is 1; text in quotes is wanted");
  EXPECT_EQ(host_error("faults.unresponsive = \"yes\""),
            "net.toml:3: hosts[0].faults.unresponsive is \"yes\"; true or false is wanted");
  EXPECT_EQ(json_error("[]"),
            "net.json: the file is []; a table with the keys hosts, links, groups, seed, "
            "transport_timeout, rnr_backoff, generation, devices is wanted");
  EXPECT_EQ(toml_error("seed = 2020-01-01\nhosts = []"),
            "net.toml:1: seed is a date or a time; no key takes one; put text in quotes");
}

TEST(TopologyFile, NumbersOutOfRangeAreShownWithTheRange) {
  EXPECT_EQ(host_error("devices = 17"),
            "net.toml:3: hosts[0].devices is 17; a whole number from 1 to 16 is wanted");
  EXPECT_EQ(host_error("devices = 1.5"),
            "net.toml:3: hosts[0].devices is 1.5; a whole number from 1 to 16 is wanted");
  EXPECT_EQ(host_error("count = 0"),
            "net.toml:3: hosts[0].count is 0; a whole number from 1 to 1024 is wanted");
  EXPECT_EQ(host_error("count = -1"),
            "net.toml:3: hosts[0].count is -1; a whole number from 1 to 1024 is wanted");
  EXPECT_EQ(host_error("faults.rnr = [{ at = 0 }]"),
            "net.toml:3: hosts[0].faults.rnr[0].at is 0; a whole number from 1 to "
            "18446744073709551615 is wanted");
  EXPECT_EQ(toml_error("seed = \"x\"\nhosts = []"),
            "net.toml:1: seed is \"x\"; a whole number from 0 to 18446744073709551615 is wanted");
}

TEST(TopologyFile, QuantitiesFollowTheRulesOfTheCommandLine) {
  EXPECT_EQ(link_error("loss = 1.5"),
            "net.toml:3: links[0].loss is 1.5; give 0 to 1 or 0% to 100%, such as 0.05 or 5%");
  EXPECT_EQ(link_error("loss = nan"),
            "net.toml:3: links[0].loss is null; give 0 to 1 or 0% to 100%, such as 0.05 or 5%");
  EXPECT_EQ(link_error("delay = 10"),
            "net.toml:3: links[0].delay is 10; give a number with ns, us, ms, s or min, such as "
            "10us or 1.5ms");
  EXPECT_EQ(link_error("jitter = \"2 days\""),
            "net.toml:3: links[0].jitter is \"2 days\"; give a number with ns, us, ms, s or min, "
            "such as 10us or 1.5ms");
  EXPECT_EQ(link_error("bandwidth = \"fast\""),
            "net.toml:3: links[0].bandwidth is \"fast\"; give bits per second with Kbit, Mbit, "
            "Gbit or Tbit, such as 100Gbit");
  EXPECT_EQ(link_error("reorder = [0]"),
            "net.toml:3: links[0].reorder is [0]; give 0 to 1 or 0% to 100%, such as 0.05 or 5%");
}

TEST(TopologyFile, MissingKeysAreNamed) {
  EXPECT_EQ(toml_error(""), "net.toml: hosts is missing; list at least one host");
  EXPECT_EQ(toml_error("hosts = [{ devices = 1 }]"),
            "net.toml:1: hosts[0].name is missing; give name = \"...\", or name = \"node{}\" with "
            "count = N");
  EXPECT_EQ(toml_error("hosts = [{ name = \"a\" }]\ngroups = [{}]"),
            "net.toml:2: groups[0].name is missing; hosts refer to a group by its name");
  EXPECT_EQ(host_error("faults.rnr = [{ count = 2 }]"),
            "net.toml:3: hosts[0].faults.rnr[0].at is missing; give the number of the first "
            "delivery that fails, from 1");
}

TEST(TopologyFile, SeveralHostsNeedAPlaceForTheirNumber) {
  EXPECT_EQ(host_error("count = 2"),
            "net.toml:1: hosts[0].name is \"a\" for 2 hosts; put {} where the number goes, as in "
            "\"node{}\"");
}

TEST(TopologyFile, MoreHostsThanPossibleAreRefused) {
  EXPECT_EQ(toml_error("[[hosts]]\nname = \"a{}\"\ncount = 1024\n[[hosts]]\nname = \"b\""),
            "net.toml:4: hosts[1] makes it 1025 hosts; at most 1024 are possible");
  EXPECT_EQ(toml_error("hosts = []"), "net.toml: the topology has 0 hosts; give 1 to 1024");
}

TEST(TopologyFile, BrokenRulesNameTheEntryTheyComeFrom) {
  EXPECT_EQ(toml_error("[[hosts]]\nname = \"a{}\"\ncount = 3\n[[hosts]]\nname = \"a1\""),
            "net.toml:4: hosts[1]: host name \"a1\" is used twice; give every host a name of its "
            "own");
  EXPECT_EQ(toml_error("[[hosts]]\nname = \"a_{}\"\ncount = 3"),
            "net.toml:1: hosts[0]: host name \"a_0\" is no DNS label; use 1 to 63 letters, digits "
            "and inner hyphens");
  EXPECT_EQ(link_error("from = \"x\"\nboth_ways = true"),
            "net.toml:2: links[0]: link \"x\" to \"*\": there is no host \"x\"; name a host, or "
            "\"*\" for any");
  EXPECT_EQ(toml_error("hosts = [{ name = \"a\" }]\n[[groups]]\nname = \"*\""),
            "net.toml:2: groups[0]: group name \"*\" is not possible; \"*\" means any group; give "
            "a name");
  EXPECT_EQ(toml_error("rnr_backoff = \"0\"\nhosts = [{ name = \"a\" }]"),
            "net.toml: rnr_backoff is 0; give at least 1ns");
  EXPECT_THAT(json_error(R"({"hosts": [{"name": "a", "generation": "efa7"}]})"),
              StartsWith("net.json: hosts[0]: host \"a\" has the unknown generation \"efa7\";"));
}

TEST(TopologyFile, AFaultThatContradictsItselfIsRefused) {
  EXPECT_EQ(host_error("faults = { unresponsive = false, unresponsive_after = \"1s\" }"),
            "net.toml:3: hosts[0].faults.unresponsive_after contradicts unresponsive = false; "
            "remove one of the two");
}

TEST(TopologyFile, LongValuesAreCutInMessages) {
  const std::string error = toml_error("hosts = \"" + std::string(500, 'x') + "\"");
  EXPECT_THAT(error, HasSubstr("...; a list is wanted"));
  EXPECT_LT(error.size(), 120u);
}

TEST(TopologyFile, TheExamplesInTheDocumentationAreValid) {
  const std::filesystem::path examples = EFA_EXAMPLES;
  unsigned read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(examples)) {
    if (entry.path().extension() != ".toml" && entry.path().extension() != ".json") continue;
    const auto topology = load_topology(entry.path());
    EXPECT_TRUE(topology) << topology.error().text();
    ++read;
  }
  EXPECT_GE(read, 3u);
}

}  // namespace
}  // namespace efa::emu
