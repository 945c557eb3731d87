// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Messages and atomics of one peer are processed in the order of their ids, whatever the order in
// which SRD brings them (spec efa-rdm-protocol 9).
//
// Upstream keeps a window and an overflow list; here what is early waits in one ordered map without
// limit (what waits is a copy: receive buffers go back to the device at once).
#ifndef EFA_PROVIDER_RDM_MESSAGE_ORDER_HPP
#define EFA_PROVIDER_RDM_MESSAGE_ORDER_HPP

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace efa::rdm {

enum class Arrival {
  kNow,    // its turn: process it, then call `advance`
  kEarly,  // to be kept until its turn
  kPast,   // an id that was processed already
};

// Packet is what is kept; all packets of a multi-packet message have one id.
template <class Packet>
class MessageOrder {
 public:
  explicit MessageOrder(std::uint32_t first = 0) : expected_(first) {}

  Arrival classify(std::uint32_t id) const {
    const std::int32_t ahead = ahead_of(id);
    return ahead == 0 ? Arrival::kNow : ahead > 0 ? Arrival::kEarly : Arrival::kPast;
  }

  // Keeps one that is early.
  void keep(std::uint32_t id, Packet packet) {
    early_[static_cast<std::uint32_t>(ahead_of(id)) + base_].push_back(std::move(packet));
  }

  // The expected id is processed. @returns the packets that waited for the next one
  std::vector<Packet> advance() {
    ++expected_;
    ++base_;
    if (early_.empty()) return {};
    const auto next = early_.find(base_);
    if (next == early_.end()) return {};
    std::vector<Packet> packets = std::move(next->second);
    early_.erase(next);
    return packets;
  }

  // The same when nothing waits.
  void pass() {
    ++expected_;
    ++base_;
  }

  // What is kept is not wanted any more.
  void forget() { early_.clear(); }

  std::uint32_t expected() const { return expected_; }
  bool empty() const { return early_.empty(); }

 private:
  std::int32_t ahead_of(std::uint32_t id) const {  // ids wrap
    return static_cast<std::int32_t>(id - expected_);
  }

  std::uint32_t expected_;
  // Ids as 64-bit numbers that do not wrap: `base_` stands for the expected one.
  std::uint64_t base_ = 0;
  std::map<std::uint64_t, std::vector<Packet>> early_;
};

}  // namespace efa::rdm

#endif
