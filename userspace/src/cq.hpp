// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion queues: one or more rings in memory that the device writes (device-io I7).
#pragma once

#include <infiniband/efadv.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "mapping.hpp"
#include "qp.hpp"
#include "wire.hpp"

namespace efa {

/// Fields of a completion's first two words.
namespace cqe {
using Wide = efa_rx_cdesc_ex;
inline constexpr std::size_t kBytes = sizeof(Wide);  // always the larger entry (V53)
inline constexpr std::size_t kWords = kBytes / 8;
static_assert(kWords == 4);

constexpr std::uint16_t request_id(std::uint64_t word0) {
  return from_word<std::uint16_t>(offsetof(efa_cdesc_common, req_id), word0);
}
constexpr std::uint8_t status(std::uint64_t word0) {
  return from_word<std::uint8_t>(offsetof(efa_cdesc_common, status), word0);
}
constexpr bool is_ok(std::uint64_t word0) {
  static_assert(EFA_COMP_STATUS_OK == 0);
  return (word0 & in_word(offsetof(efa_cdesc_common, status), 0xff)) == 0;
}
constexpr std::uint8_t flags(std::uint64_t word0) {
  return from_word<std::uint8_t>(offsetof(efa_cdesc_common, flags), word0);
}
constexpr std::uint16_t qp_number(std::uint64_t word0) {
  return from_word<std::uint16_t>(offsetof(efa_cdesc_common, qp_num), word0);
}
constexpr std::uint16_t length(std::uint64_t word0) {
  return from_word<std::uint16_t>(offsetof(efa_rx_cdesc, length), word0);
}
constexpr std::uint16_t ah(std::uint64_t word1) {
  return from_word<std::uint16_t>(offsetof(efa_rx_cdesc, ah), word1);
}
constexpr std::uint16_t source_qp(std::uint64_t word1) {
  return from_word<std::uint16_t>(offsetof(efa_rx_cdesc, src_qp_num), word1);
}
constexpr std::uint32_t immediate(std::uint64_t word1) {
  return from_word<std::uint32_t>(offsetof(efa_rx_cdesc, imm), word1);
}
static_assert(offsetof(efa_rx_cdesc, length) == 6 && offsetof(efa_rx_cdesc, ah) == 8);

/// Upper half of the length of an RDMA write with immediate.
constexpr std::uint16_t length_high(std::uint64_t word2) {
  return from_word<std::uint16_t>(offsetof(Wide, u.rdma_write.length_hi), word2);
}
static_assert(offsetof(Wide, u) == 16);

/// The 64-bit request id of a send completion.
constexpr std::uint64_t wide_request_id(std::uint64_t word0, std::uint64_t word1) {
  static_assert(offsetof(efa_tx_cdesc, req_id_ex) == 6);
  return request_id(word0) | word0 >> 48 << 16 | word1 << 32;
}

/// All flags but the phase: what kind of completion it is. The flags are the uppermost byte of the
/// first half of the first word, and the phase is their lowest bit.
constexpr std::uint32_t kind(std::uint64_t word0) {
  static_assert(offsetof(efa_cdesc_common, flags) == 3 && EFA_CDESC_COMMON_PHASE_MASK == 1);
  return static_cast<std::uint32_t>(word0) >> 25;
}

constexpr std::uint32_t kind_of(efa_queue_type queue, efa_send_op_type op) {
  efa_cdesc_common common{};
  efa_cdesc_common_set_q_type(&common, queue);
  efa_cdesc_common_set_op_type(&common, op);
  return kind(in_word(offsetof(efa_cdesc_common, flags), common.flags));
}

/// The most frequent kind: RDMA reads are of another one but reported like this one, too (I8).
inline constexpr std::uint32_t kSend = kind_of(EFA_QUEUE_TYPE_SEND_QUEUE, EFA_SEND_OP_TYPE_SEND);

/// The opcode that users see for a kind, or kInvalid for one that no device may send. Receives have
/// the bit IBV_WC_RECV.
inline constexpr std::uint8_t kInvalid = 0x7f;
constexpr std::array<std::uint8_t, 128> make_opcodes() {
  std::array<std::uint8_t, 128> opcodes{};
  for (unsigned flags = 0; flags < 2 * opcodes.size(); flags += 2) {
    efa_cdesc_common common{};
    common.flags = static_cast<std::uint8_t>(flags);
    const bool write = efa_cdesc_common_op_type(&common) == EFA_SEND_OP_TYPE_RDMA_WRITE;
    std::uint8_t& opcode = opcodes[kind(in_word(offsetof(efa_cdesc_common, flags), flags))];
    if (efa_cdesc_common_q_type(&common) == EFA_QUEUE_TYPE_RECV_QUEUE) {
      opcode = write ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
    } else if (efa_cdesc_common_q_type(&common) == EFA_QUEUE_TYPE_SEND_QUEUE) {
      opcode = write ? IBV_WC_RDMA_WRITE : IBV_WC_SEND;
    } else {
      opcode = kInvalid;
    }
  }
  return opcodes;
}
inline constexpr std::array<std::uint8_t, 128> kOpcodes = make_opcodes();
}  // namespace cqe

/// A ring of completions. The device may split those of one queue over several.
struct SubCq {
  const std::uint64_t* next;  // the oldest entry that is not read
  std::uint64_t phase;        // of a new entry there, in the place it has in the first word
  const std::uint64_t* begin;
  const std::uint64_t* end;
};

/// The device flips the phase with each lap, and starts with 1 (I7).
inline constexpr std::uint64_t kPhase =
    in_word(offsetof(efa_cdesc_common, flags), EFA_CDESC_COMMON_PHASE_MASK);

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): what polling touches is kept together
struct Cq {
  ibv::VerbsCq verbs;  // first: libibverbs' part
  efadv_cq dv;
  int (*poll)(ibv_cq*, int, ibv_wc*) = nullptr;  // chosen at creation

