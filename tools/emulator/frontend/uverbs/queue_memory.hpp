// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The pages that one opened device shares with its process: rings and doorbells. A sealed memory
/// file whose offsets are the mmap keys of the uverbs ABI; it takes the place of the device node.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "base/result.hpp"

namespace efa::emu {

inline constexpr std::uint64_t kPageSize = 4096;

constexpr std::uint64_t page_align(std::uint64_t bytes) noexcept {
  return (bytes + kPageSize - 1) & ~(kPageSize - 1);
}

class QueueMemory {
 public:
  struct Range {
    std::uint64_t offset = 0;  ///< in the file = mmap key
    std::uint64_t length = 0;  ///< bytes, whole pages
  };

  static Result<std::unique_ptr<QueueMemory>> create();
  ~QueueMemory();
  QueueMemory(const QueueMemory&) = delete;
  QueueMemory& operator=(const QueueMemory&) = delete;

  int fd() const noexcept { return fd_; }
  dev_t device() const noexcept { return device_; }
  ino_t inode() const noexcept { return inode_; }

  /// Whole zeroed pages for `bytes` bytes (> 0); nothing when the file is full.
  std::optional<Range> allocate(std::uint64_t bytes);

  /// Gives pages back: unmapped here if mapped, and zeroed. The process may still have them mapped.
  void release(const Range& range);

  /// Maps a range so that the device can use it as ring memory. nullptr when out of memory.
  std::byte* map(const Range& range);

  /// Maps a range over existing pages at `at` (a window of a BAR).
  bool map_over(const Range& range, std::byte* at);

  /// Pointer to bytes of a range that map() mapped; nullptr if not inside one.
  std::byte* find(std::uint64_t offset, std::size_t length) const noexcept;

 private:
  QueueMemory(int fd, dev_t device, ino_t inode) noexcept
      : fd_(fd), device_(device), inode_(inode) {}

  struct Mapping {
    std::byte* pointer;
    std::uint64_t length;
  };

  int fd_;
  dev_t device_;
  ino_t inode_;
  std::map<std::uint64_t, std::uint64_t> free_;  ///< offset -> length
  std::map<std::uint64_t, Mapping> mapped_;      ///< by offset
};

}  // namespace efa::emu
