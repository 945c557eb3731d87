// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Endpoints of libfabric's provider efa that send to themselves: both ends of all traffic are in
/// the one thread whose instructions are counted.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include <cstddef>
#include <string>
#include <vector>

namespace efa::bench {

enum class Fabric { direct, datagram, rdm };

/// An endpoint with its own AV and CQs. Ends the program with a message if anything fails.
class Loopback {
 public:
  Loopback(Fabric kind, fi_info* info, fid_domain* domain);
  ~Loopback();
  Loopback(const Loopback&) = delete;
  Loopback& operator=(const Loopback&) = delete;

  static constexpr size_t kBytes = 65536;

  /// Message bytes; the buffer of a datagram begins with a prefix.
  void send(size_t bytes, void* context);
  void send_more(size_t bytes, void* context, bool more);
  void receive(void* context);
  void write(size_t bytes, void* context);
  ssize_t read_sends(size_t most) { return fi_cq_read(tx, entries, most); }
  ssize_t read_receives(size_t most) { return fi_cq_read(rx, entries, most); }
  /// Until so many completions were read. All messages have to be on the way.
  void drain_sends(size_t count) { drain(tx, count); }
  void drain_receives(size_t count) { drain(rx, count); }

 private:
  void drain(fid_cq* cq, size_t count);
  fid_cq* open_cq(fid_domain* domain);

  const Fabric kind_;
  const size_t prefix_;
  fid_ep* ep = nullptr;
  fid_av* av = nullptr;
  fid_cq* tx = nullptr;
  fid_cq* rx = nullptr;
  fid_mr* mr = nullptr;
  fi_addr_t self = FI_ADDR_UNSPEC;
  std::vector<char> buffer;
  void* descriptor = nullptr;
  fi_cq_tagged_entry entries[64];
};

[[noreturn]] void give_up(const std::string& what, ssize_t error);

}  // namespace efa::bench
