// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A queue pair: identity, state machine inputs and where its rings are (A9.5 - A9.8).
#pragma once

#include <cstdint>
#include <vector>

#include "device/completion_queue.hpp"
#include "device/dma_space.hpp"
#include "efa_hw.h"

namespace efa::emu {

class EventCounter;

/// Traffic of one QP for `--stats`; counted by the data path.
struct QueuePairStats {
  std::uint64_t sent_messages = 0, sent_bytes = 0;  ///< SEND completed well
  std::uint64_t received_messages = 0, received_bytes = 0;
  std::uint64_t read_messages = 0, read_bytes = 0;        ///< as requester
  std::uint64_t written_messages = 0, written_bytes = 0;  ///< as requester
  std::uint64_t retransmissions = 0;
  std::uint64_t rnr_retries = 0;
  std::uint64_t errors = 0;  ///< WQEs completed with a bad status
};

struct SendQueue {
  std::uint32_t depth = 0;       ///< WQEs, power of two; 0 = none
  std::uint16_t wqe_size = 64;   ///< bytes: 64 or 128
  std::uint32_t llq_offset = 0;  ///< in the LLQ BAR
  std::uint32_t db_offset = 0;   ///< in the doorbell BAR
  std::uint16_t seen = 0;        ///< last doorbell value taken
  std::uint16_t consumed = 0;    ///< WQEs fetched, free running
};

struct RecvQueue {
  std::uint32_t descriptors = 0;  ///< 16-byte entries, power of two; 0 = none
  std::uint32_t db_offset = 0;
  std::uint16_t seen = 0;
  std::uint16_t consumed = 0;  ///< descriptors consumed, free running
  MappedRange ring;
};

struct QueuePair {
  std::uint16_t number = 0;  ///< equals the handle
  std::uint16_t pd = 0;
  std::uint16_t uar = 0;
  efa_qp_type type = EFA_QP_TYPE_UD;
  efa_qp_state state = EFA_QP_STATE_RESET;
  std::uint32_t qkey = 0;
  std::uint32_t sq_psn = 0;
  std::uint8_t rnr_retry = 7;
  bool draining = false;
  bool unsolicited_write_recv = false;
  bool req_id_64 = false;
  std::uint8_t service_level = 0;
  std::uint16_t send_sub_cq = 0;
  std::uint16_t recv_sub_cq = 0;
  CompletionQueue* send_cq = nullptr;
  CompletionQueue* recv_cq = nullptr;
  SendQueue sq;
  RecvQueue rq;

  struct Attachment {
    EventCounter* counter;
    std::uint32_t events;  ///< bitmap over efa_event_counter_qp_event
  };
  std::vector<Attachment> counters;

  QueuePairStats stats;
};

/// What the admin commands tell the data path. The device calls these before it answers the
/// command.
class DataPathHooks {
 public:
  virtual ~DataPathHooks() = default;
  virtual void qp_created(QueuePair& qp) = 0;
  /// State already changed to `qp.state`; `from` is the state before.
  virtual void qp_modified(QueuePair& qp, efa_qp_state from) = 0;
  /// After this call the data path neither touches the QP nor writes CQEs for it.
  virtual void qp_destroyed(QueuePair& qp) = 0;
  virtual void cq_created(CompletionQueue& cq) = 0;
  virtual void cq_destroyed(CompletionQueue& cq) = 0;
  /// PD `pd` lost its last reference on `ah`: its outstanding WQEs that use it end in error.
  virtual void ah_destroyed(std::uint16_t ah, std::uint16_t pd) = 0;
  /// Every object is about to vanish without completions (device reset).
  virtual void device_reset() = 0;
};

}  // namespace efa::emu
