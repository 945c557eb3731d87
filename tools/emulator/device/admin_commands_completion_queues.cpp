// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion queues (A9.3, A9.4).
#include <bit>
#include <memory>

#include "device/admin_commands.hpp"
#include "device/doorbell_pool.hpp"

namespace efa::emu {

namespace {

std::uint16_t entry_size(const efa_create_cq_cmd& cmd) {
  return static_cast<std::uint16_t>(efa_create_cq_cmd_cq_entry_size_words(&cmd) *
                                    sizeof(std::uint32_t));
}

}  // namespace

AdminCommands::Status AdminCommands::check_cq(const efa_create_cq_cmd& cmd) const {
  const std::uint16_t size = entry_size(cmd);
  if (size != sizeof(efa_rx_cdesc) && size != sizeof(efa_rx_cdesc_ex)) return kIllegal;
  if (!std::has_single_bit(cmd.sub_cq_depth) || cmd.sub_cq_depth > profile().max_cq_depth)
    return kIllegal;
  if (cmd.num_sub_cqs != device_.sub_cqs_per_cq()) return kIllegal;
  if (efa_create_cq_cmd_set_src_addr(&cmd) != 0 && size != sizeof(efa_rx_cdesc_ex)) return kIllegal;
  if (efa_create_cq_cmd_sq_comp_64_bit_req_id(&cmd) != 0 &&
      !profile().has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK))
    return kIllegal;
  if (efa_create_cq_cmd_virt(&cmd) != 0) return kIllegal;
  return device_.uars_.find(cmd.uar) != nullptr ? kSuccess : kIllegal;
}

AdminCommands::Status AdminCommands::create_cq(const efa_create_cq_cmd& cmd,
                                               efa_create_cq_resp& resp) {
  if (device_.cqs_.full()) return kNoResources;
  if (const Status status = check_cq(cmd); status != kSuccess) return status;

  CompletionQueue::Config config;
  config.number = static_cast<std::uint16_t>(device_.cqs_.next_id());
  config.uar = cmd.uar;
  config.depth = cmd.sub_cq_depth;
  config.entry_size = entry_size(cmd);
  config.sub_cqs = cmd.num_sub_cqs;
  config.set_src_addr = efa_create_cq_cmd_set_src_addr(&cmd) != 0;
  config.req_id_64 = efa_create_cq_cmd_sq_comp_64_bit_req_id(&cmd) != 0;

  MappedRange ring(memory(), efa_mem_addr_get(&cmd.cq_ba),
                   std::size_t{config.depth} * config.sub_cqs * config.entry_size);
  if (!ring.accessible()) return kIllegal;

  if (efa_create_cq_cmd_interrupt_mode_enabled(&cmd) != 0) {
    config.eq = device_.eqs_.find(cmd.eqn);
    if (config.eq == nullptr) return kIllegal;
    const auto slot = device_.doorbell_pool_->allocate(cmd.uar);
    if (!slot) return kNoResources;
    config.db_offset = *slot;
  }
  CompletionQueue& cq = device_.cqs_.insert(std::make_unique<CompletionQueue>(config, ring));
  ++device_.uars_.find(cmd.uar)->users;
  if (config.eq != nullptr) ++config.eq->users;
  if (device_.hooks_ != nullptr) device_.hooks_->cq_created(cq);

  resp.cq_idx = config.number;
  resp.sub_cq_actual_depth = cmd.sub_cq_depth;
  resp.db_offset = config.db_offset;
  efa_create_cq_resp_set_db_valid(&resp, config.eq != nullptr);
  return kSuccess;
}

AdminCommands::Status AdminCommands::destroy_cq(const efa_destroy_cq_cmd& cmd,
                                                efa_destroy_cq_resp&) {
  CompletionQueue* cq = device_.cqs_.find(cmd.cq_idx);
  if (cq == nullptr) return kIllegal;
  if (cq->users != 0) return kBusy;
  if (device_.hooks_ != nullptr) device_.hooks_->cq_destroyed(*cq);
  const CompletionQueue::Config config = cq->config();
  device_.cqs_.remove(cmd.cq_idx);
  --device_.uars_.find(config.uar)->users;
  if (config.eq != nullptr) {
    device_.doorbell_pool_->release(config.db_offset);
    device_.release_eq(*config.eq);
  }
  return kSuccess;
}

}  // namespace efa::emu
