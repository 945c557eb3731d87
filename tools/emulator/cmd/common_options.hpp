// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Options that `efa-emu run` and `efa-emu serve` share: hosts, fabric, statistics.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/stats_report.hpp"
#include "fabric/topology.hpp"

namespace efa::emu {

/// The options as typed. Text where a unit follows the number: CLI11 knows no units.
struct CommonWords {
  std::string hosts, devices, seed;
  std::string generation;
  std::string loss, reorder, duplicate, delay, jitter, bandwidth, timeout;
  std::vector<std::string> rnr_at;
  std::vector<std::string> limits;
  std::string topology;
  std::string stats;
  std::string stats_file;
  bool strict = false;
  unsigned first_host = 0;  ///< not an option: number of the first of --hosts
};

void declare_common(CLI::App& app, CommonWords& words);

/// Adds one option with a value.
CLI::Option* declare_text(CLI::App& app, const char* name, std::string& value, const char* type,
                          const char* description);

/// A whole number from `least` to `most` in decimal digits.
Result<std::uint64_t> parse_number(const char* option, const std::string& text, std::uint64_t least,
                                   std::uint64_t most);

/// The hosts and what lies between them, checked.
Result<Topology> topology_from(const CommonWords& words);

Result<StatsFormat> stats_format_from(const CommonWords& words);

/// Now rather than after a run of hours: can the statistics be written?
Result<void> try_stats_file(const std::string& path);

/// CLI11 says "--hosts: 1 required N missing" or "--hosts: At Most 1 required but received 2".
Error explain(const CLI::ParseError& problem, const char* see_help);

/// CLI11's help with our usage line.
class HelpText : public CLI::Formatter {
 public:
  explicit HelpText(std::string usage) : usage_(std::move(usage)) { column_width(34); }
  std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    // CLI11 would show the default of the value as --stats{text}.
    return option->check_lname("stats") ? "--stats[=text|json]"
                                        : CLI::Formatter::make_option_name(option, positional);
  }

 private:
  std::string usage_;
};

}  // namespace efa::emu
