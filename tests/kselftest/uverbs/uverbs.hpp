// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The verbs ioctl without a library: attributes, a device descriptor, and typed commands on top.
#pragma once

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "efa_uabi.h"

namespace efa::raw {

/// Attributes of one call. Buffers given by reference must live until the call returned.
class Attributes {
 public:
  Attributes& in(std::uint16_t id, const void* data, std::size_t length);
  template <class T>
  Attributes& in(std::uint16_t id, const T& value) {
    return in(id, &value, sizeof(value));
  }
  Attributes& in(std::uint16_t id, const std::vector<std::uint8_t>& bytes) {
    return in(id, bytes.data(), bytes.size());
  }
  Attributes& out(std::uint16_t id, void* data, std::size_t length);
  template <class T>
  Attributes& out(std::uint16_t id, T& value) {
    return out(id, &value, sizeof(value));
  }
  Attributes& out(std::uint16_t id, std::vector<std::uint8_t>& bytes) {
    return out(id, bytes.data(), bytes.size());
  }
  /// An object handle or descriptor, or room for a new one. (Constants, by the way, take 8 bytes.)
  Attributes& handle(std::uint16_t id, std::uint64_t value = 0);

  /// After the call: what the attribute holds, whether its output was marked valid.
  std::uint64_t value(std::uint16_t id) const;
  bool valid(std::uint16_t id) const;

  std::vector<ib_uverbs_attr>& list() { return list_; }
  const std::vector<ib_uverbs_attr>& list() const { return list_; }

 private:
  ib_uverbs_attr& add(std::uint16_t id, std::size_t length);
  std::vector<ib_uverbs_attr> list_;
};

/// Number of the file in /dev/infiniband of the EFA device with the lowest PCI address; 0 where the
/// kernel names none, which is so below efa-emu. It changes when a device is bound again while old
/// contexts are open.
int first_device();

/// "/dev/infiniband/uverbsN", opened but not yet a context.
class Uverbs {
 public:
  explicit Uverbs(int index = first_device());
  ~Uverbs();
  Uverbs(const Uverbs&) = delete;
  Uverbs& operator=(const Uverbs&) = delete;

  int fd() const { return fd_; }
  /// Returns 0 or errno.
  int call(std::uint16_t object, std::uint16_t method, Attributes& attributes);
  int call(std::uint16_t object, std::uint16_t method);
  /// A legacy command through INVOKE_WRITE. Attributes other than its number are the caller's.
  int write_command(std::uint32_t command, Attributes attributes = {});
  template <class Request>
  int write_command(std::uint32_t command, const Request& request, Attributes attributes = {}) {
    attributes.in(UVERBS_ATTR_CORE_IN, request);
    return write_command(command, std::move(attributes));
  }

