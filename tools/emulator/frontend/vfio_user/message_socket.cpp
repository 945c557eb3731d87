// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/message_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace efa::emu::vfio_user {

namespace {

// One more than allowed, so that one too many is seen rather than cut off.
constexpr std::size_t kDescriptorRoom = kMaxDescriptors + 1;

bool would_block() noexcept {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

MessageSocket::MessageSocket(FileDescriptor socket) : socket_(std::move(socket)) {
  input_.resize(sizeof(Header));
}

void MessageSocket::adopt_descriptors(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  truncated_ |= (message.msg_flags & MSG_CTRUNC) != 0 || descriptors_.size() > kMaxDescriptors;
}

/// Reads towards the end of input_. False when nothing came; errno is 0 at the end of the stream.
bool MessageSocket::read_some() {
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorRoom * sizeof(int))];
  iovec part{input_.data() + received_, input_.size() - received_};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return false;
  adopt_descriptors(message);
  if (got == 0) errno = 0;
  received_ += static_cast<std::size_t>(got);
  return got > 0;
}

MessageSocket::Status MessageSocket::receive(Message& out) {
  Header header;
  for (;;) {
    while (received_ < input_.size())
      if (!read_some()) return would_block() ? Status::kNothing : Status::kClosed;
    std::memcpy(&header, input_.data(), sizeof header);
    // Lengths that make no sense leave no way to find the next message.
    if (header.size < sizeof header || header.size > kMaxMessage || truncated_)
      return Status::kClosed;
    if (input_.size() == header.size) break;
    input_.resize(header.size);
  }
  out.header = header;
  out.payload.assign(input_.begin() + sizeof header, input_.end());
  out.descriptors = std::exchange(descriptors_, {});
  input_.resize(sizeof header);
  received_ = 0;
  return Status::kMessage;
}

bool MessageSocket::send(const Header& header, std::span<const std::byte> payload, int descriptor) {
  if (!sending()) {
    queue_.clear();
    sent_ = 0;
  }
  if (descriptor >= 0) {
    outgoing_ = FileDescriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!outgoing_) return false;
    outgoing_at_ = queue_.size();
  }
  const auto bytes = std::as_bytes(std::span<const Header, 1>(&header, 1));
  queue_.insert(queue_.end(), bytes.begin(), bytes.end());
  queue_.insert(queue_.end(), payload.begin(), payload.end());
  return flush();
}

bool MessageSocket::flush() {
  while (sending()) {
    // A descriptor travels with the first byte of its own message.
    const bool with_descriptor = outgoing_ && sent_ == outgoing_at_;
    const std::size_t end = outgoing_ && !with_descriptor ? outgoing_at_ : queue_.size();
    iovec part{queue_.data() + sent_, end - sent_};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (with_descriptor) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(sizeof(int));
      const int fd = outgoing_.get();
      std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    const ssize_t done = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0) return would_block();
    if (with_descriptor) outgoing_.reset();
    sent_ += static_cast<std::size_t>(done);
  }
  return true;
}

}  // namespace efa::emu::vfio_user
