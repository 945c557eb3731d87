// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <unordered_set>

#include "fabric/topology_rules.hpp"

namespace efa::emu {
namespace {

/// The device model has the profiles; the fabric, below it, knows only their names.
constexpr std::array<std::string_view, 5> kGenerations{"efa0", "efa1", "efa2", "efa3", "efa4"};
constexpr std::string_view kAny = "*";

using MaybeFault = std::optional<Fault>;
using Names = std::unordered_set<std::string>;

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool dns_label(const std::string& name) {
  return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return letter_or_digit(c) || c == '-'; });
}

std::string lower(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

MaybeFault fault(Fault::Part part, std::size_t index, std::string what, std::string cure) {
  return Fault{part, index, std::move(what), std::move(cure)};
}

Names group_names(const Topology& topology) {
  Names names;
  for (const SecurityGroup& group : topology.groups) names.insert(group.name);
  return names;
}

std::string group_list(const Topology& topology) {
  if (topology.groups.empty()) return "no group is defined";
  std::string list = "defined are";
  for (const SecurityGroup& group : topology.groups)
    list += fmt::format("{} \"{}\"", &group == &topology.groups.front() ? "" : ",", group.name);
  return list;
}

MaybeFault host_fault(const Topology& topology, std::size_t index, const Names& groups) {
  const HostSpec& host = topology.hosts[index];
  const auto at = [&](std::string what, std::string cure) {
    return fault(Fault::Part::kHost, index, std::move(what), std::move(cure));
  };
  if (!dns_label(host.name))
    return at(fmt::format("host name \"{}\" is no DNS label", host.name),
              "use 1 to 63 letters, digits and inner hyphens");
  if (host.devices < 1 || host.devices > kMaxDevicesPerHost)
    return at(fmt::format("host \"{}\" has {} devices", host.name, host.devices),
              fmt::format("give 1 to {}", kMaxDevicesPerHost));
  if (std::find(kGenerations.begin(), kGenerations.end(), host.generation) == kGenerations.end())
    return at(
        fmt::format("host \"{}\" has the unknown generation \"{}\"", host.name, host.generation),
        fmt::format("known are {}", fmt::join(kGenerations, ", ")));
  for (const std::string& group : host.groups)
    if (!groups.contains(group))
      return at(fmt::format("host \"{}\" is in the undefined group \"{}\"", host.name, group),
                group_list(topology));
  for (const RnrFault& rnr : host.rnr)
    if (rnr.first < 1 || rnr.count < 1)
      return at(fmt::format("host \"{}\" has an RNR fault at {} with count {}", host.name,
                            rnr.first, rnr.count),
                "both count from 1");
  return std::nullopt;
}

MaybeFault hosts_fault(const Topology& topology) {
  if (topology.hosts.empty() || topology.hosts.size() > kMaxHosts)
    return fault(Fault::Part::kWhole, 0,
                 fmt::format("the topology has {} hosts", topology.hosts.size()),
                 fmt::format("give 1 to {}", kMaxHosts));
  const Names groups = group_names(topology);
  Names names;
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    if (MaybeFault found = host_fault(topology, i, groups)) return found;
    // Host names are compared as DNS does.
    if (!names.insert(lower(topology.hosts[i].name)).second)
      return fault(Fault::Part::kHost, i,
                   fmt::format("host name \"{}\" is used twice", topology.hosts[i].name),
                   "give every host a name of its own");
  }
  return std::nullopt;
}

bool probability(double value) {
  return value >= 0 && value <= 1;
}

MaybeFault link_fault(const Topology& topology, std::size_t index, const Names& hosts) {
  const LinkSpec& link = topology.links[index];
  const auto at = [&](std::string what, std::string cure) {
    return fault(Fault::Part::kLink, index,
                 fmt::format("link \"{}\" to \"{}\": {}", link.from, link.to, what),
                 std::move(cure));
  };
  for (const std::string& end : {link.from, link.to})
    if (end != kAny && !hosts.contains(end))
      return at(fmt::format("there is no host \"{}\"", end), "name a host, or \"*\" for any");
  const Impairment& impairment = link.impairment;
  if (!probability(impairment.loss)) return at("loss is out of range", "give 0 to 1");
  if (!probability(impairment.reorder)) return at("reorder is out of range", "give 0 to 1");
  if (!probability(impairment.duplicate)) return at("duplicate is out of range", "give 0 to 1");
  if (!(impairment.bandwidth_gbps >= 0) || !std::isfinite(impairment.bandwidth_gbps))
    return at("bandwidth is out of range", "give 0 (no limit) or more");
  return std::nullopt;
}

