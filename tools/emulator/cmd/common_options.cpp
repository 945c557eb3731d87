// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "common_options.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <utility>

#include "assignments.hpp"
#include "device/profile.hpp"
#include "device/profile_limits.hpp"
#include "fabric/topology_rules.hpp"
#include "fabric/units.hpp"

namespace efa::emu {
namespace {

Result<std::string> known_generation(const std::string& name) {
  if (find_profile(name) != nullptr) {
    return name;
  }
  std::string known;
  for (const Profile& profile : profiles()) {
    known += (known.empty() ? "" : ", ") + std::string(profile.name);
  }
  return fail(EINVAL, fmt::format("there is no generation '{}'", name), "choose one of " + known);
}

Result<Topology> uniform(const CommonWords& typed) {
  unsigned hosts = 1;
  unsigned devices = 1;
  std::string generation(kDefaultGeneration);
  Assignments given;
  given.set_if_given("--hosts", typed.hosts, hosts, [](const std::string& text) {
    return parse_number("--hosts", text, 1, kMaxHosts);
  });
  given.set_if_given("--devices-per-host", typed.devices, devices, [](const std::string& text) {
    return parse_number("--devices-per-host", text, 1, kMaxDevicesPerHost);
  });
  given.set_if_given("--generation", typed.generation, generation, known_generation);
  if (auto good = given.result(); !good) {
    return tl::unexpected<Error>(good.error());
  }
  return uniform_topology(hosts, devices, generation, typed.first_host);
}

Result<Topology> base_topology(const CommonWords& typed) {
  if (typed.topology.empty()) {
    return uniform(typed);
  }
  const std::pair<const char*, const std::string&> describing[] = {
      {"--hosts", typed.hosts},
      {"--devices-per-host", typed.devices},
      {"--generation", typed.generation}};
  for (const auto& [option, value] : describing) {
    if (!value.empty()) {
      return fail(EINVAL, fmt::format("{} and --topology contradict each other", option),
                  "describe the hosts in the topology file alone");
    }
  }
  return load_topology(typed.topology);
}

Result<void> add_impairment(const CommonWords& typed, Topology& topology) {
  Impairment wanted;
  Assignments given;
  given.set_if_given("--loss", typed.loss, wanted.loss, parse_probability);
  given.set_if_given("--reorder", typed.reorder, wanted.reorder, parse_probability);
  given.set_if_given("--duplicate", typed.duplicate, wanted.duplicate, parse_probability);
  given.set_if_given("--delay", typed.delay, wanted.delay, parse_duration);
  given.set_if_given("--jitter", typed.jitter, wanted.jitter, parse_duration);
  given.set_if_given("--bandwidth", typed.bandwidth, wanted.bandwidth_gbps, parse_bandwidth_gbps);
  if (!wanted.perfect()) {
    // First, so that the links which a topology file describes keep their own properties.
    topology.links.insert(topology.links.begin(), LinkSpec{"*", "*", wanted});
  }
  return given.result();
}

struct RnrRequest {
  std::string host;
  RnrFault fault;
};

Result<RnrRequest> parse_rnr(const std::string& text) {
  constexpr const char* kOption = "--rnr-at";
  const std::size_t first = text.find(':');
  if (first == std::string::npos || first == 0) {
    return fail(EINVAL, fmt::format("{}: '{}' is not of the form HOST:N[:COUNT]", kOption, text),
                "for example --rnr-at host1:10:3");
  }
  const std::size_t second = std::min(text.find(':', first + 1), text.size());
  RnrRequest request{text.substr(0, first), {}};
  Assignments given;
  given.set(kOption, request.fault.first,
            parse_number(kOption, text.substr(first + 1, second - first - 1), 1, UINT64_MAX));
  if (second < text.size()) {
    given.set(kOption, request.fault.count,
              parse_number(kOption, text.substr(second + 1), 1, UINT64_MAX));
  }
  if (auto good = given.result(); !good) {
    return tl::unexpected<Error>(good.error());
  }
  return request;
}

Result<void> add_rnr_faults(const std::vector<std::string>& texts, Topology& topology) {
  for (const std::string& text : texts) {
    const auto request = parse_rnr(text);
    if (!request) {
      return tl::unexpected<Error>(request.error());
    }
    const auto host = std::find_if(topology.hosts.begin(), topology.hosts.end(),
                                   [&](const HostSpec& h) { return h.name == request->host; });
    if (host == topology.hosts.end()) {
      return fail(EINVAL, fmt::format("--rnr-at: there is no host '{}'", request->host),
                  fmt::format("the hosts are {} to {}", topology.hosts.front().name,
                              topology.hosts.back().name));
    }
    host->rnr.push_back(request->fault);
  }
  return {};
}

Result<void> add_limits(const std::vector<std::string>& texts, Topology& topology) {
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
      return fail(EINVAL, fmt::format("--limit: '{}' is not of the form NAME=VALUE", text),
                  "for example --limit max_tx_batch=4; the names are " + limit_names());
    const auto value = parse_number("--limit", text.substr(equals + 1), 0, UINT32_MAX);
    if (!value) return tl::unexpected<Error>(value.error());
    for (HostSpec& host : topology.hosts) host.limits.emplace_back(text.substr(0, equals), *value);
  }
  for (const HostSpec& host : topology.hosts)
    if (const auto profile = adjusted_profile(host.generation, host.limits); !profile)
      return fail(EINVAL, "--limit: " + profile.error().what, profile.error().cure);
  return {};
}

Result<Nanoseconds> parse_timeout(const std::string& text) {
  auto duration = parse_duration(text);
  if (duration && *duration == 0) {
    return fail(EINVAL, fmt::format("'{}' leaves a peer no time to answer", text),
                "give a time such as 2s");
  }
  return duration;
}

}  // namespace

