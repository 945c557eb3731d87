// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Mapped queues and work requests written by hand (device-io I2 - I7).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "efa_io.h"
#include "uverbs.hpp"

namespace efa::raw {

inline constexpr std::uint32_t kQkey = 0x11111111;

/// Pages of a context's queues; unmapped at the end.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const Session& session, std::uint64_t key, std::size_t length, int protection);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// The 32-bit word at `offset`.
  volatile std::uint32_t* word(std::size_t offset) const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// One CQE in whichever of its forms.
struct Completion {
  efa_rx_cdesc_ex raw;

  const efa_cdesc_common& common() const { return raw.base.common; }
  const efa_tx_cdesc& send() const { return reinterpret_cast<const efa_tx_cdesc&>(raw); }
  unsigned status() const { return common().status; }
  unsigned op() const { return efa_cdesc_common_op_type(&common()); }
  unsigned queue() const { return efa_cdesc_common_q_type(&common()); }
};

class CompletionRing {
 public:
  CompletionRing(Session& session, CqRequest request);
  /// With the ring in `memory`, which the request's attributes name.
  CompletionRing(Session& session, CqRequest request, const void* memory);
  const CqAnswer& answer() const { return answer_; }
  const Mapping& ring() const { return ring_; }

  std::optional<Completion> poll();
  /// Polls for up to a minute; throws std::runtime_error if nothing comes.
  Completion next();

 private:
  CqAnswer answer_;
  std::uint32_t depth_, entry_size_, sub_cqs_;
  Mapping ring_;
  const std::byte* start_;
  std::vector<std::uint32_t> consumed_;
};

struct QpOptions {
  std::uint32_t type = IB_UVERBS_QPT_DRIVER;
  std::uint32_t depth = 64;
  std::uint32_t wqe_size = 64;
  std::uint16_t flags = 0;
  std::uint8_t rnr_retry = 7;
  /// Called while the queue pair is in RESET.
  std::function<void(const QpAnswer&)> created = [](const QpAnswer&) {};
};

/// A queue pair in RTS with its mapped rings.
class QueuePair {
 public:
  QueuePair(Session& session, const Pd& pd, CompletionRing& send_cq, CompletionRing& recv_cq,
            const QpOptions& options = {});

  std::uint32_t number() const { return answer_.number; }
  std::uint32_t handle() const { return answer_.handle; }
  const Mapping& send_ring() const { return llq_; }
  const Mapping& recv_ring() const { return rq_; }
  volatile std::uint32_t* send_doorbell() const { return sq_db_.word(answer_.device.sq_db_offset); }
  volatile std::uint32_t* recv_doorbell() const { return rq_db_.word(answer_.device.rq_db_offset); }

  /// Copies a WQE of the queue's size into its slot and rings the doorbell.
  void post_send(const void* wqe);
  void post_send(const efa_tx_wqe& wqe) { post_send(static_cast<const void*>(&wqe)); }
  void post_send(const efa_tx_wqe_128& wqe) { post_send(static_cast<const void*>(&wqe)); }
  void post_receive(std::uint16_t id, const Mr& mr, const void* start, std::uint16_t length);

 private:
  QpOptions options_;
  QpAnswer answer_;
  Mapping llq_, rq_, sq_db_, rq_db_;
  std::uint16_t sent_ = 0, received_ = 0;
};

/// Destination of requests.
struct Peer {
  std::uint16_t ah = 0;
  std::uint32_t qpn = 0;
};

/// A well-formed descriptor of `op` to `peer`; id and operation in the caller's hands.
efa_tx_meta_desc meta(efa_send_op_type op, const Peer& peer, std::uint64_t id,
                      std::uint16_t length);
efa_tx_buf_desc segment(const Mr& mr, const void* start, std::uint32_t length);
efa_remote_mem_addr remote(const Mr& mr, const void* start, std::uint32_t length);

}  // namespace efa::raw
