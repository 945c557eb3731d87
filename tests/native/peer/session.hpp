// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One SRD queue pair with a buffer, and the traffic that the scripts ask for. Messages carry their
/// number and a pattern made of it, so that each is known and checked byte by byte.
#pragma once

#include <infiniband/efadv.h>
#include <infiniband/verbs.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace efa::peer {

/// A verb or a work request failed: not a defect of the peer, but an answer.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Session {
 public:
  static constexpr std::uint32_t kSlotBytes = 9216;
  static constexpr std::uint32_t kDepth = 256;

  /// Opens device `index` of this host, brings a queue pair to RTS.
  explicit Session(int index);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// "gid=... guid=... qpn=... addr=... rkey=... host=... pid=..."
  std::string describe() const;
  /// Makes an address handle for `gid`, to which all messages go from now on.
  std::string connect(const std::string& gid);

  void post_receives(unsigned count);
  /// Sends messages 0 .. count-1 and waits until each was delivered. 0 bytes: of varying length.
  void send(std::uint32_t qpn, std::uint64_t count, std::uint32_t bytes);
  /// Sends without end. Returns the completion that failed.
  std::string stream(std::uint32_t qpn, std::uint32_t bytes, const std::function<void()>& started);
  /// Receives messages 0 .. count-1 in any order, each once and unchanged.
  void collect(std::uint64_t count, std::uint32_t bytes, const std::function<void()>& listening);

  // Single steps; the waiting ones return "status vendor_err".
  void post(std::uint32_t qpn, std::uint32_t bytes);
  void read(std::uint32_t qpn, std::uint32_t rkey, std::uint64_t address, std::uint32_t bytes);
  /// Writes a pattern over the start of the buffer, for others to read.
  void fill(std::uint32_t bytes);
  /// Reads `bytes` filled ones of the peer `count` times; each time all of them must be right.
  void read_filled(std::uint32_t qpn, std::uint32_t rkey, std::uint64_t address, unsigned count,
                   std::uint32_t bytes);
  std::string next_sent();
  std::string next_received();

  /// Registers the buffer once more, in the process that calls, and uses that from now on.
  std::string register_anew();
  /// Takes the registered buffer out of the address space.
  void unmap_buffer();
  std::string query_port();
  /// Goes on with a duplicate of the device's descriptor; the first one is closed.
  std::string duplicate_descriptor();
  ibv_cq* recv_cq() const { return recv_cq_; }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{2} * kDepth * kSlotBytes;

  std::uint8_t* receive_slot(std::uint64_t n) const { return buffer_ + n % kDepth * kSlotBytes; }
  std::uint8_t* send_slot(std::uint64_t n) const {
    return buffer_ + (kDepth + n % kDepth) * kSlotBytes;
  }
  void post_receive(std::uint64_t slot);
  void post_message(std::uint32_t qpn, std::uint64_t number, std::uint64_t slot,
                    std::uint32_t bytes);
  void check_message(const ibv_wc& wc, std::uint64_t count, std::uint32_t bytes,
                     std::vector<bool>& seen) const;

  std::uint8_t* buffer_ = nullptr;
  ibv_context* context_ = nullptr;
  ibv_pd* pd_ = nullptr;
  ibv_mr* mr_ = nullptr;
  std::vector<ibv_mr*> old_mrs_;
  ibv_cq* send_cq_ = nullptr;
  ibv_cq* recv_cq_ = nullptr;
  ibv_qp* qp_ = nullptr;
  ibv_ah* ah_ = nullptr;
};

}  // namespace efa::peer
