// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A file descriptor that is readable as long as it is raised. Callers serialize raise() and
/// lower(); anybody may wait.
#pragma once

namespace efa::fi {

class Signal {
 public:
  Signal() = default;
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  /// 0 or a negative errno.
  int open();
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  void raise();
  void lower();

 private:
  int fd_ = -1;
};

/// Sleeps until fd is readable or the time is over. @param milliseconds  negative: for ever
/// @returns whether it is readable
bool wait_readable(int fd, int milliseconds);

}  // namespace efa::fi
