// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion event queues (A9.17).
#include <bit>
#include <memory>

#include "device/admin_commands.hpp"

namespace efa::emu {

bool AdminCommands::vector_taken(std::uint8_t vector) const {
  bool taken = false;
  device_.eqs_.for_each([&](const EventQueue& eq) { taken |= eq.vector() == vector; });
  return taken;
}

AdminCommands::Status AdminCommands::create_eq(const efa_create_eq_cmd& cmd,
                                               efa_create_eq_resp& resp) {
  if (device_.eqs_.full()) return kNoResources;
  if (!std::has_single_bit(cmd.depth) || cmd.depth > profile().max_eq_depth) return kIllegal;
  if (efa_create_eq_cmd_entry_size_words(&cmd) * sizeof(std::uint32_t) != sizeof(efa_eqe))
    return kIllegal;
  if (cmd.msix_vec >= profile().msix_vectors || vector_taken(cmd.msix_vec)) return kIllegal;
  if ((cmd.event_bitmask & ~EFA_CREATE_EQ_CMD_COMPLETION_EVENTS_MASK) != 0) return kIllegal;

  MappedRange ring(memory(), efa_mem_addr_get(&cmd.ba), std::size_t{cmd.depth} * sizeof(efa_eqe));
  if (ring.get() == nullptr) return kIllegal;
  const auto number = static_cast<std::uint16_t>(device_.eqs_.next_id());
  device_.eqs_.insert(std::make_unique<EventQueue>(number, cmd.depth, cmd.msix_vec, ring,
                                                   device_.environment_.interrupts));
  resp.eqn = number;
  return kSuccess;
}

AdminCommands::Status AdminCommands::destroy_eq(const efa_destroy_eq_cmd& cmd,
                                                efa_destroy_eq_resp&) {
  if (device_.eqs_.find(cmd.eqn) == nullptr) return kIllegal;
  device_.retire_eq(cmd.eqn);
  return kSuccess;
}

}  // namespace efa::emu
