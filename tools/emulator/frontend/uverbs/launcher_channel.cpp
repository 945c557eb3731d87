// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/launcher_channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace efa::emu {
namespace {

void close_end(int& fd) {
  if (fd >= 0) {
    close(std::exchange(fd, -1));
  }
}

union ControlBuffer {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

msghdr message_with(iovec& content, ControlBuffer& control) {
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  return message;
}

int descriptor_in(msghdr& message) {
  const cmsghdr* part = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (part != nullptr && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
  }
  return fd;
}

/// An error on the wire: code, NUL, what, NUL, cure.
std::string packed(const Error& error) {
  return std::to_string(error.code) + '\0' + error.what + '\0' + error.cure;
}

Error unpacked(const std::string& text) {
  const std::size_t first = text.find('\0');
  const std::size_t second = text.find('\0', first + 1);
  return {std::atoi(text.c_str()), text.substr(first + 1, second - first - 1),
          text.substr(second + 1)};
}

}  // namespace

Result<LaunchChannel> LaunchChannel::create() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(errno, fmt::format("cannot create a socket pair: {}", std::strerror(errno)),
                "raise the limit of open files (ulimit -n)");
  }
  return LaunchChannel(ends);
}

LaunchChannel::LaunchChannel(LaunchChannel&& other) noexcept
    : ends_(std::exchange(other.ends_, {-1, -1})) {}

LaunchChannel::~LaunchChannel() {
  close_end(ends_[0]);
  close_end(ends_[1]);
}

bool LaunchChannel::send_listener(int listener) {
  char tag = 'L';
  iovec content{&tag, 1};
  ControlBuffer control{};
  msghdr message = message_with(content, control);
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(part), &listener, sizeof listener);
  return sendmsg(ends_[1], &message, MSG_NOSIGNAL) == 1;
}

void LaunchChannel::send_error(const Error& error) {
  const std::string text = packed(error);
  // Nobody to tell when this fails too: the parent then sees the end of file without a listener.
  [[maybe_unused]] const ssize_t sent = send(ends_[1], text.data(), text.size(), MSG_NOSIGNAL);
}

Result<int> LaunchChannel::receive_listener() {
  close_end(ends_[1]);
  int listener = -1;
  std::string text(8192, '\0');
  for (;;) {
    iovec content{text.data(), text.size()};
    ControlBuffer control{};
    msghdr message = message_with(content, control);
    const ssize_t length = recvmsg(ends_[0], &message, MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == EINTR) {
      continue;
    }
    if (length <= 0) {
      break;
    }
    if (const int fd = descriptor_in(message); fd >= 0) {
      listener = fd;
      continue;
    }
    close_end(listener);
    return tl::unexpected<Error>(unpacked(text.substr(0, static_cast<std::size_t>(length))));
  }
  if (listener < 0) {
    return fail(ECHILD, "the command's process died before it could start the command",
                "look for the reason in the kernel's log");
  }
  return listener;
}

}  // namespace efa::emu
