// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The register file of BAR 0 (device-regs R2): what drivers wrote, and what they may read.
#pragma once

#include <array>
#include <cstdint>

#include "device/device.hpp"
#include "efa_hw.h"

namespace efa::emu {

struct Device::Registers {
  static constexpr std::uint32_t kBytes = EFA_REG_EQ_DB + sizeof(std::uint32_t);

  /// Last value written to the register at `offset`, 0 for one never written since reset.
  std::uint32_t& word(std::uint32_t offset) noexcept {
    return words_[offset / sizeof(std::uint32_t)];
  }
  std::uint32_t word(std::uint32_t offset) const noexcept {
    return words_[offset / sizeof(std::uint32_t)];
  }

  DmaAddr address(efa_reg lo, efa_reg hi) const noexcept {
    return efa_addr_join(word(lo), word(hi));
  }

  /// Reset clears everything but DEV_CTL, which is what holds the reset.
  void clear() noexcept {
    const std::uint32_t control = word(EFA_REG_DEV_CTL);
    words_ = {};
    word(EFA_REG_DEV_CTL) = control;
  }

  bool in_reset() const noexcept {
    return efa_reg_dev_ctl_dev_reset(word(EFA_REG_DEV_CTL)) != 0 || caught_;
  }

  /// DEV_CTL was written.
  void control(std::uint32_t value) noexcept {
    word(EFA_REG_DEV_CTL) = value;
    caught_ |= held_ && in_reset();
  }

  /// Test mode: a reset that begins from now on does not end.
  void hold_reset(bool hold) noexcept {
    held_ = hold;
    caught_ &= hold;
  }

 private:
  std::array<std::uint32_t, kBytes / sizeof(std::uint32_t)> words_{};
  bool held_ = false;
  bool caught_ = false;  ///< in a reset that does not end
};

}  // namespace efa::emu
