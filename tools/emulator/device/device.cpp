// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/device.hpp"

#include <algorithm>
#include <utility>

#include "device/admin_commands.hpp"
#include "device/admin_faults.hpp"
#include "device/admin_queue.hpp"
#include "device/async_event_queue.hpp"
#include "device/doorbell_pool.hpp"
#include "device/llq_pool.hpp"
#include "device/memory_key.hpp"
#include "device/registers.hpp"

namespace efa::emu {

Device::Device(const Profile& profile, const DeviceIdentity& identity, const DeviceOptions& options,
               DeviceEnvironment environment)
    : profile_(profile),
      identity_(identity),
      options_(options),
      environment_(environment),
      pds_(profile.max_pd),
      uars_(profile.max_uar),
      eqs_(profile.max_eq),
      cqs_(profile.max_cq),
      mrs_(profile.max_mr),
      qps_(profile.max_qp),
      counters_(profile.max_event_counters),
      ahs_(profile.max_ah),
      registers_(std::make_unique<Registers>()),
      admin_queue_(std::make_unique<AdminQueue>(*this)),
      aenq_(std::make_unique<AsyncEventQueue>(environment_.memory, environment_.interrupts,
                                              environment_.clock, stats, profile.msix_vectors)),
      doorbell_pool_(std::make_unique<DoorbellPool>(environment_.doorbells)),
      llq_pool_(std::make_unique<LlqPool>(environment_.llq.size())) {}

Device::~Device() = default;

std::uint16_t Device::api_version() const noexcept {
  return options_.api_version != 0 ? options_.api_version : profile_.api_version;
}

std::uint16_t Device::sub_cqs_per_cq() const noexcept {
  return options_.sub_cqs_per_cq != 0 ? options_.sub_cqs_per_cq : profile_.sub_cqs_per_cq;
}

efa_aq_completion_status Device::execute(std::span<const std::byte, kAdminEntrySize> command,
                                         std::span<std::byte, kAdminEntrySize> response) {
  ++stats.admin_commands;
  const auto opcode = static_cast<std::size_t>(command[offsetof(efa_aq_common_desc, opcode)]);
  ++stats.admin_by_opcode[std::min(opcode, stats.admin_by_opcode.size() - 1)];
  const efa_aq_completion_status status = AdminCommands(*this).execute(command, response);
  if (status != EFA_AQ_COMPLETION_STATUS_SUCCESS) ++stats.admin_errors;
  return status;
}

void Device::reset() {
  forget_everything();
  registers_->control(0);
}

/// What reset destroys (device-regs R5). Statistics and key generations survive: the latter so that
/// keys from before the reset keep missing.
void Device::forget_everything() {
  if (hooks_ != nullptr) hooks_->device_reset();
  admin_queue_->reset();
  aenq_->reset();
  registers_->clear();
  remember_generations();
  qps_ = IdTable<QueuePair>(profile_.max_qp);
  counters_ = IdTable<EventCounter>(profile_.max_event_counters);
  cqs_ = IdTable<CompletionQueue>(profile_.max_cq);
  eqs_ = IdTable<EventQueue>(profile_.max_eq);
  retired_eqs_.clear();
  mrs_ = IdTable<MemoryRegion>(profile_.max_mr);
  ahs_ = AddressHandleTable(profile_.max_ah);
  pds_ = IdTable<ProtectionDomain>(profile_.max_pd);
  uars_ = IdTable<UserAccessRegion>(profile_.max_uar);
  *doorbell_pool_ = DoorbellPool(environment_.doorbells);
  *llq_pool_ = LlqPool(environment_.llq.size());
  host_info_.reset();
}

void Device::remember_generations() {
  mrs_.for_each([this](const MemoryRegion& region) { retire_generation(region); });
}

void Device::retire_generation(const MemoryRegion& region) {
  mr_generations_[region.index] = static_cast<std::uint8_t>(memory_key_generation(region.key) + 1);
}

Nanoseconds Device::run_timers() {
  return std::min(aenq_->run_timers(), admin_queue_->run_timers());
}

bool Device::inject_event(efa_aenq_group group, std::uint16_t syndrome) {
  return aenq_->push(group, syndrome);
}

AdminFaults& Device::admin_faults() {
  if (!admin_faults_) {
    admin_faults_ = std::make_unique<AdminFaults>();
    admin_queue_->set_faults(admin_faults_.get());
  }
  return *admin_faults_;
}

void Device::silence_keep_alive(bool silent) noexcept {
  aenq_->silence_keep_alive(silent);
}

void Device::hold_reset(bool hold) noexcept {
  registers_->hold_reset(hold);
}

Device::Population Device::population() const noexcept {
  return {pds_.size(), uars_.size(), eqs_.size(), cqs_.size(),
          mrs_.size(), qps_.size(),  ahs_.size(), counters_.size()};
}

MemoryRegion* Device::find_mr(std::uint32_t key) const noexcept {
  MemoryRegion* region = mrs_.find(memory_key_index(key));
  return region != nullptr && region->key == key && region->valid ? region : nullptr;
}

MemoryRegion* Device::find_mr_index(std::uint32_t key) const noexcept {
  MemoryRegion* region = mrs_.find(memory_key_index(key));
  return region != nullptr && region->fast_reg ? region : nullptr;
}

std::uint32_t* Device::doorbell_word(std::uint32_t offset) const noexcept {
  return reinterpret_cast<std::uint32_t*>(environment_.doorbells.data() + offset);
}

/// System shutdown destroys EQs under living CQs, so those keep a silent one until they go too.
void Device::retire_eq(std::uint16_t number) {
  std::unique_ptr<EventQueue> eq = eqs_.remove(number);
  eq->close();
  if (eq->users != 0) retired_eqs_.push_back(std::move(eq));
}

void Device::release_eq(EventQueue& eq) {
  if (--eq.users != 0) return;
  std::erase_if(retired_eqs_, [&eq](const auto& retired) { return retired.get() == &eq; });
}

}  // namespace efa::emu
