// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The rings and doorbells of a CQ or QP as the device sees them (spec device-io), whichever
/// library made it. Views are made right after the object, while kernel_calls knows where its
/// memory is.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>

#include "efa_io.h"
#include "kernel_calls.hpp"

namespace efa::provider_test {

/// Memory of a verbs file, mapped by the test for itself.
class Window {
 public:
  Window() = default;
  Window(int fd, std::uint64_t key, std::size_t length);
  ~Window();
  Window(Window&& other) noexcept;
  Window& operator=(Window&& other) noexcept;
  std::byte* data() const { return start_; }

 private:
  std::byte* start_ = nullptr;
  std::size_t length_ = 0;
};

/// Where a doorbell lies in a verbs file. The page may be mapped several times.
struct Doorbell {
  int fd = -1;
  std::uint64_t page = 0;    ///< key of the mapping
  std::uint32_t offset = 0;  ///< inside the page
};

/// A send completion; the rest of the entry is 0.
struct ForgedSend {
  std::uint16_t qpn = 0, req_id = 0;
  std::uint8_t status = EFA_COMP_STATUS_OK;
  efa_send_op_type operation = EFA_SEND_OP_TYPE_SEND;
};

/// A receive completion.
struct ForgedReceive {
  std::uint16_t qpn = 0, req_id = 0;
  std::uint8_t status = EFA_COMP_STATUS_OK;
  std::uint16_t length = 0, ah = EFA_AH_INVALID, source = 0;
  bool unsolicited = false;
};

/// The ring of the CQ that was created last.
class CqRing {
 public:
  CqRing();

  std::uint32_t entry_size() const { return entry_size_; }
  std::uint32_t depth() const { return depth_; }
  bool has_doorbell() const;
  Doorbell doorbell() const { return {fd_, response_.db_mmap_key, response_.db_off}; }
  /// Where the library sees the ring.
  std::byte* mapped_at() const { return mapped_at_; }

  /// Forged completions go to sub-CQ `index` (0): that of the queue that they are for.
  void use_sub_cq(std::uint32_t index) { sub_cq_ = index; }
  /// Writes the next completion in place of the device. To be used on CQs whose QPs do
  /// nothing: the device does not know of it.
  void forge(const ForgedSend& completion);
  void forge(const ForgedReceive& completion);

 private:
  void push(const void* entry, std::size_t length);

  Window window_;
  int fd_;
  efa_uabi_create_cq_resp response_;
  std::byte* mapped_at_ = nullptr;
  std::uint32_t entry_size_, depth_;
  std::uint32_t sub_cq_ = 0, produced_ = 0;
};

/// The queues of the QP that was created last.
class QpRings {
 public:
  QpRings();

  /// WQE `index` of the send queue, whose WQEs have `wqe_size` bytes.
  efa_tx_wqe_128 send_wqe(std::uint32_t index, std::uint32_t wqe_size) const;
  efa_tx_meta_desc send_meta(std::uint32_t index, std::uint32_t wqe_size) const;
  efa_rx_desc receive_descriptor(std::uint32_t index) const;
  Doorbell sq_doorbell() const { return {fd_, response_.sq_db_mmap_key, response_.sq_db_offset}; }
  Doorbell rq_doorbell() const { return {fd_, response_.rq_db_mmap_key, response_.rq_db_offset}; }
  /// Where the library sees the queues.
  std::byte* sq_mapped_at() const { return sq_mapped_at_; }
  std::byte* rq_mapped_at() const { return rq_mapped_at_; }
  std::uint32_t sq_bytes() const { return sq_bytes_; }
  std::uint32_t rq_bytes() const { return rq_bytes_; }
  /// Protection with which the library mapped the send queue.
  int send_protection() const { return send_protection_; }
  std::uint32_t send_sub_cq() const { return response_.send_sub_cq_idx; }
  std::uint32_t recv_sub_cq() const { return response_.recv_sub_cq_idx; }
  const efa_uabi_create_qp& request() const { return request_; }
  std::size_t request_length() const { return request_length_; }

 private:
  int fd_;
  std::size_t request_length_;
  efa_uabi_create_qp request_;
  efa_uabi_create_qp_resp response_;
  std::uint32_t sq_bytes_, rq_bytes_;
  std::byte *sq_mapped_at_ = nullptr, *rq_mapped_at_ = nullptr;
  int send_protection_ = -1;
  Window sq_, rq_;
};

}  // namespace efa::provider_test
