// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A listening Unix socket with a name in a directory.
#pragma once

#include <string>

#include "base/file_descriptor.hpp"
#include "base/result.hpp"

namespace efa::emu::vfio_user {

class Listener {
 public:
  /// Takes over a name that a dead server left behind, not one that somebody listens at.
  static Result<Listener> create(const std::string& path);
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;

  int fd() const noexcept { return socket_.get(); }
  const std::string& path() const noexcept { return path_; }

  /// The next connection, not blocking; empty when there is none.
  FileDescriptor accept() const noexcept;

 private:
  Listener(FileDescriptor socket, std::string path)
      : socket_(std::move(socket)), path_(std::move(path)) {}

  FileDescriptor socket_;
  std::string path_;
};

}  // namespace efa::emu::vfio_user
