// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What a topology must fulfil, with the place of the first fault, so that a file reader can name
/// the line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/topology.hpp"

namespace efa::emu {

inline constexpr unsigned kMaxHosts = 1024;
inline constexpr unsigned kMaxDevicesPerHost = 16;

/// The first rule that a topology breaks.
struct Fault {
  enum class Part { kWhole, kHost, kLink, kGroup };
  Part part = Part::kWhole;
  std::size_t index = 0;  ///< in hosts, links or groups
  std::string what;       ///< starts with the subject's name
  std::string cure;
};

std::optional<Fault> first_fault(const Topology& topology);

}  // namespace efa::emu
