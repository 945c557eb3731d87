// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A send-queue operation from the moment its WQE was fetched until its CQE is written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "efa_hw.h"
#include "fabric/switch.hpp"

namespace efa::emu {

struct QpContext;
struct Peer;

/// A local buffer as the WQE names it. Resolved at every access: the region may go away meanwhile.
struct Sge {
  std::uint64_t addr = 0;
  std::uint32_t length = 0;
  std::uint32_t lkey = 0;
};

/// RNR retry count that never runs out (A9.6).
inline constexpr std::uint8_t kRnrForever = 7;

inline constexpr std::size_t kMaxSendSges = EFA_TX_SGES;
inline constexpr std::size_t kMaxInline = EFA_INLINE_128;

/// The decoded WQE: plain values, checked for form but not yet against any object.
struct SendRequest {
  std::uint64_t req_id = 0;
  efa_send_op_type op = EFA_SEND_OP_TYPE_SEND;
  bool has_imm = false;
  bool is_inline = false;
  std::uint8_t sge_count = 0;
  std::uint16_t dest_qp = 0;
  std::uint16_t ah = 0;
  std::uint32_t qkey = 0;
  std::uint32_t imm = 0;
  std::uint32_t length = 0;  ///< bytes of payload
  std::uint32_t rkey = 0;
  std::uint64_t remote_addr = 0;
  std::array<Sge, kMaxSendSges> sge{};
  std::array<std::byte, kMaxInline> inline_data{};

  bool is_rdma() const noexcept {
    return op == EFA_SEND_OP_TYPE_RDMA_READ || op == EFA_SEND_OP_TYPE_RDMA_WRITE;
  }
};

/// One packet's worth of a message on an imperfect path.
struct Part {
  bool delivered = false;     ///< the responder executed it: never again, whatever still arrives
  bool answered = false;      ///< and the requester knows
  std::uint8_t status = 0;    ///< what the responder answered, once delivered
  std::uint32_t attempt = 0;  ///< current transmission; older answers and timers do not count
  Nanoseconds arrival = 0;    ///< when its latest request or answer is through, if not lost
};

struct Message {
  MessageRef self;
  SendRequest request;
  QpContext* owner = nullptr;  ///< requester; nullptr once the WQE is completed (UD in flight)
  Message* previous = nullptr;
  Message* next = nullptr;  ///< list of the owner's outstanding messages
  Peer* peer = nullptr;     ///< nullptr: nobody has the destination GID
  std::uint16_t source_qp = 0;
  std::uint16_t source_pd = 0;
  efa_qp_type transport = EFA_QP_TYPE_UD;
  std::uint32_t responder_life = 0;  ///< of the peer's device when the WQE was fetched

  Nanoseconds deadline = 0;   ///< transport time limit
  std::uint32_t moved = 0;    ///< direct path: bytes transferred so far
  std::uint8_t rnr_left = 0;  ///< retries left; 7 = without limit
  bool parked = false;        ///< found no receive; goes on when one is posted or a timer runs out
  bool lined_up = false;      ///< has an entry among the waiters of the responder's queue pair
  std::uint32_t parks = 0;    ///< times it was parked: tells an old timer from the current one

  std::uint32_t part_size = 0;  ///< bytes; 0 = direct path
  std::uint32_t next_part = 0;
  std::uint32_t unanswered = 0;  ///< parts, or copies of a datagram, under way
  std::uint32_t delivered = 0;   ///< parts
  std::vector<Part> parts;
  std::vector<std::byte> snapshot;  ///< UD on an imperfect path: the payload as it was sent

  void recycle();
};

/// Messages by reference; storage is reused, references to finished messages go stale.
class MessagePool {
 public:
  Message& allocate();
  void release(Message& message);
  /// nullptr when the message is finished.
  Message* find(MessageRef ref) const noexcept;
  std::size_t in_use() const noexcept { return slots_.size() - free_.size(); }

 private:
  std::vector<std::unique_ptr<Message>> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace efa::emu
