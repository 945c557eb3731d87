// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/wait_object.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace efa::fi {

WaitObject::~WaitObject() {
  close_channel();
  if (signals_ >= 0) close(signals_);
  if (poll_ >= 0) close(poll_);
}

int WaitObject::watch(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {}};
  return epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int WaitObject::open(ibv_context& device) {
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  signals_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poll_ < 0 || signals_ < 0) return -errno;
  if (const int error = watch(signals_)) return error;
  channel_ = ibv_create_comp_channel(&device);
  if (!channel_) return 0;
  const int flags = fcntl(channel_->fd, F_GETFL);
  if (fcntl(channel_->fd, F_SETFL, flags | O_NONBLOCK)) return -errno;
  return watch(channel_->fd);
}

void WaitObject::close_channel() {
  if (channel_) ibv_destroy_comp_channel(channel_);
  channel_ = nullptr;
}

void WaitObject::signal() {
  const uint64_t one = 1;
  // Fails only when the count is at its end: readable already.
  [[maybe_unused]] const ssize_t written = write(signals_, &one, sizeof one);
}

void WaitObject::drain() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(signals_, &count, sizeof count);
  ibv_cq* queue;
  void* context;
  while (channel_ && ibv_get_cq_event(channel_, &queue, &context) == 0) ibv_ack_cq_events(queue, 1);
}

void WaitObject::sleep(int milliseconds) {
  pollfd event{.fd = poll_, .events = POLLIN, .revents = 0};
  poll(&event, 1, milliseconds);
}

}  // namespace efa::fi
