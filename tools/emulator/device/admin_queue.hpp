// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Transport of admin commands: submission and completion ring, phases, checksums (A1 to A3). What
/// a command means is AdminCommands' business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "device/admin_faults.hpp"
#include "device/device.hpp"

namespace efa::emu {

class AdminQueue {
 public:
  explicit AdminQueue(Device& device) noexcept : device_(device) {}

  /// AQ_CAPS or ACQ_CAPS was written: restarts that ring, or leaves it disabled if the geometry
  /// cannot work or the ring is not mapped.
  void start_submission(DmaAddr base, std::uint32_t caps);
  void start_completion(DmaAddr base, std::uint32_t caps);

  /// INTR_MASK
  void mask_interrupts(bool masked) noexcept { masked_ = masked; }

  /// AQ_PROD_DB: executes what is new, in order. A count beyond the ring stops the queue.
  void doorbell(std::uint32_t value);

  void reset() noexcept;

  /// Test mode: spoils commands as told. nullptr = none; outlives its use here.
  void set_faults(AdminFaults* faults) noexcept { faults_ = faults; }

  /// Gives the answers that a fault held back and that are due. Returns when to call again, ~0 =
  /// nothing is held back.
  Nanoseconds run_timers();

  bool stopped() const noexcept { return stopped_; }

 private:
  using Command = std::array<std::byte, kAdminEntrySize>;
  using Completion = std::array<std::byte, kAdminEntrySize>;

  bool live() const noexcept { return depth_ != 0 && completion_depth_ != 0 && !stopped_; }
  bool execute_next();
  void execute(const std::byte* entry);
  std::optional<Command> unpack(const efa_aq_entry_v2& entry) const;
  void reject(Completion& completion) noexcept;
  void complete(std::uint16_t command_id, const Completion& completion,
                const AdminFault* fault = nullptr);
  void execute_spoiled(const AdminFault& fault, const Command& command, std::uint16_t command_id);

  /// An answer that a fault holds back.
  struct Held {
    Nanoseconds due;
    std::uint16_t command_id;
    Completion completion;
  };

  Device& device_;

  MappedRange ring_;
  std::uint32_t depth_ = 0;  ///< 0 = ring disabled
  std::uint32_t entry_size_ = 0;
  std::uint32_t consumed_ = 0;
  std::uint16_t producer_ = 0;  ///< last doorbell

  MappedRange completion_ring_;
  std::uint32_t completion_depth_ = 0;
  unsigned vector_ = 0;
  std::uint32_t completed_ = 0;

  bool masked_ = false;
  bool stopped_ = false;
  bool executing_ = false;

  AdminFaults* faults_ = nullptr;
  std::vector<Held> held_;
};

}  // namespace efa::emu
