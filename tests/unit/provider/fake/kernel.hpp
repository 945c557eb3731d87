// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The kernel and libibverbs as the provider sees them, in this process: the ibv_cmd_* functions
/// are defined here. Memory that the kernel maps is a memfd, so that the fake device (device.hpp)
/// sees what is written to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "context.hpp"

namespace efa::fake {

/// Memory of an object, seen from the device's side; gone with the object.
class Pages {
 public:
  Pages() = default;
  Pages(std::uint64_t key, std::byte* at, std::size_t length)
      : key_(key), at_(at), length_(length) {}
  Pages(Pages&& other) noexcept { *this = std::move(other); }
  Pages& operator=(Pages&& other) noexcept;
  ~Pages();

  std::uint64_t key() const { return key_; }
  std::byte* data() const { return at_; }
  std::size_t size() const { return length_; }

 private:
  std::uint64_t key_ = 0;
  std::byte* at_ = nullptr;
  std::size_t length_ = 0;
};

/// A completion queue of the device.
struct DeviceCq {
  Pages ring, doorbell_page;
  std::uint32_t entries = 0;           // of each ring
  std::vector<std::uint32_t> written;  // by ring
  efa_uabi_create_cq request{};

  const std::uint32_t* doorbell() const {
    return reinterpret_cast<const std::uint32_t*>(doorbell_page.data());
  }
  std::byte* entry(std::size_t sub_cq, std::uint32_t number) const {
    return ring.data() + (sub_cq * entries + number % entries) * sizeof(efa_rx_cdesc_ex);
  }
  /// How many more fit into each ring until the program says that it has read some.
  std::uint32_t room() const;
  /// Writes the next entry of a ring; its phase is put in. `entry` may be a send's, cast.
  void put(std::size_t sub_cq, efa_rx_cdesc_ex entry);
};

/// A queue pair of the device.
struct DeviceQp {
  Pages sq, sq_doorbell, rq, rq_doorbell;
  std::uint16_t number = 0;
  std::uint32_t wqe_size = 0;
  std::uint16_t sends_taken = 0, receives_taken = 0;
  DeviceCq* send_cq = nullptr;
  DeviceCq* recv_cq = nullptr;
  efa_uabi_create_qp request{};

  std::uint32_t sq_depth() const {
    return static_cast<std::uint32_t>(request.sq_ring_size / wqe_size);
  }
  std::uint32_t rq_depth() const { return request.rq_ring_size / sizeof(efa_rx_desc); }
  /// What was announced since the last call, oldest first.
  std::vector<efa_tx_wqe_128> take_sends();
  std::vector<efa_rx_desc> take_receives();

  /// For tests that let the device work by itself: ends requests successfully, oldest first, as far
  /// as there is room for completions.
  void serve();
  struct Request {
    bool send;
    std::uint64_t id;
  };
  std::deque<Request> taken;
};

/// What the kernel answers; tests change it before they call.
struct Answers {
  efa_uabi_alloc_ucontext_resp open{};
  std::size_t open_bytes = sizeof(open);  // an older kernel's answer is shorter
  efa_uabi_query_device_resp limits{};
  std::function<void(efa_uabi_create_cq_resp&)> change_cq;
  std::function<void(efa_uabi_create_qp_resp&)> change_qp;
};

class Kernel {
 public:
  Kernel();

  Answers answers;
  std::string log;  // of the library

  // What there is, by handle.
  std::map<std::uint32_t, std::unique_ptr<DeviceCq>> cqs;
  std::map<std::uint32_t, std::unique_ptr<DeviceQp>> qps;
  std::size_t pds = 0, ahs = 0, mrs = 0;

  /// Opens the device through the library's own entry. @returns null with errno
  verbs_context* open();
  int closed_files() const { return closed_files_; }

  std::size_t objects() const { return pds + ahs + mrs + cqs.size() + qps.size(); }
  DeviceCq& cq(const ibv_cq* cq);
  DeviceQp& qp(const ibv_qp* qp);
  /// For devices that work while queue pairs come and go: calls `visit` for each of them.
  void for_each_qp(const std::function<void(DeviceQp&)>& visit);

  bool owns(int fd) const { return fd >= 0 && fd == fd_; }
  bool offers(std::uint64_t key, std::size_t length);
  void withdraw(std::uint64_t key);

 private:
  friend struct Commands;
  Pages allocate(std::size_t length);

  std::recursive_mutex lock_;
  int fd_ = -1;
  int closed_files_ = 0;
  std::uint64_t end_ = 0;
  std::map<std::uint64_t, std::size_t> offered_;  // length by key
  std::uint32_t next_cq_ = 1;
};

Kernel& kernel();
/// A new kernel with default answers; all objects of the old one have to be gone.
Kernel& restart_kernel();

}  // namespace efa::fake
