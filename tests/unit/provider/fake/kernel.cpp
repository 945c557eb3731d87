// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "mapping.hpp"

extern "C" {
void* __real_mmap(void* address, std::size_t length, int protection, int flags, int fd,
                  off_t offset);
int __real_munmap(void* address, std::size_t length);
}

namespace efa::fake {
namespace {

std::unique_ptr<Kernel>& instance() {
  static std::unique_ptr<Kernel> it = std::make_unique<Kernel>();
  return it;
}

}  // namespace

Kernel& kernel() {
  return *instance();
}
Kernel& restart_kernel() {
  instance() = std::make_unique<Kernel>();
  return *instance();
}

Pages& Pages::operator=(Pages&& other) noexcept {
  std::swap(key_, other.key_);
  std::swap(at_, other.at_);
  std::swap(length_, other.length_);
  return *this;
}
Pages::~Pages() {
  if (at_ == nullptr) return;
  kernel().withdraw(key_);
  __real_munmap(at_, length_);
}

Kernel::Kernel() {
  efa_uabi_alloc_ucontext_resp& open = answers.open;
  efa_uabi_alloc_ucontext_resp_set_query_device(&open, 1);
  efa_uabi_alloc_ucontext_resp_set_create_ah(&open, 1);
  open.sub_cqs_per_cq = 1;
  open.inline_buf_size = 32;
  open.inline_buf_size_ex = 80;
  open.max_llq_size = 128 * 4096;
  efa_uabi_query_device_resp& limits = answers.limits;
  limits.max_sq_wr = 4096;
  limits.max_rq_wr = 8192;
  limits.max_sq_sge = 2;
  limits.max_rq_sge = 3;
  limits.max_rdma_size = 1 << 30;
  efa_uabi_query_device_resp_set_rdma_read(&limits, 1);
  efa_uabi_query_device_resp_set_rdma_write(&limits, 1);
  efa_uabi_query_device_resp_set_cq_notifications(&limits, 1);
  efa_uabi_query_device_resp_set_cq_with_sgid(&limits, 1);
  efa_uabi_query_device_resp_set_unsolicited_write_recv(&limits, 1);
}

Pages Kernel::allocate(std::size_t length) {
  length = page_align(length);
  const std::uint64_t key = end_;
  end_ += length;
  if (::ftruncate(fd_, static_cast<off_t>(end_)) != 0) std::abort();
  void* at = __real_mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_,
                         static_cast<off_t>(key));
  if (at == MAP_FAILED) std::abort();
  offered_[key] = length;
  return {key, static_cast<std::byte*>(at), length};
}

bool Kernel::offers(std::uint64_t key, std::size_t length) {
  const std::lock_guard guard(lock_);
  const auto found = offered_.find(key);
  return found != offered_.end() && found->second == page_align(length);
}
void Kernel::withdraw(std::uint64_t key) {
  const std::lock_guard guard(lock_);
  offered_.erase(key);
}

DeviceCq& Kernel::cq(const ibv_cq* cq) {
  const std::lock_guard guard(lock_);
  return *cqs.at(cq->handle);
}
DeviceQp& Kernel::qp(const ibv_qp* qp) {
  const std::lock_guard guard(lock_);
  return *qps.at(qp->handle);
}
void Kernel::for_each_qp(const std::function<void(DeviceQp&)>& visit) {
  const std::lock_guard guard(lock_);
  for (auto& [handle, qp] : qps) visit(*qp);
}

// The device's side of the rings.

std::uint32_t DeviceCq::room() const {
  std::uint32_t all = 0;
  for (const std::uint32_t count : written) all += count;
  const std::uint32_t read =
      efa_cq_doorbell_consumer_index(__atomic_load_n(doorbell(), __ATOMIC_ACQUIRE));
  return entries - static_cast<std::uint16_t>(all - read);
}

void DeviceCq::put(std::size_t sub_cq, efa_rx_cdesc_ex completion) {
  const std::uint32_t number = written[sub_cq]++;
  efa_cdesc_common_set_phase(&completion.base.common, number / entries % 2 == 0);
  std::uint64_t words[sizeof(completion) / 8];
  std::memcpy(words, &completion, sizeof(words));
  auto* to = reinterpret_cast<std::uint64_t*>(entry(sub_cq, number));
  for (std::size_t i = 1; i < std::size(words); ++i)
    __atomic_store_n(to + i, words[i], __ATOMIC_RELAXED);
  __atomic_store_n(to, words[0], __ATOMIC_RELEASE);  // the phase is in the first word
}

std::vector<efa_tx_wqe_128> DeviceQp::take_sends() {
  std::vector<efa_tx_wqe_128> taken;
  const auto* doorbell = reinterpret_cast<const std::uint32_t*>(sq_doorbell.data());
  const auto end = static_cast<std::uint16_t>(__atomic_load_n(doorbell, __ATOMIC_ACQUIRE));
  for (; sends_taken != end; ++sends_taken) {
    efa_tx_wqe_128& wqe = taken.emplace_back();
    std::memcpy(&wqe, sq.data() + std::size_t{sends_taken % sq_depth()} * wqe_size, wqe_size);
  }
  return taken;
}

std::vector<efa_rx_desc> DeviceQp::take_receives() {
  std::vector<efa_rx_desc> taken;
  if (rq.data() == nullptr) return taken;
  const auto* doorbell = reinterpret_cast<const std::uint32_t*>(rq_doorbell.data());
  const auto end = static_cast<std::uint16_t>(__atomic_load_n(doorbell, __ATOMIC_ACQUIRE));
  for (; receives_taken != end; ++receives_taken) {
    std::memcpy(&taken.emplace_back(),
                rq.data() + receives_taken % rq_depth() * sizeof(efa_rx_desc), sizeof(efa_rx_desc));
  }
  return taken;
}

void DeviceQp::serve() {
  for (const efa_tx_wqe_128& wqe : take_sends())
    taken.push_back({true, efa_tx_meta_desc_req_id64(&wqe.meta)});
  for (const efa_rx_desc& descriptor : take_receives()) {
    if (efa_rx_desc_first(&descriptor)) taken.push_back({false, descriptor.req_id});
  }
  for (; !taken.empty(); taken.pop_front()) {
    const Request& request = taken.front();
    DeviceCq& cq = request.send ? *send_cq : *recv_cq;
    if (cq.room() == 0) return;
    efa_rx_cdesc_ex entry{};
    auto& common = entry.base.common;
    efa_cdesc_common_set_q_type(
        &common, request.send ? EFA_QUEUE_TYPE_SEND_QUEUE : EFA_QUEUE_TYPE_RECV_QUEUE);
    if (request.send) {
      efa_tx_cdesc_set_req_id64(reinterpret_cast<efa_tx_cdesc*>(&entry), request.id);
    } else {
      common.req_id = static_cast<std::uint16_t>(request.id);
    }
    common.qp_num = number;
    cq.put(number % cq.written.size(), entry);
  }
}

}  // namespace efa::fake