Result<std::uint64_t> parse_number(const char* option, const std::string& text, std::uint64_t least,
                                   std::uint64_t most) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < least || number > most) {
    return fail(EINVAL,
                fmt::format("{}: '{}' is no number from {} to {}", option, text, least, most),
                "write it in decimal digits");
  }
  return number;
}

CLI::Option* declare_text(CLI::App& app, const char* name, std::string& value, const char* type,
                          const char* description) {
  return app.add_option(name, value, description)->type_name(type)->group("Options");
}

void declare_common(CLI::App& app, CommonWords& typed) {
  const auto text = [&](const char* name, std::string& value, const char* type,
                        const char* description) {
    declare_text(app, name, value, type, description);
  };
  text("--hosts", typed.hosts, "N",
       typed.first_host == 0 ? "Emulated hosts host0 .. hostN-1 (1)"
                             : "Emulated hosts host1 .. hostN (1)");
  text("--devices-per-host", typed.devices, "M", "EFA devices of each host (1)");
  text("--generation", typed.generation, "efaK",
       "Device generation (efa2); see efa-emu generations");
  text("--topology", typed.topology, "FILE",
       "Hosts, links and security groups from a TOML/JSON file");
  text("--loss", typed.loss, "P", "Probability that a packet is lost");
  text("--reorder", typed.reorder, "P", "Probability that a packet is overtaken by later ones");
  text("--duplicate", typed.duplicate, "P", "Probability that a packet arrives twice");
  text("--delay", typed.delay, "T", "Delay of every packet, one way");
  text("--jitter", typed.jitter, "T", "Further random delay, 0 to T");
  text("--bandwidth", typed.bandwidth, "GBPS", "Bandwidth of each direction in Gbit/s");
  text("--seed", typed.seed, "S", "Seed of everything random: the same seed replays a run (1)");
  text("--timeout", typed.timeout, "T", "Time until a silent peer counts as unresponsive (2s)");
  app.add_option("--rnr-at", typed.rnr_at,
                 "HOST answers receiver-not-ready to its delivery number N (and COUNT-1 more)")
      ->type_name("HOST:N[:COUNT]")
      ->allow_extra_args(false)
      ->group("Options");
  app.add_option("--limit", typed.limits,
                 "Devices differ from their generation in this limit or capability")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->group("Options");
  app.add_flag("--stats{text}", typed.stats,
               "Print traffic per host and queue pair at the end; --stats=json for programs")
      ->group("Options");
  text("--stats-file", typed.stats_file, "F", "Write them to F instead of standard error");
  app.add_flag("--strict", typed.strict,
               "Turn tolerated driver mistakes (reserved bits, batch limits) into errors")
      ->group("Options");
}

Result<Topology> topology_from(const CommonWords& typed) {
  auto topology = base_topology(typed);
  if (!topology) {
    return topology;
  }
  Assignments given;
  given.set_if_given("--seed", typed.seed, topology->seed, [](const std::string& text) {
    return parse_number("--seed", text, 0, UINT64_MAX);
  });
  given.set_if_given("--timeout", typed.timeout, topology->transport_timeout, parse_timeout);
  for (const auto& step :
       {given.result(), add_impairment(typed, *topology), add_rnr_faults(typed.rnr_at, *topology),
        validate(*topology), add_limits(typed.limits, *topology)}) {
    if (!step) {
      return tl::unexpected<Error>(step.error());
    }
  }
  return topology;
}

Result<StatsFormat> stats_format_from(const CommonWords& typed) {
  if (typed.stats == "text") return StatsFormat::kText;
  if (typed.stats == "json") return StatsFormat::kJson;
  if (typed.stats.empty()) {
    return typed.stats_file.empty() ? StatsFormat::kNone : StatsFormat::kText;
  }
  return fail(EINVAL, fmt::format("there is no format '{}'", typed.stats),
              "write --stats, --stats=text or --stats=json");
}

Result<void> try_stats_file(const std::string& path) {
  if (path.empty() || std::ofstream(path)) {
    return {};
  }
  return fail(errno, fmt::format("--stats-file: cannot write {}: {}", path, std::strerror(errno)),
              "name a file in a folder that you can write to");
}

Error explain(const CLI::ParseError& problem, const char* see_help) {
  const std::string text = problem.what();
  const std::string option = text.substr(0, text.find(':'));
  if (text.ends_with("missing")) {
    return {EINVAL, option + " has no value", see_help};
  }
  if (text.find("but received") != std::string::npos) {
    return {EINVAL, option + " is given more than once", "give it once"};
  }
  return {EINVAL, text, see_help};
}

}  // namespace efa::emu
