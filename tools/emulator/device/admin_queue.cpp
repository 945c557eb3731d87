// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/admin_queue.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

#include "device/crc16.hpp"
#include "device/ring_entry.hpp"

namespace efa::emu {

namespace {

/// Checksum of an entry, whose checksum field counts as 0.
template <class Entry>
std::uint16_t checksum_of(const Entry& entry) {
  return crc16(std::as_bytes(std::span<const Entry, 1>(&entry, 1)));
}

// A command number within every ring, but not the one that was asked for.
constexpr std::uint16_t kWrongIdBits = 1;

bool usable_depth(std::uint32_t depth) {
  return depth >= 2 && std::has_single_bit(depth);
}

}  // namespace

void AdminQueue::start_submission(DmaAddr base, std::uint32_t caps) {
  const std::uint32_t depth = efa_reg_aq_caps_aq_depth(caps);
  depth_ = consumed_ = producer_ = 0;
  stopped_ = false;
  entry_size_ = efa_reg_aq_caps_aq_entry_size(caps);
  if (!usable_depth(depth) || base == 0) return;
  if (entry_size_ != EFA_AQ_ENTRY_SIZE_V1 && entry_size_ != EFA_AQ_ENTRY_SIZE_V2) return;
  ring_ = MappedRange(device_.environment().memory, base, std::size_t{depth} * entry_size_,
                      Access::kRead);
  if (ring_.get() != nullptr) depth_ = depth;
}

void AdminQueue::start_completion(DmaAddr base, std::uint32_t caps) {
  const std::uint32_t depth = efa_reg_acq_caps_acq_depth(caps);
  completion_depth_ = completed_ = 0;
  vector_ = efa_reg_acq_caps_acq_msix_vector(caps);
  if (!usable_depth(depth) || base == 0 || vector_ >= device_.profile().msix_vectors) return;
  if (efa_reg_acq_caps_acq_entry_size(caps) != EFA_ACQ_ENTRY_SIZE) return;
  completion_ring_ =
      MappedRange(device_.environment().memory, base, std::size_t{depth} * EFA_ACQ_ENTRY_SIZE);
  if (completion_ring_.get() != nullptr) completion_depth_ = depth;
}

void AdminQueue::reset() noexcept {
  depth_ = consumed_ = producer_ = 0;
  completion_depth_ = completed_ = 0;
  masked_ = false;
  stopped_ = false;
  held_.clear();
}

/// The interrupt of a completion may lead a front end straight back here; the running loop then
/// takes the new commands.
void AdminQueue::doorbell(std::uint32_t value) {
  if (!live()) return;
  const auto producer = static_cast<std::uint16_t>(value);
  if (static_cast<std::uint16_t>(producer - consumed_) > depth_) {
    stopped_ = true;
    ++device_.stats.admin_errors;
    return;
  }
  producer_ = producer;
  if (executing_) return;
  executing_ = true;
  while (live() && execute_next()) {
  }
  executing_ = false;
}

/// False when there is nothing (more) to do until the next doorbell.
bool AdminQueue::execute_next() {
  if (static_cast<std::uint16_t>(consumed_) == producer_) return false;
  const std::byte* ring = ring_.get();
  if (ring == nullptr) return false;
  std::array<std::byte, EFA_AQ_ENTRY_SIZE_V2> entry;
  std::memcpy(entry.data(), ring + consumed_ % depth_ * entry_size_, entry_size_);
  efa_aq_common_desc header;
  std::memcpy(&header, entry.data(), sizeof header);
  if (efa_aq_common_desc_phase(&header) != phase_of(consumed_, depth_)) return false;
  ++consumed_;
  execute(entry.data());
  return true;
}

void AdminQueue::execute(const std::byte* entry) {
  std::optional<Command> command;
  if (entry_size_ == EFA_AQ_ENTRY_SIZE_V1) {
    command.emplace();
    std::memcpy(command->data(), entry, command->size());
  } else {
    efa_aq_entry_v2 wide;
    std::memcpy(&wide, entry, sizeof wide);
    command = unpack(wide);
  }
  efa_aq_common_desc header;
  std::memcpy(&header, entry, sizeof header);
  const auto command_id = static_cast<std::uint16_t>(efa_aq_common_desc_command_id(&header));
  if (faults_ != nullptr && command)
    if (const auto fault = faults_->take(header.opcode))
      return execute_spoiled(*fault, *command, command_id);
  Completion completion{};
  if (command)
    device_.execute(*command, completion);
  else
    reject(completion);
  complete(command_id, completion);
}

void AdminQueue::execute_spoiled(const AdminFault& fault, const Command& command,
                                 std::uint16_t command_id) {
  using Kind = AdminFault::Kind;
  Completion completion{};
  if (fault.kind == Kind::kStatus || fault.kind == Kind::kGarbage) {
    if (fault.kind == Kind::kGarbage) {
      std::uint32_t state = 0x9e3779b9u + command_id;
      for (std::byte& b : completion) b = static_cast<std::byte>((state = state * 69069 + 1) >> 24);
    }
    efa_acq_common_desc header{};
    header.status = fault.status;
    std::memcpy(completion.data(), &header, sizeof header);
  } else if (fault.kind != Kind::kTimeout) {
    device_.execute(command, completion);
  }
  switch (fault.kind) {
    case Kind::kTimeout:
      stopped_ = true;
      break;
    case Kind::kLost:
      break;
    case Kind::kLate:
      held_.push_back({device_.environment().clock.now() + fault.delay, command_id, completion});
      break;
    default:
      complete(command_id, completion, &fault);
      break;
  }
}

Nanoseconds AdminQueue::run_timers() {
  if (held_.empty()) return ~Nanoseconds{0};
  const Nanoseconds now = device_.environment().clock.now();
  for (std::size_t i = 0; i < held_.size();) {
    if (held_[i].due > now) {
      ++i;
      continue;
    }
    // Out of the list first: the interrupt may lead back here.
    const Held held = held_[i];
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    complete(held.command_id, held.completion);
  }
  Nanoseconds next = ~Nanoseconds{0};
  for (const Held& held : held_) next = std::min(next, held.due);
  return next;
}

/// The v1 form of a v2 entry; nothing if the entry is malformed.
std::optional<AdminQueue::Command> AdminQueue::unpack(const efa_aq_entry_v2& entry) const {
  efa_aq_entry_v2 zeroed = entry;
  zeroed.checksum = 0;
  if (checksum_of(zeroed) != entry.checksum) {
    ++device_.stats.admin_crc_errors;
    return std::nullopt;
  }
  if (entry.payload_ver != 0) return std::nullopt;

  Command command;
  constexpr std::size_t kPayload = kAdminEntrySize - sizeof entry.aq_common_desc;
  std::memcpy(command.data(), &entry.aq_common_desc, sizeof entry.aq_common_desc);
  std::memcpy(command.data() + sizeof entry.aq_common_desc, entry.request_payload, kPayload);
  if (!device_.options().strict) return command;

  const auto set = [](auto value) { return value != 0; };
  const bool reserved = std::any_of(std::begin(entry.reserved), std::end(entry.reserved), set);
  const bool tail = std::any_of(std::begin(entry.request_payload) + kPayload / sizeof(efa_le32),
                                std::end(entry.request_payload), set);
  return reserved || tail ? std::nullopt : std::optional(command);
}

void AdminQueue::reject(Completion& completion) noexcept {
  efa_acq_common_desc header{};
  header.status = EFA_AQ_COMPLETION_STATUS_MALFORMED_REQUEST;
  std::memcpy(completion.data(), &header, sizeof header);
  ++device_.stats.admin_commands;
  ++device_.stats.admin_errors;
}

void AdminQueue::complete(std::uint16_t command_id, const Completion& completion,
                          const AdminFault* fault) {
  const bool wrong_id = fault != nullptr && fault->kind == AdminFault::Kind::kWrongId;
  const bool stale = fault != nullptr && fault->kind == AdminFault::Kind::kStalePhase;
  const bool bad_crc = fault != nullptr && fault->kind == AdminFault::Kind::kBadCrc;
  std::byte* ring = live() ? completion_ring_.get() : nullptr;
  if (ring == nullptr) return;
  efa_acq_entry entry;
  std::memcpy(&entry, completion.data(), sizeof entry);
  efa_acq_common_desc& header = entry.acq_common_desc;
  efa_acq_common_desc_set_command_id(&header, wrong_id ? command_id ^ kWrongIdBits : command_id);
  efa_acq_common_desc_set_phase(&header, phase_of(completed_, completion_depth_) ^ (stale ? 1 : 0));
  if (device_.api_version() < EFA_API_VERSION_ACQ_CRC) {
    header.sq_head_indx = static_cast<std::uint16_t>(consumed_);
  } else {
    efa_acq_common_desc_02 checked;
    std::memcpy(&checked, &header, sizeof checked);
    checked.checksum = static_cast<std::uint16_t>(checksum_of(entry) ^ (bad_crc ? 1 : 0));
    std::memcpy(&header, &checked, sizeof checked);
  }
  publish_entry(ring + completed_ % completion_depth_ * sizeof entry, &entry, sizeof entry);
  ++completed_;
  if (!masked_) device_.environment().interrupts.signal(vector_);
}

}  // namespace efa::emu
