// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A stream of SRD sends in which every message is told apart by its bytes: shows that each arrives
/// exactly once, whole, and completes well at its sender.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "fabric_rig.hpp"

namespace efa::emu::test {

class DeliveryCheck {
 public:
  explicit DeliveryCheck(const Topology& topology)
      : pair(topology, {.depth = kDepth, .descriptors = kDepth}),
        from_(pair.left().region(kDepth * kSlot)),
        to_(pair.right().region(kDepth * kSlot)) {}

  /// Sends `count` messages, keeping the queues as full as `receives` allows.
  void run(std::uint32_t count) {
    count_ = count;
    arrived_.assign(count, 0);
    slots_.clear();
    for (std::uint16_t slot = 0; slot < kDepth; ++slot) slots_.push_back(slot);
    for (std::uint16_t slot = 0; slot < receives; ++slot) post_receive(slot);
    while (completed_ < count_ && !testing::Test::HasFatalFailure()) {
      post_sends();
      pair.rig.step();
      take_receives();
      take_sends();
    }
    pair.rig.finish();
    take_receives();
    take_sends();
    for (std::uint32_t n = 0; n < count_; ++n) ASSERT_EQ(arrived_[n], 1) << "message " << n;
  }

  std::uint32_t out_of_order() const { return out_of_order_; }

  static constexpr std::uint16_t kDepth = 256;
  std::uint16_t receives = kDepth;  ///< posted at a time
  Pair pair;

 private:
  static constexpr std::uint32_t kSlot = 256;

  /// Length and bytes of message `n`: from none to a slot, each different from its neighbours.
  static std::uint32_t length_of(std::uint32_t n) { return 4 + n * 37 % (kSlot - 4); }
  static std::byte byte_of(std::uint32_t n, std::uint32_t i) {
    return static_cast<std::byte>(n * 131 + i * 17 + (n >> 8));
  }

  void post_sends() {
    if (slots_.empty() || posted_ == count_) return;
    while (!slots_.empty() && posted_ < count_) {
      const std::uint16_t slot = slots_.back();
      slots_.pop_back();
      std::byte* data = from_.bytes() + slot * kSlot;
      std::memcpy(data, &posted_, sizeof posted_);
      for (std::uint32_t i = 4; i < length_of(posted_); ++i) data[i] = byte_of(posted_, i);
      pair.a.stage(send_to(pair.to_b, slot).sge(from_, length_of(posted_), slot * kSlot));
      ++posted_;
    }
    pair.a.ring_sq();
  }

  void post_receive(std::uint16_t slot) {
    pair.b.post_recv(slot, to_, kSlot, std::uint64_t{slot} * kSlot);
  }

  void take_receives() {
    while (const auto cqe = pair.b.recv_cq->poll()) {
      ASSERT_EQ(cqe->status(), EFA_COMP_STATUS_OK);
      const std::byte* data = to_.bytes() + cqe->id() * kSlot;
      std::uint32_t n = 0;
      std::memcpy(&n, data, sizeof n);
      ASSERT_LT(n, count_);
      ASSERT_EQ(++arrived_[n], 1) << "message " << n << " again";
      ASSERT_EQ(cqe->length(), length_of(n));
      for (std::uint32_t i = 4; i < length_of(n); ++i)
        ASSERT_EQ(data[i], byte_of(n, i)) << "message " << n << " byte " << i;
      if (n < highest_) ++out_of_order_;
      highest_ = std::max(highest_, n);
      post_receive(cqe->id());
    }
  }

  void take_sends() {
    while (const auto cqe = pair.a.send_cq->poll()) {
      ASSERT_EQ(cqe->status(), EFA_COMP_STATUS_OK);
      // The slot is overwritten now: a copy that arrives later must not be delivered.
      std::memset(from_.bytes() + cqe->id() * kSlot, 0xee, kSlot);
      slots_.push_back(cqe->id());
      ++completed_;
    }
  }

  Region from_;
  Region to_;
  std::uint32_t count_ = 0;
  std::uint32_t posted_ = 0;
  std::uint32_t completed_ = 0;
  std::uint32_t highest_ = 0;
  std::uint32_t out_of_order_ = 0;
  std::vector<std::uint16_t> slots_;  ///< of the sender, free ones
  std::vector<std::uint8_t> arrived_;
};

}  // namespace efa::emu::test
