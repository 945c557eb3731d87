// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The in-process switch: which device has which GID, what lies between two devices, and the events
/// (arrivals, timers) that are due later. Payload never passes through it: it stays in the sender's
/// memory until the event that delivers it.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/gid.hpp"
#include "fabric/path.hpp"
#include "fabric/topology.hpp"

namespace efa::emu {

/// Names a message of one endpoint; stale references are recognised by their generation.
struct MessageRef {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  bool operator==(const MessageRef&) const = default;
};

class Endpoint;

/// Something that happens at an endpoint at a given time.
struct Event {
  enum class Kind : std::uint8_t {
    kRequestArrives,  ///< at the responder: `peer` sent `part` of `message`
    kReplyArrives,    ///< at the requester: the answer `status` to `part` of `message`
    kRetransmit,      ///< at the requester: `part` was not answered in time
    kRnrRetry,        ///< at the requester: try `part` again after a not-ready answer
  };
  Kind kind = Kind::kRequestArrives;
  std::uint8_t status = 0;
  std::uint32_t part = 0;
  std::uint32_t attempt = 0;  ///< which transmission of the part, or which wait, this belongs to
  MessageRef message;
  Endpoint* peer = nullptr;
};

/// What the switch needs of a device's data path.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual void on_event(const Event& event) = 0;

  unsigned port() const noexcept { return port_; }  ///< index in the switch
  unsigned host() const noexcept { return host_; }  ///< index in the topology
  const Gid& gid() const noexcept { return gid_; }

 private:
  friend class Switch;
  unsigned port_ = 0;
  unsigned host_ = 0;
  Gid gid_;
};

/// Both directions between two ports.
struct Route {
  Path* there = nullptr;
  Path* back = nullptr;
  bool perfect = false;  ///< nothing can happen to a packet either way
};

class Switch {
 public:
  Switch(const Topology& topology, const Clock& clock);

  const Topology& topology() const noexcept { return topology_; }
  const Clock& clock() const noexcept { return clock_; }

  /// Adds a device of host `host`. Precondition: its GID is new.
  void attach(Endpoint& endpoint, unsigned host, const Gid& gid);

  /// The endpoint with this GID, or nullptr.
  Endpoint* find(const Gid& gid) const noexcept;

  Route route(const Endpoint& from, const Endpoint& to);

  /// Whether the endpoint's host neither hears nor answers at this moment.
  bool deaf(const Endpoint& endpoint) const noexcept;

  void at(Nanoseconds when, Endpoint& target, const Event& event);

  /// Runs what is due at `now`, oldest first. True if anything ran.
  bool run_due(Nanoseconds now);

  /// When the next event is due; ~0 when none is.
  Nanoseconds next_due() const noexcept;

  std::uint64_t packets_lost = 0;
  std::uint64_t packets_denied = 0;
  std::uint64_t packets_duplicated = 0;

 private:
  struct Planned {
    Nanoseconds when;
    std::uint64_t order;  ///< events of one instant run in the order in which they were planned
    Endpoint* target;
    Event event;
    bool operator>(const Planned& other) const noexcept {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  Path& path(const Endpoint& from, const Endpoint& to);

  Topology topology_;
  const Clock& clock_;
  Nanoseconds started_;
  std::vector<Endpoint*> endpoints_;
  std::unordered_map<Gid, Endpoint*> by_gid_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Path>> paths_;
  std::priority_queue<Planned, std::vector<Planned>, std::greater<>> planned_;
  std::uint64_t order_ = 0;
};

}  // namespace efa::emu
