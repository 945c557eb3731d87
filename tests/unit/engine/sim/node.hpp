// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An endpoint of the simulated network: an engine with a queue pair, completion queues, memory
// registrations and address handles that are all made up.
#ifndef EFA_TESTS_ENGINE_SIM_NODE_HPP
#define EFA_TESTS_ENGINE_SIM_NODE_HPP

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "rdm/engine.hpp"
#include "sim/network.hpp"

namespace efa::rdm::sim {

// What is posted to receive.
struct Posted {
  std::uint64_t wr_id = 0;
  ibv_sge piece{};
};

// An error that belongs to no operation of the application.
struct Report {
  int error = 0;
  int provider_errno = 0;
  std::string text;
};

// As on a device with small packets: every size border is within a few KiB.
struct Settings {
  std::size_t mtu = 1024;
  std::uint32_t tx_depth = 64;
  std::uint32_t rx_depth = 64;
  std::size_t max_sge = 2;
  std::size_t inline_size = 32;
  std::uint64_t max_rdma = 1U << 20;
  std::uint64_t runt_size = 0;
  std::uint64_t max_medium = 4096;
  std::uint64_t min_read_message = 16384;
  std::uint64_t min_read_write = 8192;
  std::uint32_t cts_packets = 4;
  std::uint32_t device = 0xefa1;
  std::uint64_t features = Features::kAlways;
  bool rdma_read = true;
  bool rdma_write = true;
  bool retries = true;
  bool homogeneous = false;
  std::size_t max_implicit_peers = 0;
  std::size_t min_multi_recv = 856;
  std::size_t prefix = 0;
  Gid gid{};              // all zero: one of its own
  std::uint16_t qpn = 0;  // 0: a new one
};

class Node final : public Host {
 public:
  Node(Network& network, const Settings& settings);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Engine& engine() { return *engine_; }
  Network& network() const { return network_; }
  const Settings& settings() const { return settings_; }
  const RawAddress& address() const { return address_; }

  // Puts OTHER into the address vector. @returns its number
  Source connect(const Node& other);
  Source connect(const RawAddress& address);
  void disconnect(Source source);

  // The application's memory: ACCESS are FI_* bits.
  Region* register_region(void* at, std::size_t length, std::uint64_t access);

  // As fi_close() of it: what the device still does there fails.
  void close_region(const Region& region);

  CompletionRing tx, rx;
  Tally sends, receives, reads, writes, remote_reads, remote_writes;
  std::vector<Report> reports;
  std::vector<std::string> warnings;

  // ---- Faults
  std::uint32_t silent = 0;                          // status that senders to it get; 0: none
  std::size_t registrations_left = ~std::size_t{0};  // how many more work
  std::size_t handles_left = ~std::size_t{0};
  bool tells_gid = true;  // completions tell the sender's GID

  // ---- Host
  const Region* find_region(std::uint64_t key) override;
  ibv_mr* register_memory(void* address, std::size_t bytes, int access) override;
  void deregister(ibv_mr* mr) override;
  Pinned pin_repeated(void* address, std::size_t bytes) override;  // every second time
  void unpin(const Pinned& pinned) override;
  Destination acquire_destination(const Gid& gid) override;
  void release_destination(const Gid& gid) override;
  bool sender_gid(ibv_cq_ex& cq, Gid& gid) override;
  void report(int error, int provider_errno, const std::string& text) override;
  void warn(const std::string& text) override { warnings.push_back(text); }
  std::uint64_t now() override { return ++network_.clock; }

  // ---- The device's side
  std::deque<Posted> posted;
  Queue& send_queue() { return send_queue_; }
  Queue& receive_queue() { return receive_queue_; }
  bool batch_is_open() const { return batch_open_; }
  bool allows(const ibv_sge& piece, int access) const;
  const Registration* registration(std::uint32_t key) const;
  std::uint16_t handle_number(const Gid& gid) const;
  void completed() { --on_device_; }

  // ---- What is left behind
  std::size_t registrations() const { return registrations_.size(); }
  std::size_t handle_users() const;
  // Frees the engine, as a close of the endpoint does. Its queue pair is gone then.
  void close();

 private:
  struct Qp {
    ibv_qp_ex ex{};  // must be first
    Node* node = nullptr;
  };

  static Node& of(ibv_qp_ex* qp) { return *reinterpret_cast<Qp*>(qp)->node; }
  void make_queue_pair();
  Request& building();
  int ring_doorbell();
  static int post_recv(ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad);
  Config make_config() const;

  Network& network_;
  Settings settings_;
  RawAddress address_{};
  ibv_context context_{};
  Qp qp_;
  Queue send_queue_;
  Queue receive_queue_;
  bool batch_open_ = false;
  std::vector<Request> batch_;
  std::uint32_t on_device_ = 0;
  std::map<std::uint32_t, std::unique_ptr<Registration>> registrations_;
  std::list<Region> regions_;
  unsigned pins_ = 0;
  std::map<Gid, std::unique_ptr<Handle>> handles_;
  std::uint16_t next_handle_ = 1;
  std::vector<Gid> inserted_;  // by number
  std::unique_ptr<Engine> engine_;
};

}  // namespace efa::rdm::sim

#endif
