// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// An event counter: a 64-bit number kept by the device and mirrored to host memory (A9.16).
#pragma once

#include <cstdint>

#include "device/dma_space.hpp"
#include "efa_hw.h"

namespace efa::emu {

/// Every event kind of efa_event_counter_qp_event, as a bitmap.
inline constexpr std::uint32_t kEventCounterQpEvents =
    (2u << EFA_EVENT_COUNTER_QP_EVENT_REMOTE_WRITE_COMP) - 1;

class EventCounter {
 public:
  EventCounter(std::uint32_t handle, std::uint16_t uar, DmaAddr target, DmaSpace& memory,
               std::uint64_t max_value) noexcept
      : handle_(handle), uar_(uar), target_(target), memory_(memory), max_value_(max_value) {}

  std::uint32_t handle() const noexcept { return handle_; }
  std::uint16_t uar() const noexcept { return uar_; }
  std::uint32_t attachments = 0;

  void add(std::uint64_t amount) noexcept;
  void set(std::uint64_t value) noexcept;
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t wrapped(std::uint64_t value) const noexcept;
  void publish() noexcept;

  std::uint32_t handle_;
  std::uint16_t uar_;
  DmaAddr target_;
  DmaSpace& memory_;
  std::uint64_t max_value_;
  std::uint64_t value_ = 0;
};

}  // namespace efa::emu
