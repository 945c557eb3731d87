// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory regions (A9.10 to A9.12).
#include <algorithm>
#include <memory>

#include "device/admin_commands.hpp"
#include "device/memory_key.hpp"
#include "device/page_list.hpp"

namespace efa::emu {

namespace {

std::uint8_t permissions(const efa_reg_mr_cmd& cmd) {
  return static_cast<std::uint8_t>(
      (efa_reg_mr_cmd_local_write_enable(&cmd) != 0 ? kLocalWrite : 0) |
      (efa_reg_mr_cmd_remote_write_enable(&cmd) != 0 ? kRemoteWrite : 0) |
      (efa_reg_mr_cmd_remote_read_enable(&cmd) != 0 ? kRemoteRead : 0));
}

bool has_list(const efa_reg_mr_cmd& cmd) {
  return efa_aq_common_desc_ctrl_data(&cmd.aq_common_desc) != 0;
}

}  // namespace

std::optional<std::vector<DmaAddr>> AdminCommands::page_list(const efa_reg_mr_cmd& cmd,
                                                             std::uint64_t count) {
  if (!has_list(cmd)) {
    if (count > EFA_PBL_INLINE_PAGES) return std::nullopt;
    return std::vector<DmaAddr>(cmd.pbl.inline_pbl_array, cmd.pbl.inline_pbl_array + count);
  }
  const DmaAddr list = efa_mem_addr_get(&cmd.pbl.pbl.address);
  return efa_aq_common_desc_ctrl_data_indirect(&cmd.aq_common_desc) != 0
             ? read_indirect_page_list(memory(), list, count)
             : read_direct_page_list(memory(), list, count);
}

/// Whether the pages are accessible is found out at each access, not here.
AdminCommands::Status AdminCommands::read_pages(const efa_reg_mr_cmd& cmd, MemoryRegion& region) {
  const unsigned shift = efa_reg_mr_cmd_phys_page_size_shift_wide(&cmd);
  const std::uint64_t page_size = std::uint64_t{1} << shift;
  if ((profile().page_size_cap & page_size) == 0) return kIllegal;
  const auto count = page_count(cmd.iova, cmd.mr_length, shift);
  if (!count) return kIllegal;
  if (*count > profile().max_mr_pages) return kNoResources;
  auto pages = page_list(cmd, *count);
  if (!pages) return kIllegal;
  if (std::ranges::any_of(*pages, [&](DmaAddr page) { return page % page_size != 0; }))
    return kIllegal;
  region.page_shift = static_cast<std::uint8_t>(shift);
  region.pages = std::move(*pages);
  return kSuccess;
}

const MemoryRegion& AdminCommands::insert_mr(std::unique_ptr<MemoryRegion> region) {
  region->index = device_.mrs_.next_id();
  if (region->index >= device_.mr_generations_.size())
    device_.mr_generations_.resize(region->index + 1, 1);
  region->key = memory_key(region->index, device_.mr_generations_[region->index]);
  ++device_.pds_.find(region->pd)->users;
  return device_.mrs_.insert(std::move(region));
}

AdminCommands::Status AdminCommands::reg_mr(const efa_reg_mr_cmd& cmd, efa_reg_mr_resp& resp) {
  if (device_.mrs_.full()) return kNoResources;
  if (device_.pds_.find(cmd.pd) == nullptr || cmd.mr_length == 0) return kIllegal;

  auto region = std::make_unique<MemoryRegion>();
  region->pd = cmd.pd;
  region->permissions = permissions(cmd);
  region->iova = cmd.iova;
  region->length = cmd.mr_length;
  region->physical = efa_reg_mr_cmd_mem_addr_phy_mode_en(&cmd) != 0;
  if (!region->physical)
    if (const Status status = read_pages(cmd, *region); status != kSuccess) return status;

  const MemoryRegion& inserted = insert_mr(std::move(region));
  resp.l_key = inserted.key;
  resp.r_key = inserted.key;
  return kSuccess;
}

AdminCommands::Status AdminCommands::alloc_mr(const efa_alloc_mr_cmd& cmd,
                                              efa_alloc_mr_resp& resp) {
  if (!profile().alloc_mr) return kUnsupported;
  if (device_.mrs_.full()) return kNoResources;
  if (device_.pds_.find(cmd.pd) == nullptr || cmd.max_pages == 0) return kIllegal;
  if (cmd.max_pages > profile().max_mr_pages) return kNoResources;

  auto region = std::make_unique<MemoryRegion>();
  region->pd = cmd.pd;
  region->fast_reg = true;
  region->valid = false;
  region->max_pages = cmd.max_pages;

  const MemoryRegion& inserted = insert_mr(std::move(region));
  resp.l_key = inserted.key;
  resp.r_key = inserted.key;
  return kSuccess;
}

AdminCommands::Status AdminCommands::dereg_mr(const efa_dereg_mr_cmd& cmd, efa_dereg_mr_resp&) {
  const std::uint32_t index = memory_key_index(cmd.l_key);
  const MemoryRegion* region = device_.mrs_.find(index);
  if (region == nullptr || (!region->fast_reg && region->key != cmd.l_key)) return kIllegal;
  device_.retire_generation(*region);
  --device_.pds_.find(region->pd)->users;
  device_.mrs_.remove(index);
  return kSuccess;
}

}  // namespace efa::emu
