// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Nodes on one network, and what tests do with them: let time pass, post until there is room, read
// completions, look whether anything was left behind.
#ifndef EFA_TESTS_ENGINE_SIM_WORLD_HPP
#define EFA_TESTS_ENGINE_SIM_WORLD_HPP

#include <gtest/gtest.h>
#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/node.hpp"

namespace efa::rdm::sim {

// A completion, successful or not, as an application reads it.
struct Event {
  void* context = nullptr;
  std::uint64_t flags = 0;
  std::size_t length = 0;
  std::uint64_t data = 0;
  std::uint64_t tag = 0;
  std::uint64_t source = 0;
  void* buffer = nullptr;
  int error = 0;
  int code = 0;
  std::size_t overflow = 0;
  std::string text;
};

// Takes all that is there.
std::vector<Event> read_all(CompletionRing& ring);

// Memory of an application in COUNT pieces with odd borders, each one allocated to the byte, with
// descriptors or without.
class Memory {
 public:
  Memory(Node& node, std::size_t total, std::size_t count = 1, bool described = true,
         std::uint64_t access = FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ |
                                FI_REMOTE_WRITE);

  // A pattern that differs from byte to byte and from seed to seed.
  Memory& fill(std::uint32_t seed);
  std::vector<std::byte> all() const;
  void overwrite();  // all of it with rubbish

  const Buffers& buffers() const { return buffers_; }
  // The same for a peer; it must be described.
  RmaIovs remote() const;
  std::byte* piece(std::size_t i) { return parts_[i].get(); }

 private:
  std::vector<std::unique_ptr<std::byte[]>> parts_;
  std::vector<std::size_t> lengths_;
  Buffers buffers_;
};

class World {
 public:
  explicit World(std::uint32_t seed = 1) : network(seed) {}

  Node& add(const Settings& settings = {});
  // Two nodes that know each other, both with number 0.
  std::pair<Node*, Node*> pair(const Settings& one, const Settings& other);
  std::pair<Node*, Node*> pair(const Settings& both = {}) { return pair(both, both); }

  // Lets each engine work, and some of what is in flight arrive.
  void turn();
  // Until nothing moves. @returns false if that never is so
  [[nodiscard]] bool run();
  // Until the condition holds.
  [[nodiscard]] bool run_until(const std::function<bool()>& holds);
  // Calls POST again, with turns between, as long as it gives -FI_EAGAIN.
  int post(const std::function<int()>& call);

  // What every test ends with: no rule of verbs was broken, no operation, packet, request is left.
  void expect_clean();
  // The same after the endpoints were closed: no registration and no address handle of an engine.
  void expect_nothing_left(std::size_t registrations);

  Network network;
  std::vector<std::unique_ptr<Node>> nodes;
};

// How the network behaves, for tests that must pass in any of them.
struct Weather {
  const char* name;
  bool reorders;
  unsigned rnr_percent;
  bool tiny_queues;

  Settings of(Settings settings) const {
    if (tiny_queues) settings.tx_depth = settings.rx_depth = 4;
    return settings;
  }
};
inline constexpr Weather kCalm{"calm", false, 0, false};
inline constexpr Weather kReordered{"reordered", true, 0, false};
inline constexpr Weather kCrowded{"crowded", false, 0, true};
inline constexpr Weather kStormy{"stormy", true, 20, true};

class InEveryWeather : public ::testing::TestWithParam<Weather> {
 protected:
  InEveryWeather() : world(GetParam().reorders ? 7 : 1) {
    world.network.reorders = GetParam().reorders;
    world.network.rnr_percent = GetParam().rnr_percent;
  }
  World world;
};

inline std::string weather_name(const ::testing::TestParamInfo<Weather>& info) {
  return info.param.name;
}

#define EFA_IN_EVERY_WEATHER(suite)        \
  INSTANTIATE_TEST_SUITE_P(Weather, suite, \
                           ::testing::Values(kCalm, kReordered, kCrowded, kStormy), weather_name)

}  // namespace efa::rdm::sim

#endif
