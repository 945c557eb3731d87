// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/client_memory.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace efa::emu {

namespace {

// Below this size one pread of /proc/PID/mem costs less than process_vm_readv (native-mode 4).
constexpr std::size_t kSmallRead = 8192;

}  // namespace

Result<ThreadStatus> thread_status(pid_t tid) {
  const std::string path = fmt::format("/proc/{}/status", tid);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno, fmt::format("thread {} is gone", tid));
  char text[4096];
  const ssize_t got = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  if (got <= 0) return fail(ESRCH, fmt::format("thread {} is gone", tid));
  text[got] = '\0';
  ThreadStatus status;
  const char* pid = std::strstr(text, "\nTgid:");
  const char* caps = std::strstr(text, "\nCapEff:");
  unsigned long long effective = 0;
  if (pid == nullptr || std::sscanf(pid, "\nTgid: %d", &status.pid) != 1 || caps == nullptr ||
      std::sscanf(caps, "\nCapEff: %llx", &effective) != 1)
    return fail(EPROTO, fmt::format("{} has an unknown form", path));
  status.net_raw = (effective >> CAP_NET_RAW & 1) != 0;
  return status;
}

Result<std::shared_ptr<Process>> Process::open(pid_t tid) {
  const auto status = thread_status(tid);
  if (!status) return tl::unexpected(status.error());
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, status->pid, 0));
  if (pidfd < 0) return fail(errno, fmt::format("process {} is gone", status->pid));
  const int mem = ::open(fmt::format("/proc/{}/mem", status->pid).c_str(), O_RDWR | O_CLOEXEC);
  if (mem < 0) {
    const int error = errno;
    ::close(pidfd);
    return fail(
        error,
        fmt::format("memory of process {} is out of reach ({})", status->pid, std::strerror(error)),
        "run it without set-uid rights, as the user who runs the emulator");
  }
  return std::shared_ptr<Process>(new Process(status->pid, pidfd, mem));
}

Process::~Process() {
  ::close(pidfd_);
  ::close(mem_);
}

bool Process::read(std::uint64_t address, void* out, std::size_t bytes) noexcept {
  if (bytes <= kSmallRead)
    return ::pread64(mem_, out, bytes, static_cast<off64_t>(address)) ==
           static_cast<ssize_t>(bytes);
  const iovec remote{reinterpret_cast<void*>(address), bytes};
  return read_vector({&remote, 1}, out, bytes);
}

bool Process::write(std::uint64_t address, const void* in, std::size_t bytes) noexcept {
  const iovec remote{reinterpret_cast<void*>(address), bytes};
  return write_vector({&remote, 1}, in, bytes);
}

bool Process::replaced(std::uint64_t address) const noexcept {
  // An address space without users reads as an empty file, a bad address as an error.
  std::byte probe;
  return ::pread64(mem_, &probe, 1, static_cast<off64_t>(address)) == 0;
}

bool Process::may_access(std::uint64_t address, std::uint64_t length, bool writable) const {
  const std::string path = fmt::format("/proc/{}/maps", pid_);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (!maps) return false;
  const std::uint64_t end = address + length;
  std::uint64_t reached = address;
  char line[512];
  bool line_start = true;
  while (reached < end && std::fgets(line, sizeof(line), maps.get()) != nullptr) {
    const bool whole = line_start;
    line_start = std::strchr(line, '\n') != nullptr;
    char* rest;  // START-END RIGHTS ...
    if (!whole) continue;
    const std::uint64_t from = std::strtoull(line, &rest, 16);
    const std::uint64_t to = std::strtoull(rest + 1, &rest, 16);
    if (to <= reached) continue;
    if (from > reached || rest[1] != 'r' || (writable && rest[2] != 'w')) return false;
    reached = to;
  }
  return reached >= end;
}

bool Process::read_vector(std::span<const iovec> remote, void* out, std::size_t bytes) noexcept {
  if (dead_) return false;
  const iovec local{out, bytes};
  return ::process_vm_readv(pid_, &local, 1, remote.data(), remote.size(), 0) ==
         static_cast<ssize_t>(bytes);
}

// Not through /proc/PID/mem: that would write to read-only pages too.
bool Process::write_vector(std::span<const iovec> remote, const void* in,
                           std::size_t bytes) noexcept {
  if (dead_) return false;
  const iovec local{const_cast<void*>(in), bytes};
  return ::process_vm_writev(pid_, &local, 1, remote.data(), remote.size(), 0) ==
         static_cast<ssize_t>(bytes);
}

}  // namespace efa::emu
