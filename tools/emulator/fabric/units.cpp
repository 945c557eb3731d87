// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/units.hpp"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

namespace efa::emu {
namespace {

struct Quantity {
  double number = 0;
  std::string_view unit;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// A finite decimal number >= 0 and whatever follows it.
std::optional<Quantity> split(std::string_view text) {
  text = trimmed(text);
  Quantity quantity;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc{} || !std::isfinite(quantity.number) || std::signbit(quantity.number))
    return std::nullopt;
  quantity.unit = trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  return quantity;
}

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kDurations[] = {
    {"ns", 1}, {"us", 1e3}, {"\u00b5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9},
};
constexpr double kLongestDuration = 24 * 3600e9;

constexpr Unit kBandwidths[] = {
    {"", 1},       {"Kbit", 1e-6}, {"kbit", 1e-6}, {"Mbit", 1e-3}, {"Gbit", 1},
    {"Tbit", 1e3}, {"Kbps", 1e-6}, {"kbps", 1e-6}, {"Mbps", 1e-3}, {"Gbps", 1},
    {"Tbps", 1e3}, {"Kb", 1e-6},   {"Mb", 1e-3},   {"Gb", 1},
};
constexpr double kSlowestGbps = 1e-6;
constexpr double kFastestGbps = 1e6;

std::optional<double> factor(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units)
    if (unit.name == name) return unit.factor;
  return std::nullopt;
}

}  // namespace

Result<double> parse_probability(std::string_view text) {
  const auto quantity = split(text);
  const double scale = quantity && quantity->unit == "%" ? 0.01 : 1;
  if (!quantity || (scale == 1 && !quantity->unit.empty()) || quantity->number * scale > 1)
    return fail(EINVAL, fmt::format("\"{}\" is no probability", text),
                "give 0 to 1 or 0% to 100%, such as 0.05 or 5%");
  return quantity->number * scale;
}

Result<Nanoseconds> parse_duration(std::string_view text) {
  const auto quantity = split(text);
  if (quantity && quantity->unit.empty() && quantity->number == 0) return Nanoseconds{0};
  const auto scale = quantity ? factor(kDurations, quantity->unit) : std::nullopt;
  if (!scale)
    return fail(EINVAL, fmt::format("\"{}\" is no duration", text),
                "give a number with ns, us, ms, s or min, such as 10us or 1.5ms");
  if (quantity->number * *scale > kLongestDuration)
    return fail(ERANGE, fmt::format("\"{}\" is too long a duration", text),
                "give at most 24 hours (1440min)");
  return static_cast<Nanoseconds>(std::llround(quantity->number * *scale));
}

Result<double> parse_bandwidth_gbps(std::string_view text) {
  const auto quantity = split(text);
  std::string_view unit = quantity ? quantity->unit : std::string_view{};
  if (unit.ends_with("bit/s") || unit.ends_with("b/s")) unit.remove_suffix(2);
  const auto scale = quantity ? factor(kBandwidths, unit) : std::nullopt;
  if (!scale)
    return fail(EINVAL, fmt::format("\"{}\" is no bandwidth", text),
                "give bits per second with Kbit, Mbit, Gbit or Tbit, such as 100Gbit");
  const double gbps = quantity->number * *scale;
  if (gbps != 0 && (gbps < kSlowestGbps || gbps > kFastestGbps))
    return fail(ERANGE, fmt::format("\"{}\" is no possible bandwidth", text),
                "give 1Kbit to 1000Tbit, or 0 for no limit");
  return gbps;
}

}  // namespace efa::emu
