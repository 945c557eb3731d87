// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory of a queue or of a doorbell page, mapped from the command file (spec verbs A4).
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace efa {

class Mapping {
 public:
  Mapping() = default;
  ~Mapping() { reset(); }
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(length_, other.length_);
    return *this;
  }

  /// @param key    the file offset that the kernel gave out
  /// @param length bytes; the kernel wants exactly the pages of the object
  /// @returns 0 or a positive errno
  int map(int fd, std::uint64_t key, std::size_t length, int protection) {
    reset();
    void* address = ::mmap(nullptr, length, protection, MAP_SHARED, fd, static_cast<off_t>(key));
    if (address == MAP_FAILED) return errno;
    address_ = static_cast<std::byte*>(address);
    length_ = length;
    return 0;
  }

  void reset() {
    if (address_ != nullptr) ::munmap(address_, length_);
    address_ = nullptr;
    length_ = 0;
  }

  std::byte* data() const { return address_; }
  std::size_t size() const { return length_; }
  explicit operator bool() const { return address_ != nullptr; }

 private:
  std::byte* address_ = nullptr;
  std::size_t length_ = 0;
};

inline std::size_t page_size() {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Whether a doorbell, a word of 32 bits, may be at `offset` of its page.
inline bool is_doorbell_offset(std::uint32_t offset) {
  return offset % sizeof(std::uint32_t) == 0 && offset < page_size();
}

inline std::size_t page_align(std::size_t bytes) {
  const std::size_t page = page_size();
  return (bytes + page - 1) / page * page;
}

}  // namespace efa
