// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "run_options.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <utility>

#include "assignments.hpp"
#include "common_options.hpp"

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

constexpr const char* kUsage = "Usage: efa-emu run [OPTIONS] -- COMMAND [ARGUMENTS]\n";

struct Typed : CommonWords {
  std::string mode = "auto";
  std::string copy_threads;
};

/// CLI11 does not know of the command after "--", which we split off before it looks.
void declare(CLI::App& app, Typed& typed) {
  app.formatter(std::make_shared<HelpText>(kUsage));
  app.footer(kExamples);
  app.set_help_flag("-h,--help", "Show this text");
  declare_common(app, typed);
  declare_text(app, "--mode", typed.mode, "auto|one-trap|path",
               "How programs are led to the devices (auto)");
  declare_text(app, "--copy-threads", typed.copy_threads, "N",
               "Threads that may share a long copy: 1, or 2 where a core is free (2)");
}

Result<Mode> parse_mode(const std::string& text) {
  if (text == "auto") return Mode::kAuto;
  if (text == "one-trap") return Mode::kOneTrap;
  if (text == "path") return Mode::kPath;
  return fail(EINVAL, fmt::format("there is no mode '{}'", text),
              "choose one of auto, one-trap, path");
}

Result<RunOptions> options_from(const Typed& typed) {
  RunOptions options;
  Assignments given;
  given.set("--mode", options.mode, parse_mode(typed.mode));
  given.set_if_given(
      "--copy-threads", typed.copy_threads, options.copy_threads,
      [](const std::string& text) { return parse_number("--copy-threads", text, 1, 2); });
  given.set("--stats", options.stats, stats_format_from(typed));
  given.set("", options.topology, topology_from(typed));
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
    return tl::unexpected<Error>(explain(problem, kSeeHelp));
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
