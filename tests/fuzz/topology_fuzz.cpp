// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Topology files: any bytes give a valid topology or an error that says something. The first byte
/// picks the format, the rest is the file.
#include <cstdlib>
#include <string>

#include "fabric/path.hpp"
#include "fabric/topology.hpp"

using namespace efa::emu;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// What the switch does with an accepted topology, over its first hosts.
void use(const Topology& topology) {
  const std::size_t hosts = std::min<std::size_t>(topology.hosts.size(), 4);
  for (std::size_t from = 0; from < hosts; ++from)
    for (std::size_t to = 0; to < hosts; ++to) {
      Path path(impairment_between(topology, from, to), traffic_allowed(topology, from, to), 1);
      for (Nanoseconds now = 0; now < 3; ++now) {
        const Fate fate = path.next(8192, now);
        require(fate.arrival >= now);
        require(!fate.duplicated || fate.duplicate_arrival > fate.arrival);
      }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto topology =
      data[0] == 'J' ? parse_topology_json(text, "fuzz") : parse_topology_toml(text, "fuzz");
  if (topology) {
    require(validate(*topology).has_value());
    use(*topology);
  } else {
    require(topology.error().text().starts_with("fuzz"));
  }
  return 0;
}
