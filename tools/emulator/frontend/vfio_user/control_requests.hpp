// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The requests of the control socket: faults, events and counters of the served devices.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "frontend/vfio_user/port.hpp"

namespace efa::emu::vfio_user {

/// Carries out one request, a JSON object, and returns the reply, one too, as text without line
/// ends: {"ok":true,...} or {"ok":false,"error":"..."}.
std::string answer_control_request(std::string_view request, std::vector<Port>& ports,
                                   Nanoseconds now);

}  // namespace efa::emu::vfio_user
