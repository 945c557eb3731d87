// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/completion_queue.hpp"

#include <cstring>

#include "device/event_queue.hpp"
#include "device/ring_entry.hpp"

namespace efa::emu {

namespace {

constexpr std::uint32_t kCommandNumbers =
    EFA_CQ_DOORBELL_CMD_SN_MASK >> EFA_CQ_DOORBELL_CMD_SN_SHIFT;

}  // namespace

CompletionQueue::CompletionQueue(const Config& config, MappedRange ring)
    : config_(config), ring_(ring), produced_in_(config.sub_cqs) {}

void CompletionQueue::push(std::uint16_t sub_cq, efa_rx_cdesc_ex& cqe) noexcept {
  std::uint32_t& produced = produced_in_[sub_cq];
  efa_cdesc_common_set_phase(&cqe.base.common, phase_of(produced, config_.depth));
  const std::size_t slot = std::size_t{sub_cq} * config_.depth + produced % config_.depth;
  if (std::byte* ring = ring_.get())
    publish_entry(ring + slot * config_.entry_size, &cqe, config_.entry_size);
  else
    write_unmapped(slot, cqe);
  ++produced;
  ++produced_;
  if (consumer_reported_ && unconsumed() > config_.depth * config_.sub_cqs) ++overruns_;
  if (armed_) send_event();
}

void CompletionQueue::doorbell(std::uint32_t value) noexcept {
  consumer_index_ = efa_cq_doorbell_consumer_index(value);
  consumer_reported_ = true;
  if (efa_cq_doorbell_arm(value) != 0) arm(efa_cq_doorbell_cmd_sn(value), consumer_index_);
}

/// A ring in memory that is only reachable by copying. The phase word goes last here as well (I10).
void CompletionQueue::write_unmapped(std::size_t slot, const efa_rx_cdesc_ex& cqe) noexcept {
  const DmaAddr entry = ring_.addr() + slot * config_.entry_size;
  std::byte bytes[sizeof(cqe)];
  std::memcpy(bytes, &cqe, sizeof(cqe));
  constexpr std::size_t word = sizeof(std::uint32_t);
  if (ring_.space().write(entry + word, bytes + word, config_.entry_size - word))
    ring_.space().write(entry, bytes, word);
}

/// A new command number proves that the consumer took the event before it. Whether it armed again
/// was visible only for a moment, so it counts as armed: an event too many is legal, one too few
/// leaves the consumer asleep. The same holds for the first store of all.
void CompletionQueue::doorbell_sampled(std::uint32_t value) noexcept {
  if (value == last_sample_) return;
  const std::uint32_t cmd_sn = efa_cq_doorbell_cmd_sn(value);
  const bool new_number = !sampled_ || cmd_sn != efa_cq_doorbell_cmd_sn(last_sample_);
  last_sample_ = value;
  sampled_ = true;
  consumer_index_ = efa_cq_doorbell_consumer_index(value);
  consumer_reported_ = true;
  if (efa_cq_doorbell_arm(value) != 0 || new_number) arm(cmd_sn, consumer_index_);
}

void CompletionQueue::arm(std::uint32_t cmd_sn, std::uint32_t consumer_index) noexcept {
  if (config_.eq == nullptr) return;
  if (cmd_sn != (events_sent_ & kCommandNumbers)) return;  // an event is already on its way
  if (produced() != consumer_index)
    send_event();
  else
    armed_ = true;
}

void CompletionQueue::send_event() noexcept {
  armed_ = false;
  ++events_sent_;
  config_.eq->push_completion(config_.number);
}

std::uint32_t CompletionQueue::unconsumed() const noexcept {
  return static_cast<std::uint16_t>(produced() - consumer_index_);
}

}  // namespace efa::emu
