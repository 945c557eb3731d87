// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/notify.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace efa::emu {
namespace {

/// A later kernel may have longer records than our headers (SECCOMP_GET_NOTIF_SIZES): the spare
/// room takes what it adds. Must be all zero on entry (SECCOMP_IOCTL_NOTIF_RECV: EINVAL).
struct ReceiveBuffer {
  seccomp_notif notification{};
  std::array<char, 176> spare{};
};

struct SendBuffer {
  seccomp_notif_resp response{};
  std::array<char, 104> spare{};
};

void send(int listener, std::uint64_t id, std::int64_t value, int error, std::uint32_t flags) {
  SendBuffer buffer;
  buffer.response.id = id;
  buffer.response.val = value;
  buffer.response.error = error;
  buffer.response.flags = flags;
  // ENOENT: the caller died or was interrupted meanwhile; nobody waits for this answer.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &buffer);
}

Result<int> install(int listener, const seccomp_notif_addfd& request) {
  const int number = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request);
  if (number >= 0) {
    return number;
  }
  const int error = errno;
  return fail(error, fmt::format("cannot install a descriptor in a client: errno {}", error),
              "raise its limit of open files (ulimit -n) if it is EMFILE (24)");
}

}  // namespace

NotifyListener::NotifyListener(NotifyListener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

NotifyListener& NotifyListener::operator=(NotifyListener&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

NotifyListener::~NotifyListener() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

bool NotifyListener::receive(Notification& out) noexcept {
  ReceiveBuffer buffer;
  if (ioctl(fd_, SECCOMP_IOCTL_NOTIF_RECV, &buffer) != 0) {
    return false;
  }
  const seccomp_notif& got = buffer.notification;
  out.id = got.id;
  out.tid = static_cast<pid_t>(got.pid);
  out.syscall = got.data.nr;
  std::copy(std::begin(got.data.args), std::end(got.data.args), out.args.begin());
  return true;
}

bool NotifyListener::still_waiting(std::uint64_t id) const noexcept {
  return ioctl(fd_, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void NotifyListener::reply(std::uint64_t id, std::int64_t value) noexcept {
  send(fd_, id, value, 0, 0);
}

void NotifyListener::reply_error(std::uint64_t id, int error) noexcept {
  send(fd_, id, 0, -error, 0);
}

void NotifyListener::reply_continue(std::uint64_t id) noexcept {
  send(fd_, id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

Result<int> NotifyListener::add_fd(std::uint64_t id, int fd, int at, bool cloexec) noexcept {
  seccomp_notif_addfd request{};
  request.id = id;
  request.srcfd = static_cast<std::uint32_t>(fd);
  request.newfd_flags = cloexec ? O_CLOEXEC : 0;
  if (at >= 0) {
    request.flags = SECCOMP_ADDFD_FLAG_SETFD;
    request.newfd = static_cast<std::uint32_t>(at);
  }
  return install(fd_, request);
}

Result<int> NotifyListener::add_fd_and_reply(std::uint64_t id, int fd, bool cloexec) noexcept {
  seccomp_notif_addfd request{};
  request.id = id;
  request.flags = SECCOMP_ADDFD_FLAG_SEND;
  request.srcfd = static_cast<std::uint32_t>(fd);
  request.newfd_flags = cloexec ? O_CLOEXEC : 0;
  return install(fd_, request);
}

}  // namespace efa::emu
