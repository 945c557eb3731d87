// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "run_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "device/profile.hpp"
#include "fabric/topology_rules.hpp"
#include "fabric/units.hpp"

namespace efa::emu {
namespace {

constexpr const char* kSeeHelp = "`efa-emu run --help` lists the options";

constexpr const char* kExamples = R"(
Examples:
  efa-emu run -- ibv_devinfo -v
  efa-emu run --hosts 4 -- sh -c 'mpirun --hostfile $EFA_EMU_HOSTFILE --map-by node -np 4 ./a.out'
  efa-emu run --hosts 2 --loss 5% --reorder 10% --seed 7 --stats -- ./test
  efa-emu run --hosts 2 -- bash         then: efa-emu on host1 fi_pingpong -p efa -e rdm
Probabilities are written 0.05 or 5%, times 10us, 1ms or 2s. See efa-emu(1).)";

/// The options as typed. Text where a unit follows the number: CLI11 knows no units.
struct Typed {
  std::string hosts, devices, seed;
  std::string generation;
  std::string loss, reorder, duplicate, delay, jitter, bandwidth, timeout;
  std::vector<std::string> rnr_at;
  std::string topology;
  std::string mode = "auto";
  std::string stats;
  std::string stats_file;
  bool strict = false;
};

/// CLI11 does not know of the command after "--", which we split off before it looks.
class HelpText : public CLI::Formatter {
 public:
  HelpText() { column_width(34); }
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: efa-emu run [OPTIONS] -- COMMAND [ARGUMENTS]\n";
  }
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    // CLI11 would show the default of the value as --stats{text}.
    return option->check_lname("stats") ? "--stats[=text|json]"
                                        : CLI::Formatter::make_option_name(option, positional);
  }
};

void declare(CLI::App& app, Typed& typed) {
  app.formatter(std::make_shared<HelpText>());
  app.footer(kExamples);
  app.set_help_flag("-h,--help", "Show this text");
  const auto text = [&](const char* name, std::string& value, const char* type,
                        const char* description) {
    return app.add_option(name, value, description)->type_name(type)->group("Options");
  };
  text("--hosts", typed.hosts, "N", "Emulated hosts host0 .. hostN-1 (1)");
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
  text("--mode", typed.mode, "auto|one-trap|path", "How programs are led to the devices (auto)");
  app.add_flag("--stats{text}", typed.stats,
               "Print traffic per host and queue pair at the end; --stats=json for programs")
      ->group("Options");
  text("--stats-file", typed.stats_file, "F", "Write them to F instead of standard error");
  app.add_flag("--strict", typed.strict,
               "Turn tolerated driver mistakes (reserved bits, batch limits) into errors")
      ->group("Options");
}

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

/// Assigns the outcomes of parsers; keeps the first error, with the option's name (if any) before
/// it.
class Assignments {
 public:
  template <class Target, class Value>
  void set(const char* option, Target& target, const Result<Value>& value) {
    if (value) {
      target = static_cast<Target>(*value);
    } else if (!error_) {
      error_ = value.error();
      if (*option != '\0' && !error_->what.starts_with("--")) {
        error_->what = fmt::format("{}: {}", option, error_->what);
      }
    }
  }

  template <class Target, class Parser>
  void set_if_given(const char* option, const std::string& text, Target& target, Parser parse) {
    if (!text.empty()) {
      set(option, target, parse(text));
    }
  }

  Result<void> result() const {
    if (error_) {
      return tl::unexpected<Error>(*error_);
    }
    return {};
  }

 private:
  std::optional<Error> error_;
};

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

Result<Topology> uniform(const Typed& typed) {
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
  return uniform_topology(hosts, devices, generation);
}

