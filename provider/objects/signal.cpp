// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/signal.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace efa::fi {

Signal::~Signal() {
  if (fd_ >= 0) close(fd_);
}

int Signal::open() {
  fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd_ < 0 ? -errno : 0;
}

void Signal::raise() {
  if (fd_ < 0) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void Signal::lower() {
  if (fd_ < 0) return;
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
}

bool wait_readable(int fd, int milliseconds) {
  pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&event, 1, milliseconds) > 0;
}

}  // namespace efa::fi
