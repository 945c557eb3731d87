// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Address handles: one number per destination GID for the whole device, counted per PD (A9.9).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>

#include "base/gid.hpp"
#include "device/id_table.hpp"

namespace efa::emu {

struct AddressHandle {
  std::uint16_t number = 0;
  Gid gid;
  std::map<std::uint16_t, std::uint32_t> users;  ///< PD number -> CREATE_AH count
};

class AddressHandleTable {
 public:
  explicit AddressHandleTable(std::size_t limit) : handles_(limit) {}

  /// Handle for (gid, pd): an existing number gains a reference. nullptr when the table is full.
  AddressHandle* create(const Gid& gid, std::uint16_t pd);

  /// Drops one reference. False if `pd` holds none on `number`.
  bool destroy(std::uint16_t number, std::uint16_t pd);

  /// The handle if `pd` may use it, else nullptr.
  const AddressHandle* find(std::uint16_t number, std::uint16_t pd) const noexcept;

  /// The handle for `gid` that `pd` owns, else nullptr.
  const AddressHandle* find(const Gid& gid, std::uint16_t pd) const noexcept;

  /// Whether any PD of this device has a handle for `gid` (RDMA is served to such nodes only).
  bool knows(const Gid& gid) const noexcept { return by_gid_.contains(gid); }

  bool used_by(std::uint16_t pd) const noexcept;
  std::size_t size() const noexcept { return handles_.size(); }

 private:
  IdTable<AddressHandle> handles_;
  std::unordered_map<Gid, std::uint16_t> by_gid_;
};

}  // namespace efa::emu
