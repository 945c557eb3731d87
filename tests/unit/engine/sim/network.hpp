// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A simulated network of SRD queue pairs, in one thread and repeatable: what engines post is in
// flight until step() lets one of the events happen. It promises what SRD promises (spec
// efa-rdm-protocol 1) and no more, and it keeps a list of what a device or libefa would not
// forgive.
#ifndef EFA_TESTS_ENGINE_SIM_NETWORK_HPP
#define EFA_TESTS_ENGINE_SIM_NETWORK_HPP

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "rdm/host.hpp"

namespace efa::rdm::sim {

class Node;

// Statuses of the device (efa-rdm-protocol 14).
inline constexpr std::uint32_t kOk = 0;
inline constexpr std::uint32_t kBadLkey = 5;
inline constexpr std::uint32_t kBadRemoteAddress = 7;
inline constexpr std::uint32_t kBadQpn = 9;
inline constexpr std::uint32_t kRnr = 10;
inline constexpr std::uint32_t kBadRemoteLength = 11;
inline constexpr std::uint32_t kUnresponsive = 13;
inline constexpr std::uint32_t kUnreachable = 15;

// Registered memory of one node; a key is used once.
struct Registration {
  std::uintptr_t start = 0;
  std::size_t length = 0;
  int access = 0;  // IBV_ACCESS_*
  ibv_mr mr{};

  bool contains(std::uint64_t at, std::uint64_t bytes) const {
    return at >= start && bytes <= length && at - start <= length - bytes;
  }
};

struct Handle {
  ibv_ah ah{};  // must be first: the device gets a pointer to it
  Gid gid{};
  std::uint16_t number = 0;
  std::size_t users = 0;
};

// A work request that a node has posted.
struct Request {
  Node* from = nullptr;
  std::uint64_t wr_id = 0;
  ibv_wr_opcode opcode = IBV_WR_SEND;
  Gid gid{};
  std::uint32_t qpn = 0;
  std::uint32_t qkey = 0;
  std::uint64_t remote = 0;
  std::uint32_t rkey = 0;
  std::uint32_t immediate = 0;
  std::vector<ibv_sge> pieces;
  bool is_inline = false;
  std::vector<std::byte> inline_data;
  // Only when it has happened: what the requester's completion says.
  bool happened = false;
  std::uint32_t status = kOk;
};

struct Completion {
  std::uint64_t wr_id = 0;
  ibv_wc_opcode opcode = IBV_WC_SEND;
  std::uint32_t status = kOk;
  std::uint32_t bytes = 0;
  std::uint32_t immediate = 0;
  std::uint32_t source_qpn = 0;
  std::uint16_t source_handle = 0;
  Gid source_gid{};
};

// A completion queue that an engine polls as libefa's.
struct Queue {
  ibv_cq_ex cq{};  // must be first
  std::deque<Completion> entries;
  Completion current;
  bool polling = false;
  Node* owner = nullptr;

  Queue();
};

class Network {
 public:
  explicit Network(std::uint32_t seed = 1) : random(seed) {}

  // Whether events happen in any order, else in that of posting.
  bool reorders = false;
  // Of a hundred packets, how many find no receive though there is one.
  unsigned rnr_percent = 0;

  std::minstd_rand random;
  std::uint64_t clock = 1000;           // microseconds
  std::vector<std::string> violations;  // of the rules of verbs: there must be none

  void attach(Node& node) { nodes_.push_back(&node); }
  void detach(Node& node);
  void post(Request request) { flying_.push_back(std::move(request)); }
  // Lets one event happen: a request reaches its peer, or its completion the requester. @returns
  // false if nothing is in flight
  bool step();
  std::size_t flying() const { return flying_.size(); }

  Node* find(const Gid& gid, std::uint32_t qpn) const;
  // A packet that no engine sent, as if it came from FROM; false if nobody takes it.
  bool inject(const Node& from, Node& to, std::span<const std::byte> bytes);
  std::uint32_t new_key() { return next_key_ += 7; }
  void violation(const std::string& what) { violations.push_back(what); }

 private:
  std::uint32_t execute(Request& request);
  std::uint32_t deliver(const Request& request, Node& to, std::span<const std::byte> bytes);
  std::uint32_t rdma(const Request& request, Node& to);
  void complete(const Request& request);

  std::vector<Node*> nodes_;
  std::deque<Request> flying_;
  std::uint32_t next_key_ = 100;
};

}  // namespace efa::rdm::sim

#endif
