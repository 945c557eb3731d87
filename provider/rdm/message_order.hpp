// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Messages and atomics of one peer are processed in the order of their ids, whatever the order in
// which SRD brings them (spec efa-rdm-protocol 9).
//
// Upstream keeps a window and an overflow list; here what is early waits in one ordered map without
// limit but the peer's (a packet that waits holds a receive buffer, and these are counted).
#ifndef EFA_PROVIDER_RDM_MESSAGE_ORDER_HPP
#define EFA_PROVIDER_RDM_MESSAGE_ORDER_HPP

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace efa::rdm {

enum class Arrival {
  kNow,    // its turn: process it, then call `advance`
  kEarly,  // kept until its turn
  kPast,   // an id that was processed already
};

// Packet is what is kept; all packets of a multi-packet message have one id.
template <class Packet>
class MessageOrder {
 public:
  explicit MessageOrder(std::uint32_t first = 0) : expected_(first) {}

  // Takes `packet` only if it is early.
  Arrival arrive(std::uint32_t id, Packet& packet) {
    const auto ahead = static_cast<std::int32_t>(id - expected_);  // ids wrap
    if (ahead == 0) return Arrival::kNow;
    if (ahead < 0) return Arrival::kPast;
    early_[static_cast<std::uint32_t>(ahead) + base_].push_back(std::move(packet));
    return Arrival::kEarly;
  }

  // The expected id is processed. @returns the packets that waited for the next one
  std::vector<Packet> advance() {
    ++expected_;
    ++base_;
    const auto next = early_.find(base_);
    if (next == early_.end()) return {};
    std::vector<Packet> packets = std::move(next->second);
    early_.erase(next);
    return packets;
  }

  std::uint32_t expected() const { return expected_; }
  bool empty() const { return early_.empty(); }

 private:
  std::uint32_t expected_;
  // Ids as 64-bit numbers that do not wrap: `base_` stands for the expected one.
  std::uint64_t base_ = 0;
  std::map<std::uint64_t, std::vector<Packet>> early_;
};

}  // namespace efa::rdm

#endif
