// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Memory of whole pages for the tests of what watches it.
#ifndef EFA_TESTS_UNIT_RDM_MAPPED_HPP
#define EFA_TESTS_UNIT_RDM_MAPPED_HPP

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "rdm/private_memory.hpp"

namespace efa::rdm {

inline std::size_t page() {
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Pages that are unmapped at the end, whatever is there by then.
class Mapped {
 public:
  explicit Mapped(std::size_t pages, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int file = -1)
      : pages_(pages), data_(mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, flags, file, 0)) {
    if (data_ == MAP_FAILED) abort();
  }
  Mapped(Mapped&& other) noexcept
      : pages_(std::exchange(other.pages_, 0)), data_(std::exchange(other.data_, nullptr)) {}
  ~Mapped() {
    if (pages_ != 0) munmap(data_, bytes());
  }

  std::size_t bytes() const { return pages_ * page(); }
  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::byte* at(std::size_t index) const { return data() + index * page(); }
  PageRange range() const { return part(0, pages_); }
  PageRange part(std::size_t first, std::size_t count) const {
    const auto start = reinterpret_cast<std::uintptr_t>(at(first));
    return {start, start + count * page()};
  }

 private:
  std::size_t pages_;
  void* data_;
};

}  // namespace efa::rdm

#endif
