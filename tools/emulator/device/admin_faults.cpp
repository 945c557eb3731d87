// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/admin_faults.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "efa_hw.h"

namespace efa::emu {

namespace {

using Kind = AdminFault::Kind;
constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"status", Kind::kStatus},   {"timeout", Kind::kTimeout},  {"late", Kind::kLate},
    {"lost", Kind::kLost},       {"wrong_id", Kind::kWrongId}, {"stale_phase", Kind::kStalePhase},
    {"garbage", Kind::kGarbage}, {"bad_crc", Kind::kBadCrc},
};

constexpr std::pair<std::string_view, efa_aq_opcode> kOpcodes[] = {
    {"CREATE_QP", EFA_AQ_OPCODE_CREATE_QP},
    {"MODIFY_QP", EFA_AQ_OPCODE_MODIFY_QP},
    {"QUERY_QP", EFA_AQ_OPCODE_QUERY_QP},
    {"DESTROY_QP", EFA_AQ_OPCODE_DESTROY_QP},
    {"CREATE_AH", EFA_AQ_OPCODE_CREATE_AH},
    {"DESTROY_AH", EFA_AQ_OPCODE_DESTROY_AH},
    {"REG_MR", EFA_AQ_OPCODE_REG_MR},
    {"DEREG_MR", EFA_AQ_OPCODE_DEREG_MR},
    {"CREATE_CQ", EFA_AQ_OPCODE_CREATE_CQ},
    {"DESTROY_CQ", EFA_AQ_OPCODE_DESTROY_CQ},
    {"GET_FEATURE", EFA_AQ_OPCODE_GET_FEATURE},
    {"SET_FEATURE", EFA_AQ_OPCODE_SET_FEATURE},
    {"GET_STATS", EFA_AQ_OPCODE_GET_STATS},
    {"ALLOC_PD", EFA_AQ_OPCODE_ALLOC_PD},
    {"DEALLOC_PD", EFA_AQ_OPCODE_DEALLOC_PD},
    {"ALLOC_UAR", EFA_AQ_OPCODE_ALLOC_UAR},
    {"DEALLOC_UAR", EFA_AQ_OPCODE_DEALLOC_UAR},
    {"CREATE_EQ", EFA_AQ_OPCODE_CREATE_EQ},
    {"DESTROY_EQ", EFA_AQ_OPCODE_DESTROY_EQ},
    {"ALLOC_MR", EFA_AQ_OPCODE_ALLOC_MR},
    {"SERVICE", EFA_AQ_OPCODE_SERVICE},
    {"CREATE_EVENT_COUNTER", EFA_AQ_OPCODE_CREATE_EVENT_COUNTER},
    {"DESTROY_EVENT_COUNTER", EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER},
    {"ATTACH_EVENT_COUNTER", EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER},
    {"MODIFY_EVENT_COUNTER", EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER},
    {"DETACH_EVENT_COUNTER", EFA_AQ_OPCODE_DETACH_EVENT_COUNTER},
};

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

}  // namespace

std::optional<AdminFault::Kind> find_admin_fault_kind(std::string_view name) {
  for (const auto& [text, kind] : kKinds)
    if (text == name) return kind;
  return std::nullopt;
}

std::optional<std::uint8_t> find_admin_opcode(std::string_view name) {
  for (const auto& [text, opcode] : kOpcodes)
    if (same_name(text, name)) return static_cast<std::uint8_t>(opcode);
  return std::nullopt;
}

std::string_view admin_opcode_name(std::uint8_t opcode) {
  for (const auto& [text, known] : kOpcodes)
    if (opcode == static_cast<std::uint8_t>(known)) return text;
  return "unknown";
}

std::optional<AdminFault> AdminFaults::take(std::uint8_t opcode) {
  for (auto fault = armed_.begin(); fault != armed_.end(); ++fault) {
    if (fault->opcode && *fault->opcode != opcode) continue;
    if (fault->skip != 0) {
      --fault->skip;
      continue;  // another armed fault may want this command
    }
    const AdminFault taken = *fault;
    if (--fault->count == 0) armed_.erase(fault);
    ++taken_;
    return taken;
  }
  return std::nullopt;
}

}  // namespace efa::emu
