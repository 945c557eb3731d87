// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/async_event_queue.hpp"

#include <bit>
#include <cstddef>

#include "device/ring_entry.hpp"

namespace efa::emu {

namespace {

// The phase of this ring is not in the first word of the entry.
constexpr std::size_t kPhaseWord = offsetof(efa_aenq_common_desc, flags);
static_assert(kPhaseWord % sizeof(std::uint32_t) == 0);

}  // namespace

void AsyncEventQueue::start(DmaAddr base, std::uint32_t caps) {
  depth_ = 0;
  produced_ = consumed_ = 0;
  const std::uint32_t depth = efa_reg_aenq_caps_aenq_depth(caps);
  vector_ = efa_reg_aenq_caps_aenq_msix_vector(caps);
  if (depth < 2 || !std::has_single_bit(depth) || vector_ >= vectors_ || base == 0) return;
  if (efa_reg_aenq_caps_aenq_entry_size(caps) != sizeof(efa_aenq_entry)) return;
  ring_ = MappedRange(memory_, base, std::size_t{depth} * sizeof(efa_aenq_entry));
  if (ring_.get() != nullptr) depth_ = depth;
}

void AsyncEventQueue::consumed(std::uint32_t count) noexcept {
  if (produced_ - count <= produced_ - consumed_) consumed_ = count;
}

void AsyncEventQueue::enable(std::uint32_t groups) noexcept {
  enabled_groups_ = groups;
  const bool keep_alive = (groups >> EFA_AENQ_GROUP_KEEP_ALIVE & 1) != 0;
  next_keep_alive_ = keep_alive ? clock_.now() + kKeepAlivePeriod : kNever;
}

bool AsyncEventQueue::push(std::uint32_t group, std::uint16_t syndrome) noexcept {
  if (depth_ == 0 || group >= 32 || (enabled_groups_ >> group & 1) == 0) return false;
  std::byte* ring = ring_.get();
  if (ring == nullptr || produced_ - consumed_ >= depth_) {
    ++stats_.aenq_dropped;
    return false;
  }
  efa_aenq_entry entry{};
  efa_aenq_common_desc& header = entry.aenq_common_desc;
  header.group = static_cast<std::uint16_t>(group);
  header.syndrome = syndrome;
  efa_addr_split(clock_.now() - reset_at_, &header.timestamp_low, &header.timestamp_high);
  efa_aenq_common_desc_set_phase(&header, phase_of(produced_, depth_));
  publish_entry(ring + produced_ % depth_ * sizeof entry, &entry, sizeof entry, kPhaseWord);
  ++produced_;
  interrupts_.signal(vector_);
  return true;
}

Nanoseconds AsyncEventQueue::run_timers() noexcept {
  const Nanoseconds now = clock_.now();
  if (now >= next_keep_alive_) {
    next_keep_alive_ = now + kKeepAlivePeriod;
    if (!silent_) push(EFA_AENQ_GROUP_KEEP_ALIVE, 0);
  }
  return next_keep_alive_;
}

void AsyncEventQueue::reset() noexcept {
  depth_ = 0;
  produced_ = consumed_ = 0;
  enabled_groups_ = 0;
  next_keep_alive_ = kNever;
  reset_at_ = clock_.now();
}

}  // namespace efa::emu
