// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles (A9.9).
#include <algorithm>

#include "device/admin_commands.hpp"

namespace efa::emu {

AdminCommands::Status AdminCommands::create_ah(const efa_create_ah_cmd& cmd,
                                               efa_create_ah_resp& resp) {
  if (device_.pds_.find(cmd.pd) == nullptr) return kIllegal;
  Gid gid;
  std::ranges::copy(cmd.dest_addr, gid.raw.begin());
  if (gid.is_zero() || gid.is_multicast()) return kIllegal;
  const AddressHandle* handle = device_.ahs_.create(gid, cmd.pd);
  if (handle == nullptr) return kNoResources;
  resp.ah = handle->number;
  return kSuccess;
}

AdminCommands::Status AdminCommands::destroy_ah(const efa_destroy_ah_cmd& cmd,
                                                efa_destroy_ah_resp&) {
  if (!device_.ahs_.destroy(cmd.ah, cmd.pd)) return kIllegal;
  if (device_.hooks_ != nullptr && device_.ahs_.find(cmd.ah, cmd.pd) == nullptr)
    device_.hooks_->ah_destroyed(cmd.ah, cmd.pd);
  return kSuccess;
}

}  // namespace efa::emu
