// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Faults that the kernel injects into this thread: the Nth allocation or copy from or to user
/// memory that it does for us fails (Documentation/fault-injection of the kernel, fail-nth).
#pragma once

#include <functional>
#include <set>
#include <string>

namespace efa::faults {

/// What one sweep over all faults of an operation saw.
struct Sweep {
  unsigned hit = 0;        ///< faults that were injected
  unsigned tolerated = 0;  ///< of these, the operation succeeded all the same
  std::set<int> errors;    ///< what it said otherwise
  std::string text() const;
};

/// Runs `operation` (errno or 0) with the 1st, 2nd, ... fault until it ends before its fault is
/// due; `undo` after each success and `repair` after each failure, without faults. An operation
/// that fails without a fault fails the test. Throws where the kernel cannot inject faults.
Sweep sweep(
    const std::function<int()>& operation, const std::function<void()>& undo,
    const std::function<void()>& repair = [] {});

}  // namespace efa::faults
