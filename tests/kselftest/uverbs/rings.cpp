// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rings.hpp"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace efa::raw {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::chrono::seconds kPatience{60};

std::size_t page_align(std::size_t bytes) {
  return (bytes + kPage - 1) & ~(kPage - 1);
}

void require(int error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(error));
}

/// The WQE leaves the CPU before the doorbell does (device-io I2).
void flush_write_combining() {
#ifdef __x86_64__
  __builtin_ia32_sfence();
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

Mapping::Mapping(const Session& session, std::uint64_t key, std::size_t length, int protection)
    : size_(page_align(length)) {
  void* start =
      ::mmap(nullptr, size_, protection, MAP_SHARED, session.fd(), static_cast<off_t>(key));
  if (start == MAP_FAILED) throw std::runtime_error("queue memory cannot be mapped");
  data_ = static_cast<std::byte*>(start);
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Mapping::Mapping(Mapping&& other) noexcept {
  *this = std::move(other);
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

volatile std::uint32_t* Mapping::word(std::size_t offset) const {
  return reinterpret_cast<volatile std::uint32_t*>(data_ + offset);
}

CompletionRing::CompletionRing(Session& session, CqRequest request, const void* memory)
    : depth_(request.cqe),
      entry_size_(request.device.cq_entry_size),
      sub_cqs_(session.limits().sub_cqs_per_cq),
      start_(static_cast<const std::byte*>(memory)),
      consumed_(sub_cqs_) {
  request.device.num_sub_cqs = static_cast<std::uint16_t>(sub_cqs_);
  require(session.create_cq(request, answer_), "create CQ");
}

CompletionRing::CompletionRing(Session& session, CqRequest request)
    : CompletionRing(session, std::move(request), nullptr) {
  ring_ = Mapping(session, answer_.device.q_mmap_key, answer_.device.q_mmap_size,
                  PROT_READ | PROT_WRITE);
  start_ = ring_.data();
}

std::optional<Completion> CompletionRing::poll() {
  for (std::uint32_t sub = 0; sub < sub_cqs_; ++sub) {
    std::uint32_t& consumed = consumed_[sub];
    const std::byte* entry = start_ + (std::size_t{sub} * depth_ + consumed % depth_) * entry_size_;
    const auto* flags =
        reinterpret_cast<const std::uint8_t*>(entry) + offsetof(efa_cdesc_common, flags);
    const unsigned phase = (consumed / depth_ & 1) == 0;
    if ((__atomic_load_n(flags, __ATOMIC_ACQUIRE) & EFA_CDESC_COMMON_PHASE_MASK) != phase) continue;
    Completion completion{};
    std::memcpy(&completion.raw, entry, entry_size_);
    ++consumed;
    return completion;
  }
  return std::nullopt;
}

Completion CompletionRing::next() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    if (const auto completion = poll()) return *completion;
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no completion");
    ::sched_yield();
  }
}

QueuePair::QueuePair(Session& session, const Pd& pd, CompletionRing& send_cq,
                     CompletionRing& recv_cq, const QpOptions& options)
    : options_(options) {
  QpRequest request;
  request.type = options.type;
  request.cap = {options.depth, options.depth, 2, 1, 0};
  request.device.sq_ring_size = options.depth * options.wqe_size;
  request.device.rq_ring_size = options.depth * sizeof(efa_rx_desc);
  request.device.flags = options.flags;
  require(session.create_qp(request, pd, send_cq.answer(), recv_cq.answer(), answer_), "create QP");
  const efa_uabi_create_qp_resp& keys = answer_.device;
  constexpr int kWrite = PROT_READ | PROT_WRITE;
  llq_ = Mapping(session, keys.llq_desc_mmap_key,
                 keys.llq_desc_offset + request.device.sq_ring_size, kWrite);
  rq_ = Mapping(session, keys.rq_mmap_key, keys.rq_mmap_size, kWrite);
  sq_db_ = Mapping(session, keys.sq_db_mmap_key, kPage, kWrite);
  rq_db_ = Mapping(session, keys.rq_db_mmap_key, kPage, kWrite);
  options.created(answer_);
  require(session.ready(answer_, kQkey, options.rnr_retry), "to RTS");
}

void QueuePair::post_send(const void* wqe) {
  std::byte* ring = llq_.data() + answer_.device.llq_desc_offset;
  std::memcpy(ring + std::size_t{sent_ % options_.depth} * options_.wqe_size, wqe,
              options_.wqe_size);
  ++sent_;
  flush_write_combining();
  *send_doorbell() = sent_;
}

void QueuePair::post_receive(std::uint16_t id, const Mr& mr, const void* start,
                             std::uint16_t length) {
  efa_rx_desc descriptor{};
  efa_rx_desc_set_addr(&descriptor, reinterpret_cast<std::uint64_t>(start));
  descriptor.req_id = id;
  descriptor.length = length;
  efa_rx_desc_set_lkey(&descriptor, mr.lkey);
  efa_rx_desc_set_first(&descriptor, 1);
  efa_rx_desc_set_last(&descriptor, 1);
  std::memcpy(rq_.data() + received_ % options_.depth * sizeof(descriptor), &descriptor,
              sizeof(descriptor));
  ++received_;
  std::atomic_thread_fence(std::memory_order_release);
  *recv_doorbell() = received_;
}

efa_tx_meta_desc meta(efa_send_op_type op, const Peer& peer, std::uint64_t id,
                      std::uint16_t length) {
  efa_tx_meta_desc desc{};
  efa_tx_meta_desc_set_req_id64(&desc, id);
  efa_tx_meta_desc_set_op_type(&desc, op);
  efa_tx_meta_desc_set_meta_desc(&desc, 1);
  efa_tx_meta_desc_set_first(&desc, 1);
  efa_tx_meta_desc_set_last(&desc, 1);
  efa_tx_meta_desc_set_comp_req(&desc, 1);
  desc.dest_qp_num = static_cast<std::uint16_t>(peer.qpn);
  desc.length = length;
  desc.ah = peer.ah;
  desc.qkey = kQkey;
  return desc;
}

efa_tx_buf_desc segment(const Mr& mr, const void* start, std::uint32_t length) {
  efa_tx_buf_desc desc{};
  desc.length = length;
  efa_tx_buf_desc_set_lkey(&desc, mr.lkey);
  efa_tx_buf_desc_set_addr(&desc, reinterpret_cast<std::uint64_t>(start));
  return desc;
}

efa_remote_mem_addr remote(const Mr& mr, const void* start, std::uint32_t length) {
  efa_remote_mem_addr desc{};
  desc.length = length;
  desc.rkey = mr.rkey;
  efa_remote_mem_addr_set_addr(&desc, reinterpret_cast<std::uint64_t>(start));
  return desc;
}

}  // namespace efa::raw
