// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/admin_commands.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "device/strict.hpp"

namespace efa::emu {

AdminCommands::Status AdminCommands::execute(Bytes command, OutBytes response) {
  std::ranges::fill(response, std::byte{0});
  Status status = kNoResources;
  try {
    status = dispatch(command, response);
  } catch (const std::bad_alloc&) {
    // The emulator itself is out of memory: to the driver, one more exhausted resource.
  }
  efa_acq_common_desc header{};
  header.status = static_cast<std::uint8_t>(status);
  std::memcpy(response.data(), &header, sizeof header);
  return status;
}

/// Copies the command into its own type, runs the handler and hands out the body if it succeeded.
template <class Command, class Response>
AdminCommands::Status AdminCommands::run(Status (AdminCommands::*handler)(const Command&,
                                                                          Response&),
                                         Bytes in, OutBytes out) {
  static_assert(sizeof(Command) <= kAdminEntrySize && sizeof(Response) <= kAdminEntrySize);
  Command command;
  std::memcpy(&command, in.data(), sizeof command);
  if (device_.options_.strict) {
    const auto tail = in.subspan(sizeof command);
    if (reserved_set(command) ||
        std::ranges::any_of(tail, [](std::byte byte) { return byte != std::byte{0}; }))
      return kMalformed;
  }
  Response response{};
  const Status status = (this->*handler)(command, response);
  if (status == kSuccess) std::memcpy(out.data(), &response, sizeof response);
  return status;
}

AdminCommands::Status AdminCommands::dispatch(Bytes in, OutBytes out) {
  efa_aq_common_desc header;
  std::memcpy(&header, in.data(), sizeof header);
  switch (header.opcode) {
    case EFA_AQ_OPCODE_CREATE_QP:
      return run(&AdminCommands::create_qp, in, out);
    case EFA_AQ_OPCODE_MODIFY_QP:
      return run(&AdminCommands::modify_qp, in, out);
    case EFA_AQ_OPCODE_QUERY_QP:
      return run(&AdminCommands::query_qp, in, out);
    case EFA_AQ_OPCODE_DESTROY_QP:
      return run(&AdminCommands::destroy_qp, in, out);
    case EFA_AQ_OPCODE_CREATE_AH:
      return run(&AdminCommands::create_ah, in, out);
    case EFA_AQ_OPCODE_DESTROY_AH:
      return run(&AdminCommands::destroy_ah, in, out);
    case EFA_AQ_OPCODE_REG_MR:
      return run(&AdminCommands::reg_mr, in, out);
    case EFA_AQ_OPCODE_DEREG_MR:
      return run(&AdminCommands::dereg_mr, in, out);
    case EFA_AQ_OPCODE_CREATE_CQ:
      return run(&AdminCommands::create_cq, in, out);
    case EFA_AQ_OPCODE_DESTROY_CQ:
      return run(&AdminCommands::destroy_cq, in, out);
    case EFA_AQ_OPCODE_GET_FEATURE:
      return run(&AdminCommands::get_feature, in, out);
    case EFA_AQ_OPCODE_SET_FEATURE:
      return run(&AdminCommands::set_feature, in, out);
    case EFA_AQ_OPCODE_GET_STATS:
      return run(&AdminCommands::get_stats, in, out);
    case EFA_AQ_OPCODE_ALLOC_PD:
      return run(&AdminCommands::alloc_pd, in, out);
    case EFA_AQ_OPCODE_DEALLOC_PD:
      return run(&AdminCommands::dealloc_pd, in, out);
    case EFA_AQ_OPCODE_ALLOC_UAR:
      return run(&AdminCommands::alloc_uar, in, out);
    case EFA_AQ_OPCODE_DEALLOC_UAR:
      return run(&AdminCommands::dealloc_uar, in, out);
    case EFA_AQ_OPCODE_CREATE_EQ:
      return run(&AdminCommands::create_eq, in, out);
    case EFA_AQ_OPCODE_DESTROY_EQ:
      return run(&AdminCommands::destroy_eq, in, out);
    case EFA_AQ_OPCODE_ALLOC_MR:
      return run(&AdminCommands::alloc_mr, in, out);
    case EFA_AQ_OPCODE_SERVICE:
      return kUnsupported;
    case EFA_AQ_OPCODE_CREATE_EVENT_COUNTER:
      return run(&AdminCommands::create_event_counter, in, out);
    case EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER:
      return run(&AdminCommands::destroy_event_counter, in, out);
    case EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER:
      return run(&AdminCommands::attach_event_counter, in, out);
    case EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER:
      return run(&AdminCommands::modify_event_counter, in, out);
    case EFA_AQ_OPCODE_DETACH_EVENT_COUNTER:
      return run(&AdminCommands::detach_event_counter, in, out);
    default:
      return kBadOpcode;
  }
}

}  // namespace efa::emu
