// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The supervisor's end of a seccomp user-notification listener.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "base/result.hpp"

namespace efa::emu {

/// One trapped system call of a client thread, which sleeps until it is answered.
struct Notification {
  std::uint64_t id = 0;
  pid_t tid = 0;
  int syscall = 0;
  std::array<std::uint64_t, 6> args{};
};

/// Owns the listener descriptor. Engine thread only. Every received notification must be answered
/// exactly once; answers to a thread that died meanwhile are silently dropped.
class NotifyListener {
 public:
  NotifyListener() = default;
  explicit NotifyListener(int fd) noexcept : fd_(fd) {}
  NotifyListener(NotifyListener&& other) noexcept;
  NotifyListener& operator=(NotifyListener&& other) noexcept;
  ~NotifyListener();

  /// For poll(): POLLIN = a notification waits, POLLHUP = no task uses the filter any more.
  int fd() const noexcept { return fd_; }

  /// Takes one notification; false when there is none (the caller died meanwhile, or spurious).
  /// May block unless poll() said POLLIN.
  bool receive(Notification& out) noexcept;

  /// Whether the caller still waits: memory read from /proc/TID before this said true was its own.
  bool still_waiting(std::uint64_t id) const noexcept;

  void reply(std::uint64_t id, std::int64_t value) noexcept;
  void reply_error(std::uint64_t id, int error) noexcept;  ///< error = positive errno
  void reply_continue(std::uint64_t id) noexcept;          ///< the kernel runs the call itself

  /// Installs a duplicate of `fd` in the caller. `at` >= 0 replaces exactly that number, -1 takes
  /// the lowest free one. Returns the number in the caller. Does not answer the notification.
  Result<int> add_fd(std::uint64_t id, int fd, int at, bool cloexec) noexcept;

  /// add_fd at the lowest free number and answer the call with that number, atomically.
  Result<int> add_fd_and_reply(std::uint64_t id, int fd, bool cloexec) noexcept;

 private:
  int fd_ = -1;
};

}  // namespace efa::emu
