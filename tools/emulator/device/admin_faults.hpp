// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Faults that a test arms on the admin queue, to see what a driver does about them. A device has
/// none of this until the first one is armed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace efa::emu {

struct AdminFault {
  enum class Kind : std::uint8_t {
    kStatus,      ///< not executed, fails with `status`
    kTimeout,     ///< not executed, never answered; the queue stands still until reset
    kLate,        ///< executed, answered after `delay`
    kLost,        ///< executed, never answered; later commands are
    kWrongId,     ///< executed, answered under another command id
    kStalePhase,  ///< executed, the answer has the phase of the pass before: the driver sees none
    kGarbage,     ///< not executed, answered with `status` and a body of random bytes
    kBadCrc,      ///< executed, the answer's checksum is wrong (API 0.2 and above)
  };

  Kind kind = Kind::kStatus;
  std::optional<std::uint8_t> opcode;  ///< nothing: any
  std::uint8_t status = 0;
  std::uint32_t skip = 0;   ///< matching commands to let pass first
  std::uint32_t count = 1;  ///< matching commands to spoil then
  Nanoseconds delay = 0;
};

/// By the name that the control socket uses ("wrong_id"); nothing when unknown.
std::optional<AdminFault::Kind> find_admin_fault_kind(std::string_view name);

/// By name without prefix ("CREATE_QP"), any case; nothing when unknown.
std::optional<std::uint8_t> find_admin_opcode(std::string_view name);

/// Name of an opcode, "unknown" if it has none.
std::string_view admin_opcode_name(std::uint8_t opcode);

class AdminFaults {
 public:
  void arm(const AdminFault& fault) { armed_.push_back(fault); }
  void clear() noexcept { armed_.clear(); }

  /// The fault that befalls the next command, the first armed one that matches; nothing if none.
  std::optional<AdminFault> take(std::uint8_t opcode);

  std::uint64_t taken() const noexcept { return taken_; }
  std::size_t armed() const noexcept { return armed_.size(); }

 private:
  std::vector<AdminFault> armed_;
  std::uint64_t taken_ = 0;
};

}  // namespace efa::emu