Result<Topology> base_topology(const Typed& typed) {
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

Result<void> add_impairment(const Typed& typed, Topology& topology) {
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

Result<Nanoseconds> parse_timeout(const std::string& text) {
  auto duration = parse_duration(text);
  if (duration && *duration == 0) {
    return fail(EINVAL, fmt::format("'{}' leaves a peer no time to answer", text),
                "give a time such as 2s");
  }
  return duration;
}

Result<Topology> complete_topology(const Typed& typed) {
  auto topology = base_topology(typed);
  if (!topology) {
    return topology;
  }
  Assignments given;
  given.set_if_given("--seed", typed.seed, topology->seed, [](const std::string& text) {
    return parse_number("--seed", text, 0, UINT64_MAX);
  });
  given.set_if_given("--timeout", typed.timeout, topology->transport_timeout, parse_timeout);
  for (const auto& step : {given.result(), add_impairment(typed, *topology),
                           add_rnr_faults(typed.rnr_at, *topology), validate(*topology)}) {
    if (!step) {
      return tl::unexpected<Error>(step.error());
    }
  }
  return topology;
}

Result<Mode> parse_mode(const std::string& text) {
  if (text == "auto") return Mode::kAuto;
  if (text == "one-trap") return Mode::kOneTrap;
  if (text == "path") return Mode::kPath;
  return fail(EINVAL, fmt::format("there is no mode '{}'", text),
              "choose one of auto, one-trap, path");
}

Result<StatsFormat> parse_stats(const Typed& typed) {
  if (typed.stats == "text") return StatsFormat::kText;
  if (typed.stats == "json") return StatsFormat::kJson;
  if (typed.stats.empty()) {
    return typed.stats_file.empty() ? StatsFormat::kNone : StatsFormat::kText;
  }
  return fail(EINVAL, fmt::format("there is no format '{}'", typed.stats),
              "write --stats, --stats=text or --stats=json");
}

/// Now rather than after a run of hours: can the statistics be written?
Result<void> try_stats_file(const std::string& path) {
  if (path.empty() || std::ofstream(path)) {
    return {};
  }
  return fail(errno, fmt::format("--stats-file: cannot write {}: {}", path, std::strerror(errno)),
              "name a file in a folder that you can write to");
}

Result<RunOptions> options_from(const Typed& typed) {
  RunOptions options;
  Assignments given;
  given.set("--mode", options.mode, parse_mode(typed.mode));
  given.set("--stats", options.stats, parse_stats(typed));
  given.set("", options.topology, complete_topology(typed));
  if (auto good = given.result(); !good) {
    return tl::unexpected<Error>(good.error());
  }
  if (auto writable = try_stats_file(typed.stats_file); !writable) {
    return tl::unexpected<Error>(writable.error());
  }
  options.stats_file = typed.stats_file;
  options.device.strict = typed.strict;
  return options;
}

/// CLI11 says "--hosts: 1 required N missing" or "--hosts: At Most 1 required but received 2".
Error explain(const CLI::ParseError& problem) {
  const std::string text = problem.what();
  const std::string option = text.substr(0, text.find(':'));
  if (text.ends_with("missing")) {
    return {EINVAL, option + " has no value", kSeeHelp};
  }
  if (text.find("but received") != std::string::npos) {
    return {EINVAL, option + " is given more than once", "give it once"};
  }
  return {EINVAL, text, kSeeHelp};
}

Error unexpected_word(const std::string& word, bool separated) {
  if (word.starts_with("-")) {
    return {EINVAL, fmt::format("there is no option '{}'", word), kSeeHelp};
  }
  return {EINVAL, fmt::format("'{}' is no option", word),
          separated ? kSeeHelp : "write -- before the command: efa-emu run [OPTIONS] -- COMMAND"};
}

}  // namespace

Result<RunRequest> parse_run(const std::vector<std::string>& words) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  const bool separated = separator != words.end();

  CLI::App app("Runs COMMAND and everything below it on emulated hosts with EFA devices.",
               "efa-emu run");
  app.allow_extras();
  Typed typed;
  declare(app, typed);
  try {
    // CLI11 takes the words last first.
    app.parse(std::vector<std::string>(std::make_reverse_iterator(separator), words.rend()));
  } catch (const CLI::CallForHelp&) {
    return RunRequest{{}, app.help()};
  } catch (const CLI::ParseError& problem) {
    return tl::unexpected<Error>(explain(problem));
  }
  if (const auto extras = app.remaining(); !extras.empty()) {
    return tl::unexpected<Error>(unexpected_word(extras.front(), separated));
  }
  auto options = options_from(typed);
  if (!options) {
    return tl::unexpected<Error>(options.error());
  }
  options->command.assign(separated ? separator + 1 : separator, words.end());
  if (options->command.empty()) {
    return fail(EINVAL, "there is no command to run",
                "name one after --: efa-emu run [OPTIONS] -- COMMAND");
  }
  return RunRequest{std::move(*options), std::nullopt};
}

}  // namespace efa::emu
