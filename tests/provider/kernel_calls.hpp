// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The system calls by which libibverbs and libefa reach the kernel, seen on their way: this
/// program defines ioctl(), mmap() and munmap() itself, so that the libraries call them here.
#pragma once

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "efa_uabi.h"

namespace efa::provider_test {

/// One verbs ioctl.
class VerbsCall {
 public:
  VerbsCall(int fd, ib_uverbs_ioctl_hdr* header) : fd_(fd), header_(header) {}

  int fd() const { return fd_; }
  bool is(unsigned object, unsigned method) const {
    return header_->object_id == object && header_->method_id == method;
  }
  /// Legacy command `command` (extended ones with 0x80000000) in its ioctl form.
  bool is_write(std::uint32_t command) const;
  ib_uverbs_attr* find(unsigned id) const;
  /// Bytes of attribute `id`; empty if it is not there.
  std::span<std::byte> bytes(unsigned id) const;
  template <class T>
  std::optional<T> get(unsigned id) const {
    T value{};
    const auto from = bytes(id);
    if (from.empty()) return std::nullopt;
    __builtin_memcpy(&value, from.data(), from.size() < sizeof(T) ? from.size() : sizeof(T));
    return value;
  }

 private:
  int fd_;
  ib_uverbs_ioctl_hdr* header_;
};

/// Called before each verbs ioctl. An errno other than 0 is what the caller gets, unanswered.
using BeforeCall = std::function<int(const VerbsCall&)>;
/// Called after each one that succeeded; may change the answer.
using AfterCall = std::function<void(const VerbsCall&)>;
/// Called before each mmap() of a verbs file. An errno other than 0 makes it fail.
using BeforeMap = std::function<int()>;

/// Puts hooks in place while it lives. One at a time.
class Interception {
 public:
  explicit Interception(BeforeCall before, AfterCall after = {}, BeforeMap map = {});
  ~Interception();
  Interception(const Interception&) = delete;
  Interception& operator=(const Interception&) = delete;
};

/// Number of verbs ioctls that this process has made.
std::uint64_t verbs_calls();

/// What the kernel was asked and told when the last CQ or QP was created.
struct CreatedCq {
  int fd = -1;
  efa_uabi_create_cq request{};
  efa_uabi_create_cq_resp response{};
  std::uint32_t cqe = 0;
};
struct CreatedQp {
  int fd = -1;
  std::size_t request_length = 0;
  efa_uabi_create_qp request{};
  efa_uabi_create_qp_resp response{};
};
const CreatedCq& last_created_cq();
const CreatedQp& last_created_qp();

/// A mapping of a verbs file that exists.
struct Mapping {
  std::byte* address;
  std::size_t length;
  int protection;
  int fd;
  std::uint64_t key;
};
/// All of them, the newest last.
const std::vector<Mapping>& mappings();
/// That of `key`, by the library under test; null if there is none.
const Mapping* find_mapping(int fd, std::uint64_t key);

}  // namespace efa::provider_test
