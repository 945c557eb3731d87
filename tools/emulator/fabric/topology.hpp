// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The emulated fabric as data: hosts, their devices, links and who may talk to whom.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace efa::emu {

/// What may happen to packets on a link, per packet and direction. All zero = a perfect link.
struct Impairment {
  double loss = 0;            ///< probability 0..1 that a packet vanishes
  double reorder = 0;         ///< probability 0..1 that a packet is overtaken by later ones
  double duplicate = 0;       ///< probability 0..1 that a packet arrives twice
  Nanoseconds delay = 0;      ///< one way, added to every packet
  Nanoseconds jitter = 0;     ///< uniform extra 0..jitter
  double bandwidth_gbps = 0;  ///< Gbit/s; 0 = as fast as memory allows

  bool perfect() const noexcept {
    return loss == 0 && reorder == 0 && duplicate == 0 && delay == 0 && jitter == 0 &&
           bandwidth_gbps == 0;
  }
  bool operator==(const Impairment&) const = default;
};

/// The receiver of the host answers RNR to deliveries number `first` .. `first + count - 1`
/// (counted per device from 1) although receives are posted.
struct RnrFault {
  std::uint64_t first = 0;
  std::uint64_t count = 1;
};

struct HostSpec {
  std::string name;
  unsigned devices = 1;
  std::string generation;              ///< "efa2"
  std::vector<std::string> groups;     ///< security groups; empty = unrestricted
  bool unresponsive = false;           ///< hears nothing, answers nothing
  Nanoseconds unresponsive_after = 0;  ///< 0 = from the start, else time since the emulator started
  std::vector<RnrFault> rnr;
  /// Limits and capabilities of the devices that differ from the generation's, by name.
  std::vector<std::pair<std::string, std::uint64_t>> limits;
};

/// Impairment of one direction between two hosts ("*" = any host); the last match wins.
struct LinkSpec {
  std::string from, to;
  Impairment impairment;
};

/// Traffic from a member is accepted by a member of `name` if the sender is in one of `allow_from`.
/// Also the sender's group must list the receiver's in `allow_to`. "*" = any.
struct SecurityGroup {
  std::string name;
  std::vector<std::string> allow_from;
  std::vector<std::string> allow_to;
};

struct Topology {
  std::vector<HostSpec> hosts;
  std::vector<LinkSpec> links;
  std::vector<SecurityGroup> groups;
  std::uint64_t seed = 1;
  Nanoseconds transport_timeout = 2'000'000'000;  ///< until UNRESP / UNREACH_REMOTE
  Nanoseconds rnr_backoff = 1'000'000;
};

/// `count` hosts host<first> .. of one generation with perfect links.
Topology uniform_topology(unsigned count, unsigned devices_per_host, const std::string& generation,
                          unsigned first = 0);

/// Reads a topology from a TOML or JSON file (by suffix, else by content). The error names file,
/// line or key, the value and what is allowed.
Result<Topology> load_topology(const std::string& path);

/// The same from text; `name` is used in messages.
Result<Topology> parse_topology_toml(const std::string& text, const std::string& name);
Result<Topology> parse_topology_json(const std::string& text, const std::string& name);

/// Checks names, ranges, generations and cross references.
Result<void> validate(const Topology& topology);

/// Link properties and permission between two hosts by index.
Impairment impairment_between(const Topology& topology, std::size_t from, std::size_t to);
bool traffic_allowed(const Topology& topology, std::size_t from, std::size_t to);

}  // namespace efa::emu
