// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Where the device's MSI-X messages go.
#pragma once

namespace efa::emu {

class InterruptSink {
 public:
  virtual ~InterruptSink() = default;
  /// Raises MSI-X table entry `vector`. Called after everything it announces is visible.
  virtual void signal(unsigned vector) noexcept = 0;
};

}  // namespace efa::emu
