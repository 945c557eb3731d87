// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/path_calls.hpp"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/result.hpp"
#include "frontend/uverbs/private_dev.hpp"

namespace efa::emu {
namespace {

constexpr const char* kNull = "/dev/null";

/// Longer than any path of ours; a longer path of the caller is simply not ours.
constexpr std::size_t kPathRoom = 64;

/// Where a call has its path, and its open flags or output buffer and that buffer's size.
enum class Kind { kOpen, kStat, kAccess, kUname, kNone };
struct Shape {
  Kind kind = Kind::kNone;
  unsigned path = 0;
  unsigned other = 0;
  std::size_t size = 0;
};

Shape shape_of(int number) {
  switch (number) {
    case SYS_openat:
      return {Kind::kOpen, 1, 2, 0};
    case SYS_newfstatat:
      return {Kind::kStat, 1, 2, sizeof(struct stat)};
    case SYS_statx:
      return {Kind::kStat, 1, 4, sizeof(struct statx)};
    case SYS_faccessat:
    case SYS_faccessat2:
      return {Kind::kAccess, 1, 0, 0};
    case SYS_uname:
      return {Kind::kUname, 0, 0, 0};
#if defined(__x86_64__)
    case SYS_open:
      return {Kind::kOpen, 0, 1, 0};
    case SYS_stat:
    case SYS_lstat:
      return {Kind::kStat, 0, 1, sizeof(struct stat)};
    case SYS_access:
      return {Kind::kAccess, 0, 0, 0};
#endif
    default:
      return {};
  }
}

/// The string at `address` of `tid`, cut at kPathRoom. The range is split at a page boundary: the
/// kernel copies whole elements only, and the page after the string may not exist.
std::string read_path(pid_t tid, std::uint64_t address) {
  std::array<char, kPathRoom> buffer{};
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t first = std::min(buffer.size(), page - address % page);
  iovec local{buffer.data(), buffer.size()};
  iovec remote[2] = {{reinterpret_cast<void*>(address), first},
                     {reinterpret_cast<void*>(address + first), buffer.size() - first}};
  const unsigned elements = first == buffer.size() ? 1 : 2;
  const ssize_t got = process_vm_readv(tid, &local, 1, remote, elements, 0);
  return got <= 0 ? std::string() : std::string(buffer.data(), strnlen(buffer.data(), got));
}

bool write_memory(pid_t tid, std::uint64_t address, void* data, std::size_t size) {
  iovec local{data, size};
  iovec remote{reinterpret_cast<void*>(address), size};
  return process_vm_writev(tid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

void reply_result(NotifyListener& listener, const Notification& call, long result) {
  if (result < 0) {
    listener.reply_error(call.id, errno);
  } else {
    listener.reply(call.id, result);
  }
}

/// The caller's own system call, made on /dev/null: every variant of stat gets its own layout.
void answer_stat(NotifyListener& listener, const Notification& call, const Shape& shape) {
  alignas(16) std::array<char, 512> result{};
  auto arguments = call.args;
  arguments[shape.path] = reinterpret_cast<std::uintptr_t>(kNull);
  const std::uint64_t address = arguments[shape.other];
  arguments[shape.other] = reinterpret_cast<std::uintptr_t>(result.data());
  const long status = syscall(call.syscall, arguments[0], arguments[1], arguments[2], arguments[3],
                              arguments[4], arguments[5]);
  if (status == 0 && !write_memory(call.tid, address, result.data(), shape.size)) {
    listener.reply_error(call.id, EFAULT);
    return;
  }
  reply_result(listener, call, status);
}

void answer_access(NotifyListener& listener, const Notification& call, const Shape& shape) {
  const int wanted = static_cast<int>(call.args[shape.path + 1]);
  reply_result(listener, call, access(kNull, wanted));
}

pid_t process_of(pid_t tid) {
  std::ifstream status(fmt::format("/proc/{}/status", tid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Tgid:")) {
      return std::atoi(line.c_str() + std::strlen("Tgid:"));
    }
  }
  return tid;
}

bool is_null_device(pid_t tid, int fd) {
  std::array<char, kPathRoom> target{};
  const std::string link = fmt::format("/proc/{}/fd/{}", tid, fd);
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  return length > 0 && std::string_view(target.data(), length) == kNull;
}

std::string environment_variable(pid_t tid, std::string_view name) {
  std::ifstream environment(fmt::format("/proc/{}/environ", tid), std::ios::binary);
  const std::string prefix = std::string(name) + "=";
  for (std::string entry; std::getline(environment, entry, '\0');) {
    if (entry.starts_with(prefix)) {
      return entry.substr(prefix.size());
    }
  }
  return {};
}

}  // namespace

PathCalls::PathCalls(std::size_t nodes, std::vector<std::string> hosts)
    : hosts_(std::move(hosts)), null_devices_(nodes, -1) {}

PathCalls::~PathCalls() {
  for (const int fd : null_devices_) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

bool PathCalls::serve(NotifyListener& listener, const Notification& call) {
  const Shape shape = shape_of(call.syscall);
  if (shape.kind == Kind::kNone) {
    return false;
  }
  if (shape.kind == Kind::kUname) {
    answer_uname(listener, call);
    return true;
  }
  const std::string path = read_path(call.tid, call.args[shape.path]);
  const auto index = uverbs_node_index(path, null_devices_.size());
  if (!index || !listener.still_waiting(call.id)) {
    listener.reply_continue(call.id);
    return true;
  }
  if (shape.kind == Kind::kOpen) {
    open_node(listener, call, *index, (call.args[shape.other] & O_CLOEXEC) != 0);
  } else if (shape.kind == Kind::kStat) {
    answer_stat(listener, call, shape);
  } else {
    answer_access(listener, call, shape);
  }
  return true;
}

void PathCalls::open_node(NotifyListener& listener, const Notification& call, unsigned index,
                          bool cloexec) {
  const int device = null_device(index);
  if (device < 0) {
    listener.reply_error(call.id, errno);
    return;
  }
  const Result<int> number = listener.add_fd_and_reply(call.id, device, cloexec);
  if (!number) {
    listener.reply_error(call.id, number.error().code);
    return;
  }
  opened_[{process_of(call.tid), *number}] = index;
}

int PathCalls::null_device(unsigned index) {
  int& fd = null_devices_[index];
  if (fd < 0) {
    fd = open(kNull, O_RDWR | O_CLOEXEC);
  }
  return fd;
}

std::optional<unsigned> PathCalls::index_of(pid_t tid, int fd) const {
  if (!is_null_device(tid, fd)) {
    return std::nullopt;
  }
  bool compared = false;
  for (unsigned index = 0; index < null_devices_.size(); ++index) {
    if (null_devices_[index] < 0) {
      continue;
    }
    const long order = syscall(SYS_kcmp, getpid(), tid, KCMP_FILE, null_devices_[index], fd);
    if (order == 0) {
      return index;
    }
    compared = compared || order > 0;
  }
  const auto found = opened_.find({process_of(tid), fd});
  if (compared || found == opened_.end()) {
    return std::nullopt;
  }
  return found->second;
}

/// Which host a caller is on is in its environment as of its start: entering a host executes a
/// program with EFA_EMU_HOST set (host_shell.hpp).
void PathCalls::answer_uname(NotifyListener& listener, const Notification& call) {
  utsname name{};
  uname(&name);
  const std::string host = environment_variable(call.tid, "EFA_EMU_HOST");
  if (std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end()) {
    std::strncpy(name.nodename, host.c_str(), sizeof name.nodename - 1);
  }
  if (listener.still_waiting(call.id) && write_memory(call.tid, call.args[0], &name, sizeof name)) {
    listener.reply(call.id, 0);
  } else {
    listener.reply_error(call.id, EFAULT);
  }
}

}  // namespace efa::emu
