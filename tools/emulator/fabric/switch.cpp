// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric/switch.hpp"

namespace efa::emu {

Switch::Switch(const Topology& topology, const Clock& clock)
    : topology_(topology), clock_(clock), started_(clock.now()) {}

void Switch::attach(Endpoint& endpoint, unsigned host, const Gid& gid) {
  endpoint.port_ = static_cast<unsigned>(endpoints_.size());
  endpoint.host_ = host;
  endpoint.gid_ = gid;
  endpoints_.push_back(&endpoint);
  by_gid_[gid] = &endpoint;
}

Endpoint* Switch::find(const Gid& gid) const noexcept {
  const auto found = by_gid_.find(gid);
  return found == by_gid_.end() ? nullptr : found->second;
}

Path& Switch::path(const Endpoint& from, const Endpoint& to) {
  const std::uint64_t key = std::uint64_t{from.port()} << 32 | to.port();
  std::unique_ptr<Path>& slot = paths_[key];
  if (!slot) {
    // Every path has a generator of its own, so that traffic elsewhere does not change its fate.
    const std::uint64_t seed = topology_.seed ^ (key + 1) * 0x9e3779b97f4a7c15ULL;
    slot = std::make_unique<Path>(impairment_between(topology_, from.host(), to.host()),
                                  traffic_allowed(topology_, from.host(), to.host()), seed);
  }
  return *slot;
}

Route Switch::route(const Endpoint& from, const Endpoint& to) {
  Route route{&path(from, to), &path(to, from), false};
  route.perfect = route.there->perfect() && route.back->perfect();
  return route;
}

bool Switch::deaf(const Endpoint& endpoint) const noexcept {
  const HostSpec& host = topology_.hosts[endpoint.host()];
  return host.unresponsive && clock_.now() - started_ >= host.unresponsive_after;
}

void Switch::at(Nanoseconds when, Endpoint& target, const Event& event) {
  planned_.push({when, order_++, &target, event});
}

bool Switch::run_due(Nanoseconds now) {
  bool ran = false;
  while (!planned_.empty() && planned_.top().when <= now) {
    const Planned planned = planned_.top();
    planned_.pop();
    planned.target->on_event(planned.event);
    ran = true;
  }
  return ran;
}

Nanoseconds Switch::next_due() const noexcept {
  return planned_.empty() ? ~Nanoseconds{0} : planned_.top().when;
}

}  // namespace efa::emu
