// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/message.hpp"

namespace efa::emu {

void Message::recycle() {
  owner = nullptr;
  previous = next = nullptr;
  peer = nullptr;
  deadline = 0;
  moved = 0;
  rnr_left = 0;
  parked = lined_up = false;
  parks = 0;
  part_size = next_part = unanswered = delivered = 0;
  parts.clear();
  snapshot.clear();
}

Message& MessagePool::allocate() {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.push_back(std::make_unique<Message>());
    slots_.back()->self = {free_.back(), 1};
  }
  Message& message = *slots_[free_.back()];
  free_.pop_back();
  return message;
}

void MessagePool::release(Message& message) {
  message.recycle();
  ++message.self.generation;
  free_.push_back(message.self.index);
}

Message* MessagePool::find(MessageRef ref) const noexcept {
  if (ref.index >= slots_.size()) return nullptr;
  Message* message = slots_[ref.index].get();
  return message->self == ref ? message : nullptr;
}

}  // namespace efa::emu
