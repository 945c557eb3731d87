// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What kind of memory a range is, by /proc/self/maps: a question for each mapping where the kernel
// takes them (Linux 6.11), else all of the text.
#ifndef EFA_PROVIDER_RDM_PRIVATE_MEMORY_HPP
#define EFA_PROVIDER_RDM_PRIVATE_MEMORY_HPP

#include <cstddef>
#include <cstdint>

namespace efa::rdm {

// Whole pages, from the first byte up to the one after the last.
struct PageRange {
  std::uintptr_t start = 0;
  std::uintptr_t end = 0;

  std::size_t bytes() const { return end - start; }
  bool contains(const PageRange& other) const { return start <= other.start && other.end <= end; }
  bool operator==(const PageRange&) const = default;
  bool overlaps(const PageRange& other) const { return start < other.end && other.start < end; }
};

// Whether all of it is mapped, belongs to this process alone, and has no file below it: then only
// this process' own system calls change which pages there are. A file may be cut by anybody, and a
// private mapping of it loses its pages too. Huge pages count as a file.
// @param ask  false: by the text in any case, for tests
bool is_private_anonymous(const PageRange& range, bool ask = true);

}  // namespace efa::rdm

#endif
