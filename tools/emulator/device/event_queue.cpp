// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/event_queue.hpp"

#include "device/ring_entry.hpp"

namespace efa::emu {

void EventQueue::push_completion(std::uint16_t cqn) noexcept {
  if (closed_) return;
  efa_eqe entry{};
  entry.comp_event.cqn = cqn;
  efa_eqe_set_event_type(&entry, EFA_EQE_EVENT_TYPE_COMPLETION);
  efa_eqe_set_phase(&entry, phase_of(produced_, depth_));
  if (std::byte* ring = ring_.get())
    publish_entry(ring + produced_ % depth_ * sizeof entry, &entry, sizeof entry);
  ++produced_;
  if (armed_) signal();
}

void EventQueue::arm() noexcept {
  if (closed_) return;
  if (produced_ != signalled_)
    signal();
  else
    armed_ = true;
}

void EventQueue::signal() noexcept {
  armed_ = false;
  signalled_ = produced_;
  interrupts_.signal(vector_);
}

}  // namespace efa::emu
