// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "sim/world.hpp"

#include <algorithm>
#include <cstring>

namespace efa::rdm::sim {
namespace {

constexpr int kMostTurns = 200000;

Event event_of(const rdm::Completion& completion) {
  Event event;
  event.context = completion.context;
  event.flags = completion.flags;
  event.length = completion.length;
  event.data = completion.data;
  event.tag = completion.tag;
  event.source = completion.source;
  event.buffer = completion.buffer;
  return event;
}

}  // namespace

std::vector<Event> read_all(CompletionRing& ring) {
  std::vector<Event> events;
  while (!ring.empty()) {
    const std::size_t ready = ring.readable();
    for (std::size_t i = 0; i < ready; ++i) events.push_back(event_of(ring.peek(i)));
    ring.pop(ready);
    if (ring.failure() == nullptr) continue;
    const FailedCompletion failed = ring.take_failure();
    events.push_back(event_of(failed.of));
    events.back().error = failed.error;
    events.back().code = failed.provider_errno;
    events.back().overflow = failed.overflow;
    events.back().text = failed.text;
  }
  return events;
}

// ---- Memory

Memory::Memory(Node& node, std::size_t total, std::size_t count, bool described,
               std::uint64_t access) {
  std::minstd_rand random(static_cast<std::uint32_t>(total * 8 + count));
  std::size_t left = total;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = i + 1 == count ? left : random() % (2 * total / count + 1);
    lengths_.push_back(std::min(length, left));
    left -= lengths_.back();
  }
  for (const std::size_t length : lengths_) {
    parts_.push_back(std::make_unique<std::byte[]>(length));
    const Region* region = described && length != 0
                               ? node.register_region(parts_.back().get(), length, access)
                               : nullptr;
    buffers_.add(parts_.back().get(), length, region);
  }
}

Memory& Memory::fill(std::uint32_t seed) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    for (std::size_t j = 0; j < lengths_[i]; ++j, ++at)
      parts_[i][j] = static_cast<std::byte>((at * 31 + (at >> 8) * 7 + seed * 13 + 1) & 0xff);
  return *this;
}

void Memory::overwrite() {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (lengths_[i] != 0) std::memset(parts_[i].get(), 0xdb, lengths_[i]);
}

std::vector<std::byte> Memory::all() const {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    bytes.insert(bytes.end(), parts_[i].get(), parts_[i].get() + lengths_[i]);
  return bytes;
}

RmaIovs Memory::remote() const {
  RmaIovs iovs;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    iovs.iov[iovs.count++] = {reinterpret_cast<std::uintptr_t>(parts_[i].get()), lengths_[i],
                              buffers_[i].region != nullptr ? buffers_[i].region->rkey : 0};
  return iovs;
}

// ---- World

Node& World::add(const Settings& settings) {
  nodes.push_back(std::make_unique<Node>(network, settings));
  return *nodes.back();
}

std::pair<Node*, Node*> World::pair(const Settings& one, const Settings& other) {
  Node& a = add(one);
  Node& b = add(other);
  a.connect(b);
  b.connect(a);
  return {&a, &b};
}

void World::turn() {
  for (auto& node : nodes) node->engine().progress();
  const std::size_t steps = 1 + network.random() % 8;
  for (std::size_t i = 0; i < steps && network.step(); ++i) {
  }
  network.clock += 20;
}

bool World::run() {
  return run_until([&] {
    return network.flying() == 0 && std::all_of(nodes.begin(), nodes.end(), [](const auto& node) {
             return node->send_queue().entries.empty() && node->receive_queue().entries.empty() &&
                    !node->engine().has_pending();
           });
  });
}

bool World::run_until(const std::function<bool()>& holds) {
  for (int i = 0; i < kMostTurns; ++i) {
    turn();
    if (holds()) return true;
  }
  std::string state;
  for (auto& node : nodes) state += node->engine().dump();
  ADD_FAILURE() << "nothing comes to an end:\n" << state;
  return false;
}

int World::post(const std::function<int()>& call) {
  for (int i = 0; i < kMostTurns; ++i) {
    const int error = call();
    if (error != -FI_EAGAIN) return error;
    turn();
  }
  return -FI_EAGAIN;
}

void World::expect_clean() {
  EXPECT_EQ(network.violations, std::vector<std::string>());
  for (auto& node : nodes) {
    const Usage usage = node->engine().usage();
    EXPECT_EQ(usage.outgoing, 0U) << node->engine().dump();
    EXPECT_EQ(usage.incoming, 0U) << node->engine().dump();
    EXPECT_EQ(usage.posted, 0U);
    EXPECT_EQ(usage.deferred, 0U);
    EXPECT_EQ(usage.owed, 0U);
    EXPECT_EQ(usage.requests, 0U);
    EXPECT_EQ(usage.packets, 0U);
  }
}

void World::expect_nothing_left(std::size_t registrations) {
  std::size_t left = 0;
  for (auto& node : nodes) {
    node->close();
    left += node->registrations();
  }
  EXPECT_EQ(left, registrations);
  EXPECT_EQ(network.violations, std::vector<std::string>());
}

}  // namespace efa::rdm::sim
