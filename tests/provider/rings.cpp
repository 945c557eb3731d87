// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rings.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace efa::provider_test {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t page_align(std::size_t bytes) {
  return (bytes + kPage - 1) & ~(kPage - 1);
}

std::byte* address_of(int fd, std::uint64_t key) {
  const Mapping* mapping = find_mapping(fd, key);
  return mapping == nullptr ? nullptr : mapping->address;
}

}  // namespace

Window::Window(int fd, std::uint64_t key, std::size_t length) : length_(page_align(length)) {
  // Not by mmap(): this is no mapping of the library's.
  const long at = ::syscall(SYS_mmap, nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                            static_cast<off_t>(key));
  if (at == -1) throw std::runtime_error("cannot map a ring");
  start_ = reinterpret_cast<std::byte*>(at);
}

Window::~Window() {
  if (start_ != nullptr) ::munmap(start_, length_);
}

Window::Window(Window&& other) noexcept
    : start_(std::exchange(other.start_, nullptr)), length_(other.length_) {}

Window& Window::operator=(Window&& other) noexcept {
  std::swap(start_, other.start_);
  std::swap(length_, other.length_);
  return *this;
}

CqRing::CqRing()
    : fd_(last_created_cq().fd),
      response_(last_created_cq().response),
      entry_size_(last_created_cq().request.cq_entry_size),
      depth_(last_created_cq().cqe) {
  if (response_.q_mmap_size == 0) return;  // memory of the caller
  mapped_at_ = address_of(fd_, response_.q_mmap_key);
  window_ = Window(fd_, response_.q_mmap_key, response_.q_mmap_size);
}

bool CqRing::has_doorbell() const {
  return efa_uabi_create_cq_resp_db_off(&response_) != 0;
}

void CqRing::push(const void* entry, std::size_t length) {
  const std::size_t index = std::size_t{sub_cq_} * depth_ + produced_ % depth_;
  std::byte* slot = window_.data() + index * entry_size_;
  efa_cdesc_common common;
  std::memcpy(&common, entry, sizeof(common));
  efa_cdesc_common_set_phase(&common, (produced_ / depth_ & 1) == 0);
  ++produced_;
  // The byte with the phase last (device-io I7).
  std::memcpy(slot + sizeof(common), static_cast<const std::byte*>(entry) + sizeof(common),
              std::min<std::size_t>(length, entry_size_) - sizeof(common));
  std::memcpy(slot, &common.req_id, sizeof(common.req_id));
  slot[offsetof(efa_cdesc_common, status)] = std::byte{common.status};
  std::memcpy(slot + offsetof(efa_cdesc_common, qp_num), &common.qp_num, sizeof(common.qp_num));
  __atomic_store_n(reinterpret_cast<std::uint8_t*>(slot) + offsetof(efa_cdesc_common, flags),
                   common.flags, __ATOMIC_RELEASE);
}

void CqRing::forge(const ForgedSend& completion) {
  efa_tx_cdesc entry{};
  entry.common.req_id = completion.req_id;
  entry.common.status = completion.status;
  entry.common.qp_num = completion.qpn;
  efa_cdesc_common_set_q_type(&entry.common, EFA_QUEUE_TYPE_SEND_QUEUE);
  efa_cdesc_common_set_op_type(&entry.common, completion.operation);
  push(&entry, sizeof(entry));
}

void CqRing::forge(const ForgedReceive& completion) {
  efa_rx_cdesc_ex entry{};
  entry.base.common.req_id = completion.req_id;
  entry.base.common.status = completion.status;
  entry.base.common.qp_num = completion.qpn;
  efa_cdesc_common_set_q_type(&entry.base.common, EFA_QUEUE_TYPE_RECV_QUEUE);
  efa_cdesc_common_set_op_type(&entry.base.common, completion.unsolicited
                                                       ? EFA_SEND_OP_TYPE_RDMA_WRITE
                                                       : EFA_SEND_OP_TYPE_SEND);
  efa_cdesc_common_set_unsolicited(&entry.base.common, completion.unsolicited);
  entry.base.length = completion.length;
  entry.base.ah = completion.ah;
  entry.base.src_qp_num = completion.source;
  push(&entry, sizeof(entry));
}

QpRings::QpRings()
    : fd_(last_created_qp().fd),
      request_length_(last_created_qp().request_length),
      request_(last_created_qp().request),
      response_(last_created_qp().response),
      sq_bytes_(request_.sq_ring_size),
      rq_bytes_(request_.rq_ring_size),
      sq_(fd_, response_.llq_desc_mmap_key, response_.llq_desc_offset + sq_bytes_) {
  if (const Mapping* sq = find_mapping(fd_, response_.llq_desc_mmap_key)) {
    sq_mapped_at_ = sq->address + response_.llq_desc_offset;
    send_protection_ = sq->protection;
  }
  if (rq_bytes_ == 0) return;
  rq_mapped_at_ = address_of(fd_, response_.rq_mmap_key);
  rq_ = Window(fd_, response_.rq_mmap_key, rq_bytes_);
}

efa_tx_wqe_128 QpRings::send_wqe(std::uint32_t index, std::uint32_t wqe_size) const {
  efa_tx_wqe_128 wqe{};
  const std::size_t at = std::size_t{index} * wqe_size % sq_bytes_;
  std::memcpy(&wqe, sq_.data() + response_.llq_desc_offset + at,
              std::min<std::size_t>(wqe_size, sizeof(wqe)));
  return wqe;
}

efa_tx_meta_desc QpRings::send_meta(std::uint32_t index, std::uint32_t wqe_size) const {
  return send_wqe(index, wqe_size).meta;
}

efa_rx_desc QpRings::receive_descriptor(std::uint32_t index) const {
  efa_rx_desc descriptor;
  std::memcpy(&descriptor, rq_.data() + std::size_t{index} * sizeof(descriptor) % rq_bytes_,
              sizeof(descriptor));
  return descriptor;
}

}  // namespace efa::provider_test
