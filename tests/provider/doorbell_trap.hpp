// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Sees every single store to a doorbell page, in order, with what is true at that moment. The page
/// is made inaccessible; each store faults, is let through alone, and is written down.
///
/// For one thread and for x86-64.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rings.hpp"

namespace efa::provider_test {

class DoorbellTrap {
 public:
  struct Store {
    std::uint32_t offset;  ///< in the page
    std::uint32_t value;
  };

  /// Traps the page of `doorbell`. `observe`, if given, is called after each store, in a signal
  /// handler: it may look at memory and must not allocate.
  explicit DoorbellTrap(const Doorbell& doorbell,
                        std::function<void(const Store&)> observe = nullptr);
  ~DoorbellTrap();
  DoorbellTrap(const DoorbellTrap&) = delete;
  DoorbellTrap& operator=(const DoorbellTrap&) = delete;

  /// Values stored to the doorbell so far.
  std::vector<std::uint32_t> values() const;

 private:
  std::uint32_t offset_;
};

}  // namespace efa::provider_test
