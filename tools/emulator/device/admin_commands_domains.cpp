// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains and user access regions (A9.1, A9.2).
#include <memory>

#include "device/admin_commands.hpp"
#include "device/doorbell_pool.hpp"

namespace efa::emu {

AdminCommands::Status AdminCommands::alloc_pd(const efa_alloc_pd_cmd&, efa_alloc_pd_resp& resp) {
  if (device_.pds_.full()) return kNoResources;
  auto pd = std::make_unique<ProtectionDomain>();
  pd->number = static_cast<std::uint16_t>(device_.pds_.next_id());
  resp.pd = device_.pds_.insert(std::move(pd)).number;
  return kSuccess;
}

AdminCommands::Status AdminCommands::dealloc_pd(const efa_dealloc_pd_cmd& cmd,
                                                efa_dealloc_pd_resp&) {
  const ProtectionDomain* pd = device_.pds_.find(cmd.pd);
  if (pd == nullptr) return kIllegal;
  if (pd->users != 0 || device_.ahs_.used_by(cmd.pd)) return kBusy;
  device_.pds_.remove(cmd.pd);
  return kSuccess;
}

AdminCommands::Status AdminCommands::alloc_uar(const efa_alloc_uar_cmd&, efa_alloc_uar_resp& resp) {
  if (device_.uars_.full()) return kNoResources;
  auto uar = std::make_unique<UserAccessRegion>();
  uar->number = static_cast<std::uint16_t>(device_.uars_.next_id());
  if (!device_.doorbell_pool_->open(uar->number)) return kNoResources;
  resp.uar = device_.uars_.insert(std::move(uar)).number;
  return kSuccess;
}

AdminCommands::Status AdminCommands::dealloc_uar(const efa_dealloc_uar_cmd& cmd,
                                                 efa_dealloc_uar_resp&) {
  const UserAccessRegion* uar = device_.uars_.find(cmd.uar);
  if (uar == nullptr) return kIllegal;
  if (uar->users != 0) return kBusy;
  device_.doorbell_pool_->close(cmd.uar);
  device_.uars_.remove(cmd.uar);
  return kSuccess;
}

}  // namespace efa::emu
