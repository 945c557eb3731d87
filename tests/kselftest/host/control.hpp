// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The emulator's control port, as it appears in a guest of the lab.
#pragma once

#include <cstdint>
#include <string>

namespace efa::host {

class Control {
 public:
  /// Device `index` of this guest, in the order of PCI addresses.
  explicit Control(unsigned index = 0);

  /// The answer to {"op":OP,"device":...,MORE}; MORE is JSON, too. Throws std::runtime_error if
  /// there is none or if it says that something is wrong.
  std::string ask(const std::string& op, const std::string& more = "") const;
  /// Arms a fault of the admin queue; `opcode` as a number, `more` as above.
  void fault(int opcode, const std::string& kind, const std::string& more = "") const;
  void clear() const { ask("clear"); }
  /// A number of the statistics: the first with that name.
  std::uint64_t number(const std::string& name) const;
  /// All objects in the device but the event queues of the driver.
  std::uint64_t objects() const;

 private:
  std::string device_;
};

/// The number after "NAME": in JSON text. Throws std::runtime_error if it is not there.
std::uint64_t json_number(const std::string& text, const std::string& name);

}  // namespace efa::host
