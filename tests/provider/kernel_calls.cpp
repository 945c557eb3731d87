// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel_calls.hpp"

#include <rdma/ib_user_verbs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <mutex>
#include <set>

namespace efa::provider_test {
namespace {

BeforeCall before_call;
AfterCall after_call;
BeforeMap before_map;
std::atomic<std::uint64_t> calls{0};

/// What was seen. Never destroyed: libraries still unmap memory when the process ends.
struct Records {
  std::recursive_mutex lock;  ///< tests call verbs from several threads
  CreatedCq created_cq;
  CreatedQp created_qp;
  std::vector<Mapping> mappings;
  std::set<ino_t> files;  ///< inodes of opened devices: numbers of descriptors come back
};
Records& records() {
  static Records& all = *new Records;
  return all;
}

ino_t inode_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

template <class T>
void copy(T& to, std::span<const std::byte> from) {
  __builtin_memcpy(&to, from.data(), std::min(sizeof(T), from.size()));
}

void record(const VerbsCall& call) {
  Records& all = records();
  const std::lock_guard lock(all.lock);
  all.files.insert(inode_of(call.fd()));
  if (call.is(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE)) {
    all.created_cq = {};
    all.created_cq.fd = call.fd();
    copy(all.created_cq.request, call.bytes(UVERBS_ATTR_UHW_IN));
    copy(all.created_cq.response, call.bytes(UVERBS_ATTR_UHW_OUT));
    all.created_cq.cqe = call.get<std::uint32_t>(UVERBS_ATTR_CREATE_CQ_RESP_CQE).value_or(0);
  } else if (call.is(UVERBS_OBJECT_QP, UVERBS_METHOD_QP_CREATE)) {
    all.created_qp = {};
    all.created_qp.fd = call.fd();
    all.created_qp.request_length = call.bytes(UVERBS_ATTR_UHW_IN).size();
    copy(all.created_qp.request, call.bytes(UVERBS_ATTR_UHW_IN));
    copy(all.created_qp.response, call.bytes(UVERBS_ATTR_UHW_OUT));
  }
}

long fail_with(int error) {
  errno = error;
  return -1;
}

long verbs_ioctl(int fd, void* argument) {
  ++calls;
  const VerbsCall call(fd, static_cast<ib_uverbs_ioctl_hdr*>(argument));
  if (before_call)
    if (const int error = before_call(call)) return fail_with(error);
  const long result = ::syscall(SYS_ioctl, fd, RDMA_VERBS_IOCTL, argument);
  if (result == 0) {
    const int saved = errno;
    if (after_call) after_call(call);
    record(call);
    errno = saved;
  }
  return result;
}

void* map(void* where, std::size_t length, int protection, int flags, int fd, long offset) {
  const bool of_verbs = [&] {
    if (fd < 0) return false;
    const std::lock_guard lock(records().lock);
    return !records().files.empty() && records().files.contains(inode_of(fd));
  }();
  if (of_verbs && before_map)
    if (const int error = before_map()) return reinterpret_cast<void*>(fail_with(error));
  const long result = ::syscall(SYS_mmap, where, length, protection, flags, fd, offset);
  auto* address = reinterpret_cast<void*>(result);
  if (of_verbs && address != MAP_FAILED) {
    const std::lock_guard lock(records().lock);
    records().mappings.push_back({static_cast<std::byte*>(address), length, protection, fd,
                                  static_cast<std::uint64_t>(offset)});
  }
  return address;
}

}  // namespace

bool VerbsCall::is_write(std::uint32_t command) const {
  return is(UVERBS_OBJECT_DEVICE, UVERBS_METHOD_INVOKE_WRITE) &&
         get<std::uint64_t>(UVERBS_ATTR_WRITE_CMD) == command;
}

ib_uverbs_attr* VerbsCall::find(unsigned id) const {
  ib_uverbs_attr* end = header_->attrs + header_->num_attrs;
  ib_uverbs_attr* found =
      std::find_if(header_->attrs, end, [&](const ib_uverbs_attr& a) { return a.attr_id == id; });
  return found == end ? nullptr : found;
}

std::span<std::byte> VerbsCall::bytes(unsigned id) const {
  ib_uverbs_attr* attribute = find(id);
  if (attribute == nullptr) return {};
  // Inputs of at most 8 bytes lie in the attribute itself; outputs never do.
  const bool output =
      id == UVERBS_ATTR_UHW_OUT || id == UVERBS_ATTR_CORE_OUT ||
      (header_->object_id == UVERBS_OBJECT_CQ && id == UVERBS_ATTR_CREATE_CQ_RESP_CQE);
  if (!output && attribute->len <= sizeof(attribute->data))
    return {reinterpret_cast<std::byte*>(&attribute->data), attribute->len};
  return {reinterpret_cast<std::byte*>(attribute->data), attribute->len};
}

Interception::Interception(BeforeCall before, AfterCall after, BeforeMap map) {
  before_call = std::move(before);
  after_call = std::move(after);
  before_map = std::move(map);
}

Interception::~Interception() {
  before_call = {};
  after_call = {};
  before_map = {};
}

std::uint64_t verbs_calls() {
  return calls;
}
const CreatedCq& last_created_cq() {
  return records().created_cq;
}
const CreatedQp& last_created_qp() {
  return records().created_qp;
}
const std::vector<Mapping>& mappings() {
  return records().mappings;
}

const Mapping* find_mapping(int fd, std::uint64_t key) {
  const auto& all = mappings();
  const auto found = std::find_if(all.rbegin(), all.rend(),
                                  [&](const Mapping& m) { return m.fd == fd && m.key == key; });
  return found == all.rend() ? nullptr : &*found;
}

}  // namespace efa::provider_test

// What the libraries call. Exported by the program, hence found before those of libc.
extern "C" {

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request == RDMA_VERBS_IOCTL)
    return static_cast<int>(efa::provider_test::verbs_ioctl(fd, argument));
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

void* mmap(void* where, std::size_t length, int protection, int flags, int fd,
           off_t offset) noexcept {
  return efa::provider_test::map(where, length, protection, flags, fd, offset);
}

void* mmap64(void* where, std::size_t length, int protection, int flags, int fd,
             off_t offset) noexcept {
  return efa::provider_test::map(where, length, protection, flags, fd, offset);
}

int munmap(void* address, std::size_t length) noexcept {
  {
    using namespace efa::provider_test;
    const std::lock_guard lock(records().lock);
    std::erase_if(records().mappings, [&](const Mapping& m) { return m.address == address; });
  }
  return static_cast<int>(::syscall(SYS_munmap, address, length));
}
}