 private:
  int fd_;
};

/// The bare ioctl on any descriptor. Returns 0 or errno.
int verbs_ioctl(int fd, ib_uverbs_ioctl_hdr* header);

/// Header followed by attributes, for calls that must be wrong.
struct Message {
  Message(std::uint16_t object, std::uint16_t method, const Attributes& attributes = {});
  ib_uverbs_ioctl_hdr* header() { return reinterpret_cast<ib_uverbs_ioctl_hdr*>(words.data()); }
  std::vector<std::uint64_t> words;
};

inline constexpr std::uint32_t kBothCaps =
    EFA_UABI_ALLOC_UCONTEXT_CMD_TX_BATCH_MASK | EFA_UABI_ALLOC_UCONTEXT_CMD_MIN_SQ_WR_MASK;

// Handles of the device, protection domains and so on as the uverbs ABI carries them.
struct Pd {
  std::uint32_t handle = 0;
  std::uint16_t number = 0;
};
struct Mr {
  std::uint32_t handle = 0, lkey = 0, rkey = 0;
};
struct AddressHandle {
  std::uint32_t handle = 0;
  std::uint16_t number = 0;
};

/// Attributes of CREATE_CQ that name memory of the caller, and the form in which newer methods name
/// it. Not in the kernel headers of Debian 12.
inline constexpr std::uint16_t kCqBufferVa = 8, kCqBufferLength = 9, kCqBufferFd = 10,
                               kCqBufferOffset = 11, kCqBufferUmem = 12;
struct Buffer {
  std::uint32_t type = 1;  ///< 0 = DMA buffer, 1 = virtual address
  std::int32_t fd = -1;
  std::uint32_t flags = 0;
  std::uint32_t optional_flags = 0;
  std::uint64_t addr = 0;  ///< or offset in the DMA buffer
  std::uint64_t length = 0;
};

inline constexpr std::uint32_t kLocalWrite = 1, kRemoteWrite = 2, kRemoteRead = 4;

struct CqRequest {
  std::uint32_t cqe = 64;
  std::uint32_t vector = 0;
  std::uint64_t user_handle = 0;
  int channel = -1;  ///< descriptor of a completion channel
  Attributes more{};
  efa_uabi_create_cq device{0, 32, 1, 0, {}};
};
struct CqAnswer {
  std::uint32_t handle = 0;
  std::uint32_t cqe = 0;
  efa_uabi_create_cq_resp device{};
};

// Completion counters, of kernel 7.3.
inline constexpr std::uint16_t kQueryCounterCaps = 8;  ///< method of the device
inline constexpr std::uint16_t kCounterObject = 19;
inline constexpr std::uint16_t kCounterCreate = 0, kCounterDestroy = 1, kCounterModify = 2,
                               kCounterRead = 3;
inline constexpr std::uint16_t kAttachCounter = 2;  ///< method of the QP
inline constexpr std::uint64_t kCompletions = 0, kErrors = 1;
inline constexpr std::uint64_t kSet = 0, kIncrement = 1;
enum CountedOps : std::uint64_t {
  kCountSends = 1,
  kCountReceives = 2,
  kCountReads = 4,
  kCountRemoteReads = 8,
  kCountWrites = 16,
  kCountRemoteWrites = 32,
};

struct QpRequest {
  std::uint32_t type = IB_UVERBS_QPT_DRIVER;
  ib_uverbs_qp_cap cap{64, 64, 2, 1, 0};
  efa_uabi_create_qp device{0, 64 * 16, 64 * 64, 0, 0, 0, {}};
};
struct QpAnswer {
  std::uint32_t handle = 0;
  std::uint32_t number = 0;
  ib_uverbs_qp_cap cap{};
  efa_uabi_create_qp_resp device{};
};

/// An opened context and the commands that the tests need. All return 0 or errno.
class Session : public Uverbs {
 public:
  explicit Session(int index = first_device());

  const efa_uabi_alloc_ucontext_resp& limits() const { return limits_; }
  std::uint32_t completion_vectors() const { return vectors_; }
  const ib_uverbs_ex_query_device_resp& generic() const { return generic_; }
  const efa_uabi_query_device_resp& device() const { return device_; }
  bool has(std::uint32_t device_cap) const { return (device_.device_caps & device_cap) != 0; }
  const std::uint8_t* gid() const { return gid_; }

  int alloc_pd(Pd& out);
  int reg_mr(const Pd& pd, const void* start, std::size_t length, std::uint32_t access, Mr& out);
  int create_ah(const Pd& pd, const std::uint8_t gid[16], AddressHandle& out);
  int create_cq(const CqRequest& request, CqAnswer& out);
  /// With the private part given as bytes, for lengths that are no structure's.
  int create_cq(const CqRequest& request, const std::vector<std::uint8_t>& device, CqAnswer& out);
  int create_qp(const QpRequest& request, const Pd& pd, const CqAnswer& send_cq,
                const CqAnswer& recv_cq, QpAnswer& out);
  int create_qp(const QpRequest& request, const std::vector<std::uint8_t>& device, const Pd& pd,
                const CqAnswer& send_cq, const CqAnswer& recv_cq, QpAnswer& out);
  int modify_qp(const ib_uverbs_modify_qp& request);
  /// RESET to RTS.
  int ready(const QpAnswer& qp, std::uint32_t qkey, std::uint8_t rnr_retry = 7);
  int query_qp(std::uint32_t handle, ib_uverbs_query_qp_resp& out);
  int create_counter(const Buffer& completions, const Buffer& errors, std::uint32_t& out);
  int modify_counter(std::uint32_t handle, std::uint64_t entry, std::uint64_t operation,
                     std::uint64_t value);
  int attach_counter(std::uint32_t qp, std::uint32_t counter, std::uint64_t ops);
  int destroy(std::uint16_t object, std::uint32_t handle);

 private:
  std::uint32_t vectors_ = 0;
  efa_uabi_alloc_ucontext_resp limits_{};
  ib_uverbs_ex_query_device_resp generic_{};
  efa_uabi_query_device_resp device_{};
  std::uint8_t gid_[16]{};
};

template <class T>
std::vector<std::uint8_t> bytes_of(const T& value) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(&value);
  return {first, first + sizeof(value)};
}

}  // namespace efa::raw
