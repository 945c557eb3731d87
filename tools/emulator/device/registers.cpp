// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Register accesses of the device: BAR 0 and read-less reads (device-regs R1 to R5).
#include "device/registers.hpp"

#include <cstring>

#include "device/admin_queue.hpp"
#include "device/async_event_queue.hpp"
#include "device/ring_entry.hpp"

namespace efa::emu {

namespace {

constexpr std::uint32_t kControllerVersion = EFA_CONTROLLER_VERSION_MIN;
constexpr std::uint32_t kResetPolls = 10;  // of 100 ms each
constexpr std::uint32_t kDmaAddressBits = 48;

constexpr std::uint32_t caps(std::uint8_t admin_timeout) {
  std::uint32_t value = efa_reg_caps_set_contiguous_queue_required(0, 1);
  value = efa_reg_caps_set_reset_timeout(value, kResetPolls);
  value = efa_reg_caps_set_admin_cmd_to(value, admin_timeout);
  return efa_reg_caps_set_dma_addr_width(value, kDmaAddressBits);
}

constexpr std::uint32_t status(bool in_reset) {
  return efa_reg_dev_sts_set_reset_in_progress(efa_reg_dev_sts_set_ready(0, 1), in_reset ? 1 : 0);
}

/// Registers that still work while reset_in_progress reads 1.
constexpr bool works_in_reset(std::uint32_t offset) {
  return offset == EFA_REG_DEV_CTL || offset == EFA_REG_MMIO_REG_READ ||
         offset == EFA_REG_MMIO_RESP_LO || offset == EFA_REG_MMIO_RESP_HI;
}

}  // namespace

std::uint32_t Device::read_register(std::uint32_t offset) const {
  switch (offset) {
    case EFA_REG_VERSION:
      return api_version();
    case EFA_REG_CONTROLLER_VERSION:
      return kControllerVersion;
    case EFA_REG_CAPS:
      return caps(options_.admin_timeout);
    case EFA_REG_DEV_STS:
      return status(registers_->in_reset());
    case EFA_REG_AQ_BASE_LO:
    case EFA_REG_AQ_BASE_HI:
    case EFA_REG_AQ_CAPS:
    case EFA_REG_ACQ_BASE_LO:
    case EFA_REG_ACQ_BASE_HI:
    case EFA_REG_ACQ_CAPS:
    case EFA_REG_AENQ_CAPS:
    case EFA_REG_AENQ_BASE_LO:
    case EFA_REG_AENQ_BASE_HI:
    case EFA_REG_INTR_MASK:
    case EFA_REG_DEV_CTL:
    case EFA_REG_MMIO_RESP_LO:
    case EFA_REG_MMIO_RESP_HI:
      return registers_->word(offset);
    default:
      return 0;  // doorbells, holes, everything beyond
  }
}

void Device::write_register(std::uint32_t offset, std::uint32_t value) {
  if (offset % sizeof value != 0 || offset >= Registers::kBytes) return;
  if (registers_->in_reset() && !works_in_reset(offset)) return;
  if (offset != EFA_REG_DEV_CTL) registers_->word(offset) = value;
  switch (offset) {
    case EFA_REG_AQ_CAPS:
      admin_queue_->start_submission(registers_->address(EFA_REG_AQ_BASE_LO, EFA_REG_AQ_BASE_HI),
                                     value);
      break;
    case EFA_REG_ACQ_CAPS:
      admin_queue_->start_completion(registers_->address(EFA_REG_ACQ_BASE_LO, EFA_REG_ACQ_BASE_HI),
                                     value);
      break;
    case EFA_REG_AENQ_CAPS:
      aenq_->start(registers_->address(EFA_REG_AENQ_BASE_LO, EFA_REG_AENQ_BASE_HI), value);
      break;
    case EFA_REG_AQ_PROD_DB:
      admin_queue_->doorbell(value);
      break;
    case EFA_REG_AENQ_CONS_DB:
      aenq_->consumed(value);
      break;
    case EFA_REG_INTR_MASK:
      admin_queue_->mask_interrupts(efa_reg_intr_mask_en(value) != 0);
      break;
    case EFA_REG_DEV_CTL:
      control(value);
      break;
    case EFA_REG_MMIO_REG_READ:
      answer_register_read(value);
      break;
    case EFA_REG_EQ_DB:
      event_queue_doorbell(value);
      break;
    default:
      break;
  }
}

/// Setting dev_reset destroys everything and holds the device there; clearing it ends the reset. A
/// write of other bits alone means nothing.
void Device::control(std::uint32_t value) {
  registers_->control(value);
  if (efa_reg_dev_ctl_dev_reset(value) != 0) forget_everything();
}

void Device::event_queue_doorbell(std::uint32_t value) {
  EventQueue* eq = eqs_.find(efa_reg_eq_db_eqn(value));
  if (eq != nullptr && efa_reg_eq_db_arm(value) != 0) eq->arm();
}

/// The driver spins on req_id, so the value must not come after it: one store where possible.
void Device::answer_register_read(std::uint32_t request) {
  const DmaAddr target = registers_->address(EFA_REG_MMIO_RESP_LO, EFA_REG_MMIO_RESP_HI);
  if (target == 0) return;
  efa_mmio_read_resp answer{};
  answer.req_id = static_cast<std::uint16_t>(efa_reg_mmio_reg_read_req_id(request));
  answer.reg_off = static_cast<std::uint16_t>(efa_reg_mmio_reg_read_reg_off(request));
  answer.reg_val = read_register(answer.reg_off);

  DmaSpace& memory = environment_.memory;
  if (std::byte* mapped = memory.map(target, sizeof answer)) {
    std::uint64_t word = 0;
    std::memcpy(&word, &answer, sizeof word);
    store_release(mapped, word);
  } else if (memory.write(target + sizeof answer.req_id, &answer.reg_off,
                          sizeof answer - sizeof answer.req_id)) {
    memory.write(target, &answer.req_id, sizeof answer.req_id);
  }
}

}  // namespace efa::emu
