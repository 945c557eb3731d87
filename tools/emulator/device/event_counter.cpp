// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/event_counter.hpp"

#include "device/ring_entry.hpp"

namespace efa::emu {

void EventCounter::add(std::uint64_t amount) noexcept {
  amount = wrapped(amount);
  const std::uint64_t room = max_value_ - value_;
  value_ = amount <= room ? value_ + amount : amount - room - 1;
  publish();
}

void EventCounter::set(std::uint64_t value) noexcept {
  value_ = wrapped(value);
  publish();
}

std::uint64_t EventCounter::wrapped(std::uint64_t value) const noexcept {
  return value <= max_value_ ? value : value % (max_value_ + 1);
}

void EventCounter::publish() noexcept {
  if (std::byte* target = memory_.map(target_, sizeof value_))
    store_release(target, value_);
  else
    memory_.write(target_, &value_, sizeof value_);
}

}  // namespace efa::emu
