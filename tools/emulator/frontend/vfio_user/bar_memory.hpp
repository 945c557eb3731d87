// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The memory behind a BAR: a sealed memory file that a guest can map.
#pragma once

#include <cstddef>
#include <span>

#include "base/file_descriptor.hpp"
#include "base/result.hpp"

namespace efa::emu::vfio_user {

class BarMemory {
 public:
  /// `bytes` of zeroes, whole pages; they cost memory once they are touched.
  static Result<BarMemory> create(const char* name, std::size_t bytes);
  ~BarMemory();
  BarMemory(BarMemory&& other) noexcept;
  BarMemory& operator=(BarMemory&&) = delete;

  std::span<std::byte> bytes() const noexcept { return bytes_; }
  int fd() const noexcept { return file_.get(); }

  /// Zeroes everything and gives the memory back.
  void clear() noexcept;

 private:
  BarMemory(FileDescriptor file, std::span<std::byte> bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  FileDescriptor file_;
  std::span<std::byte> bytes_;
};

}  // namespace efa::emu::vfio_user
