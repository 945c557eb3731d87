// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve_options.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include "assignments.hpp"
#include "common_options.hpp"
#include "efa_hw.h"
#include "fabric/units.hpp"

namespace efa::emu {
namespace {

constexpr const char* kSeeHelp = "`efa-emu serve --help` lists the options";
constexpr const char* kUsage = "Usage: efa-emu serve --dir DIR [OPTIONS]\n";

constexpr const char* kExamples = R"(
Examples:
  efa-emu serve --dir /run/efa --hosts 2 &
  qemu-system-x86_64 -machine q35,memory-backend=ram -m 1G \
      -object memory-backend-memfd,id=ram,size=1G,share=on \
      -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/efa/host1-0.sock"}}' ...
There is one socket HOST-DEVICE.sock per device, and control.sock for faults and counters.
Probabilities are written 0.05 or 5%, times 10us, 1ms or 2s. See efa-emu(1).)";

struct Typed : CommonWords {
  Typed() { first_host = 1; }  // as virtual machines are usually counted
  std::string directory;
  std::string doorbells = "trapped";
  std::string api_version;
  std::string admin_timeout;
};

void declare(CLI::App& app, Typed& typed) {
  app.formatter(std::make_shared<HelpText>(kUsage));
  app.footer(kExamples);
  app.set_help_flag("-h,--help", "Show this text");
  declare_text(app, "--dir", typed.directory, "DIR", "Directory of the sockets, made if missing");
  declare_common(app, typed);
  declare_text(app, "--doorbells", typed.doorbells, "trapped|mapped",
               "Doorbell stores one by one, or through shared memory for speed (trapped)");
  declare_text(app, "--api-version", typed.api_version, "0.1|0.2|0.3",
               "Level of the admin interface (as the generation has it)");
  declare_text(app, "--admin-timeout", typed.admin_timeout, "T",
               "Time that drivers give an admin command, 100ms to 1500ms (30s)");
}

Result<Doorbells> parse_doorbells(const std::string& text) {
  if (text == "trapped") return Doorbells::kTrapped;
  if (text == "mapped") return Doorbells::kShared;
  return fail(EINVAL, fmt::format("there are no '{}' doorbells", text), "choose trapped or mapped");
}

Result<std::uint16_t> parse_api_version(const std::string& text) {
  if (text.empty()) return std::uint16_t{0};
  if (text == "0.1") return std::uint16_t{EFA_API_VERSION_BASE};
  if (text == "0.2") return std::uint16_t{EFA_API_VERSION_ACQ_CRC};
  if (text == "0.3") return std::uint16_t{EFA_API_VERSION_AQ_V2};
  return fail(EINVAL, fmt::format("there is no level '{}'", text), "choose 0.1, 0.2 or 0.3");
}

/// In the unit of the register.
Result<std::uint8_t> parse_admin_timeout(const std::string& text) {
  constexpr Nanoseconds kUnit = 100'000'000, kMost = 15;
  if (text.empty()) return std::uint8_t{0};
  const auto time = parse_duration(text);
  if (!time) return tl::unexpected<Error>(time.error());
  const Nanoseconds units = *time / kUnit;
  if (units >= 1 && units <= kMost && *time % kUnit == 0) return static_cast<std::uint8_t>(units);
  return fail(EINVAL, fmt::format("devices cannot ask for an admin timeout of {}", text),
              "choose a multiple of 100ms, at most 1500ms");
}

Result<ServeOptions> options_from(const Typed& typed) {
  if (typed.directory.empty())
    return fail(EINVAL, "there is no directory for the sockets",
                "name one: efa-emu serve --dir DIR");
  ServeOptions options;
  options.directory = typed.directory;
  options.stats_file = typed.stats_file;
  options.device.strict = typed.strict;
  Assignments given;
  given.set("--doorbells", options.doorbells, parse_doorbells(typed.doorbells));
  given.set("--api-version", options.device.api_version, parse_api_version(typed.api_version));
  given.set("--admin-timeout", options.device.admin_timeout,
            parse_admin_timeout(typed.admin_timeout));
  given.set("--stats", options.stats, stats_format_from(typed));
  given.set("", options.topology, topology_from(typed));
  if (auto good = given.result(); !good) return tl::unexpected<Error>(good.error());
  if (auto writable = try_stats_file(typed.stats_file); !writable)
    return tl::unexpected<Error>(writable.error());
  return options;
}

}  // namespace

Result<ServeRequest> parse_serve(const std::vector<std::string>& words) {
  CLI::App app("Offers emulated EFA devices to virtual machines as PCI functions (vfio-user).",
               "efa-emu serve");
  app.allow_extras();
  Typed typed;
  declare(app, typed);
  try {
    // CLI11 takes the words last first.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    return ServeRequest{{}, app.help()};
  } catch (const CLI::ParseError& problem) {
    return tl::unexpected<Error>(explain(problem, kSeeHelp));
  }
  if (const auto extras = app.remaining(); !extras.empty())
    return fail(EINVAL, fmt::format("there is no option '{}'", extras.front()), kSeeHelp);
  auto options = options_from(typed);
  if (!options) return tl::unexpected<Error>(options.error());
  return ServeRequest{std::move(*options), std::nullopt};
}

}  // namespace efa::emu
