// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/address_handle.hpp"

namespace efa::emu {

AddressHandle* AddressHandleTable::create(const Gid& gid, std::uint16_t pd) {
  if (const auto known = by_gid_.find(gid); known != by_gid_.end()) {
    AddressHandle* handle = handles_.find(known->second);
    ++handle->users[pd];
    return handle;
  }
  if (handles_.full()) return nullptr;
  auto handle = std::make_unique<AddressHandle>();
  handle->number = static_cast<std::uint16_t>(handles_.next_id());
  handle->gid = gid;
  handle->users[pd] = 1;
  by_gid_[gid] = handle->number;
  return &handles_.insert(std::move(handle));
}

bool AddressHandleTable::destroy(std::uint16_t number, std::uint16_t pd) {
  AddressHandle* handle = handles_.find(number);
  if (handle == nullptr) return false;
  const auto user = handle->users.find(pd);
  if (user == handle->users.end()) return false;
  if (--user->second == 0) handle->users.erase(user);
  if (handle->users.empty()) {
    by_gid_.erase(handle->gid);
    handles_.remove(number);
  }
  return true;
}

const AddressHandle* AddressHandleTable::find(std::uint16_t number,
                                              std::uint16_t pd) const noexcept {
  const AddressHandle* handle = handles_.find(number);
  return handle != nullptr && handle->users.contains(pd) ? handle : nullptr;
}

const AddressHandle* AddressHandleTable::find(const Gid& gid, std::uint16_t pd) const noexcept {
  const auto known = by_gid_.find(gid);
  return known != by_gid_.end() ? find(known->second, pd) : nullptr;
}

bool AddressHandleTable::used_by(std::uint16_t pd) const noexcept {
  bool used = false;
  handles_.for_each([&](const AddressHandle& handle) { used |= handle.users.contains(pd); });
  return used;
}

}  // namespace efa::emu
