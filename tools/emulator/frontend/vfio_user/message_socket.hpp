// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whole vfio-user messages over one connection, without ever blocking: a client that sends half a
/// message, or does not read its replies, delays nobody but itself.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/file_descriptor.hpp"
#include "frontend/vfio_user/protocol.hpp"

struct msghdr;

namespace efa::emu::vfio_user {

struct Message {
  Header header;
  std::vector<std::byte> payload;
  std::vector<FileDescriptor> descriptors;
};

class MessageSocket {
 public:
  enum class Status {
    kMessage,
    kNothing,  ///< wait until readable
    kClosed,   ///< by the peer, or the stream makes no sense any more
  };

  explicit MessageSocket(FileDescriptor socket);

  int fd() const noexcept { return socket_.get(); }

  /// Takes the next message. `out` is overwritten only with a complete one.
  Status receive(Message& out);

  /// Whether the stream ended, or became senseless, within a message.
  bool mid_message() const noexcept { return received_ != 0; }

  /// Queues a message with at most one descriptor (-1 = none), which is duplicated, and sends what
  /// goes. False when the connection is broken.
  bool send(const Header& header, std::span<const std::byte> payload, int descriptor = -1);

  /// Sends more of what is queued. False when the connection is broken.
  bool flush();

  /// Whether something is queued: wait until writable, and take no new requests before.
  bool sending() const noexcept { return sent_ < queue_.size(); }

 private:
  bool read_some();
  void adopt_descriptors(msghdr& message);

  FileDescriptor socket_;
  std::vector<std::byte> input_;  ///< of the message under way
  std::size_t received_ = 0;
  std::vector<FileDescriptor> descriptors_;
  bool truncated_ = false;  ///< more descriptors came than there was room for

  std::vector<std::byte> queue_;
  std::size_t sent_ = 0;
  FileDescriptor outgoing_;  ///< goes with the byte at outgoing_at_
  std::size_t outgoing_at_ = 0;
};

}  // namespace efa::emu::vfio_user
