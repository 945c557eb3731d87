// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Shared memory of a client (shm segments, memory files, huge pages), mapped here as well: bulk
/// copies then need one system call instead of two.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace efa::emu {

class SharedWindow {
 public:
  /// Maps what [address, address + length) of process `pid` shows, if it lies in one shared mapping
  /// of a file in memory. nullptr if not, or where that is denied: it takes CAP_SYS_ADMIN or
  /// CAP_CHECKPOINT_RESTORE.
  static std::unique_ptr<SharedWindow> open(pid_t pid, std::uint64_t address, std::uint64_t length);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// The byte at `address`. For system calls only: the client may shorten the file, and then they
  /// fail, while a plain access would end this process.
  std::byte* data() const noexcept { return data_; }

 private:
  SharedWindow(std::byte* mapping, std::size_t mapped, std::byte* data) noexcept
      : mapping_(mapping), mapped_(mapped), data_(data) {}

  std::byte* mapping_;
  std::size_t mapped_;
  std::byte* data_;
};

}  // namespace efa::emu