  // What polling reads and writes.
  alignas(kCacheLine) SubCq first{};  // of one or more
  std::uint32_t consumed = 0;         // over all rings, for the doorbell
  Qp* const* qps = nullptr;
  std::uint32_t* doorbell = nullptr;  // may be null (V58)
  std::uint32_t event_count = 0;      // completion events seen, of which the device wants two bits
  SpinLock lock;
  std::uint16_t sub_cq_count = 1;
  std::uint16_t next_sub_cq = 0;  // fairness (V71)

  // The entry of the session of ibv_start_poll. A copy: the ring is the device's.
  alignas(kCacheLine) std::uint64_t entry[cqe::kWords]{};
  std::uint8_t opcode = 0;
  std::uint32_t session_read = 0;

  std::uint32_t entries = 0;  // of each ring
  Threads threads = Threads::kShared;
  Pd* parent_domain = nullptr;
  Array<SubCq> more;  // all rings, if there are more than one
  Mapping ring_pages;
  Mapping doorbell_page;

  Context& context() { return Context::of(verbs.cq.context); }
  SubCq* sub_cqs() { return sub_cq_count == 1 ? &first : more.get(); }

  static Cq& of(ibv_cq* cq) { return *reinterpret_cast<Cq*>(cq); }
  static Cq& of(ibv_cq_ex* cq) { return *reinterpret_cast<Cq*>(cq); }

  /// Tells the device how far the rings are read, and perhaps that the next completion shall raise
  /// an event.
  void ring_doorbell(bool arm) {
    std::uint32_t value = efa_cq_doorbell_set_consumer_index(0, consumed);
    value = efa_cq_doorbell_set_cmd_sn(value, event_count);
    store_device(doorbell, efa_cq_doorbell_set_arm(value, arm));
  }

  /// After reading `entries` of any ring.
  void report_read(std::uint32_t entries) {
    consumed += entries;
    ring_doorbell(false);
  }
};

ibv_cq* create_cq(ibv_context* context, int entries, ibv_comp_channel* channel, int vector);
ibv_cq_ex* create_cq_ex(ibv_context* context, ibv_cq_init_attr_ex* attr);
/// efadv_create_cq, its arguments checked for size.
ibv_cq_ex* create_efa_cq(Context& context, const ibv_cq_init_attr_ex& attr,
                         const efadv_cq_init_attr& efa);
int destroy_cq(ibv_cq* cq);
int req_notify_cq(ibv_cq* cq, int solicited_only);
void cq_event(ibv_cq* cq);
int poll_cq(ibv_cq* cq, int count, ibv_wc* wc);

/// Sets the pointers to the polling functions for the threads and rings of `cq`.
void choose_poll(Cq& cq);
void choose_extended_poll(Cq& cq, std::uint64_t wc_flags, std::uint64_t efa_wc_flags);

}  // namespace efa
