// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Waiting for what nobody announces.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>

namespace efa::host {

/// Looks at `condition` until it holds; false if it does not within `limit`.
inline bool wait_until(const std::function<bool()>& condition, std::chrono::seconds limit) {
  constexpr int kPause = 5;  // ms
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, kPause);
  }
  return true;
}

}  // namespace efa::host