MaybeFault links_fault(const Topology& topology) {
  Names hosts;
  for (const HostSpec& host : topology.hosts) hosts.insert(host.name);
  for (std::size_t i = 0; i < topology.links.size(); ++i)
    if (MaybeFault found = link_fault(topology, i, hosts)) return found;
  return std::nullopt;
}

MaybeFault groups_fault(const Topology& topology) {
  const Names names = group_names(topology);
  Names seen;
  for (std::size_t i = 0; i < topology.groups.size(); ++i) {
    const SecurityGroup& group = topology.groups[i];
    const auto at = [&](std::string what, std::string cure) {
      return fault(Fault::Part::kGroup, i, std::move(what), std::move(cure));
    };
    if (group.name.empty() || group.name == kAny)
      return at(fmt::format("group name \"{}\" is not possible", group.name),
                "\"*\" means any group; give a name");
    if (!seen.insert(group.name).second)
      return at(fmt::format("group \"{}\" is defined twice", group.name), "merge the two");
    for (const auto* list : {&group.allow_from, &group.allow_to})
      for (const std::string& other : *list)
        if (other != kAny && !names.contains(other))
          return at(
              fmt::format("group \"{}\" allows the undefined group \"{}\"", group.name, other),
              group_list(topology));
  }
  return std::nullopt;
}

bool matches(const std::string& pattern, const std::string& name) {
  return pattern == kAny || pattern == name;
}

/// Whether one of `own` groups lists the other host in its `list`.
bool lets(const Topology& topology, const HostSpec& own, const HostSpec& other,
          std::vector<std::string> SecurityGroup::*list) {
  if (own.groups.empty()) return true;
  for (const SecurityGroup& group : topology.groups) {
    if (!contains(own.groups, group.name)) continue;
    for (const std::string& name : group.*list)
      if (name == kAny || contains(other.groups, name)) return true;
  }
  return false;
}

}  // namespace

Topology uniform_topology(unsigned count, unsigned devices_per_host, const std::string& generation,
                          unsigned first) {
  Topology topology;
  topology.hosts.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    HostSpec& host = topology.hosts[i];
    host.name = fmt::format("host{}", first + i);
    host.devices = devices_per_host;
    host.generation = generation;
  }
  return topology;
}

std::optional<Fault> first_fault(const Topology& topology) {
  if (MaybeFault found = hosts_fault(topology)) return found;
  if (MaybeFault found = groups_fault(topology)) return found;
  if (MaybeFault found = links_fault(topology)) return found;
  if (topology.transport_timeout == 0)
    return fault(Fault::Part::kWhole, 0, "transport_timeout is 0", "give at least 1ns");
  if (topology.rnr_backoff == 0)
    return fault(Fault::Part::kWhole, 0, "rnr_backoff is 0", "give at least 1ns");
  return std::nullopt;
}

Result<void> validate(const Topology& topology) {
  if (auto found = first_fault(topology))
    return fail(EINVAL, std::move(found->what), std::move(found->cure));
  return {};
}

Impairment impairment_between(const Topology& topology, std::size_t from, std::size_t to) {
  const std::string& sender = topology.hosts[from].name;
  const std::string& receiver = topology.hosts[to].name;
  Impairment impairment;
  for (const LinkSpec& link : topology.links)
    if (matches(link.from, sender) && matches(link.to, receiver)) impairment = link.impairment;
  return impairment;
}

bool traffic_allowed(const Topology& topology, std::size_t from, std::size_t to) {
  const HostSpec& sender = topology.hosts[from];
  const HostSpec& receiver = topology.hosts[to];
  return from == to || (lets(topology, sender, receiver, &SecurityGroup::allow_to) &&
                        lets(topology, receiver, sender, &SecurityGroup::allow_from));
}

}  // namespace efa::emu
