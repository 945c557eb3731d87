// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A connection of the control socket: requests and replies are lines. Never blocks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/file_descriptor.hpp"

namespace efa::emu::vfio_user {

class LineConnection {
 public:
  static constexpr std::size_t kMaxLine = 64 << 10;

  /// Turns a request into its reply, both without the line end.
  using Answer = std::function<std::string(std::string_view)>;

  explicit LineConnection(FileDescriptor socket) : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }

  /// The socket is ready: answers the whole lines that have come. False when the peer has gone, or
  /// sent a line without end.
  bool serve(const Answer& answer);

  /// Wait for room to write instead of for requests.
  bool waits_to_send() const noexcept { return !output_.empty(); }

 private:
  bool flush();

  FileDescriptor socket_;
  std::string input_;
  std::string output_;
};

}  // namespace efa::emu::vfio_user
