// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Single limits and capabilities of a generation, changed by name: devices that no generation
/// describes, for tests of the software above them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "device/profile.hpp"

namespace efa::emu {

/// Sets the limit or capability `name` ("max_tx_batch", "rdma_write") of `profile`. The error names
/// the value, what is allowed, or the names that exist.
Result<void> set_limit(Profile& profile, std::string_view name, std::uint64_t value);

/// The generation `name` with those of its limits changed.
Result<Profile> adjusted_profile(std::string_view name,
                                 const std::vector<std::pair<std::string, std::uint64_t>>& limits);

/// All names, separated by commas.
std::string limit_names();

}  // namespace efa::emu
