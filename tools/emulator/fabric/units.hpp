// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Quantities as users write them, on the command line and in topology files.
#pragma once

#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace efa::emu {

/// "0.05" or "5%": 0..1. The error names the text and what is allowed; thread-safe, as all here.
Result<double> parse_probability(std::string_view text);

/// "250ns", "10us", "1.5ms", "2s", "1min", or "0": nanoseconds, at most 24 hours.
Result<Nanoseconds> parse_duration(std::string_view text);

/// "100Gbit", "2.5Gbit/s", "400Mbps" or "100" (Gbit/s): 0 (no limit) or 1 kbit/s to 1 Pbit/s.
Result<double> parse_bandwidth_gbps(std::string_view text);

}  // namespace efa::emu
