// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory of the programs that run on the emulator.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace efa::emu {

/// Reads and writes another address space. Addresses are untrusted; an inaccessible byte makes the
/// call fail, bytes before it may have been copied.
class ClientMemory {
 public:
  virtual ~ClientMemory() = default;
  virtual bool read(std::uint64_t address, void* out, std::size_t bytes) noexcept = 0;
  virtual bool write(std::uint64_t address, const void* in, std::size_t bytes) noexcept = 0;
};

/// A client process: whose memory it is and whether it still lives.
class Process final : public ClientMemory {
 public:
  /// Opens the process that thread `tid` belongs to. Fails if it is gone or may not be traced.
  static Result<std::shared_ptr<Process>> open(pid_t tid);
  ~Process() override;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_; }  ///< readable once the process has ended
  bool dead() const noexcept { return dead_; }
  void mark_dead() noexcept { dead_ = true; }

  bool read(std::uint64_t address, void* out, std::size_t bytes) noexcept override;
  bool write(std::uint64_t address, const void* in, std::size_t bytes) noexcept override;

  /// True if the process has left the address space in which it opened the device (exec).
  /// `address` is any that its program uses.
  bool replaced(std::uint64_t address) const noexcept;

  /// True if the process may read (and, if `writable`, write) every byte of the range: what pinning
  /// its pages would find out.
  bool may_access(std::uint64_t address, std::uint64_t length, bool writable) const;

  /// Scattered forms: `remote` holds addresses of this process. At most IOV_MAX entries each.
  bool read_vector(std::span<const iovec> remote, void* out, std::size_t bytes) noexcept;
  bool write_vector(std::span<const iovec> remote, const void* in, std::size_t bytes) noexcept;

 private:
  Process(pid_t pid, int pidfd, int mem) noexcept : pid_(pid), pidfd_(pidfd), mem_(mem) {}

  pid_t pid_;
  int pidfd_;
  int mem_;  ///< /proc/PID/mem of the address space that opened the device
  bool dead_ = false;
};

/// Process id of thread `tid`, and whether it may do raw networking (CAP_NET_RAW).
struct ThreadStatus {
  pid_t pid = 0;
  bool net_raw = false;
};
Result<ThreadStatus> thread_status(pid_t tid);

}  // namespace efa::emu
