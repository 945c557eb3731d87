// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/dma_buffer.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "frontend/uverbs/queue_memory.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace efa::emu {

namespace {

/// What nobody can shorten below our mapping: a DMA buffer, or a memory file with that seal. Huge
/// pages are left out, because access to a hole faults when their pool is empty.
bool acceptable(int fd) noexcept {
  struct statfs system;
  if (::fstatfs(fd, &system) != 0) return false;
  if (system.f_type == DMA_BUF_MAGIC) return true;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return system.f_type == TMPFS_MAGIC && seals >= 0 && (seals & F_SEAL_SHRINK) != 0 &&
         (seals & F_SEAL_WRITE) == 0;
}

/// Bytes behind `fd`; DMA buffers tell it by lseek only.
std::uint64_t size_of(int fd) noexcept {
  const off_t end = ::lseek(fd, 0, SEEK_END);
  return end < 0 ? 0 : static_cast<std::uint64_t>(end);
}

}  // namespace

int DmaBuffer::map(int fd, std::uint64_t offset, std::uint64_t length,
                   std::unique_ptr<DmaBuffer>& out) {
  if (!acceptable(fd)) return EINVAL;
  // The client may read on where it was: the offset belongs to the open file.
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  const std::uint64_t size = size_of(fd);
  ::lseek(fd, position < 0 ? 0 : position, SEEK_SET);
  if (length == 0 || length > size || offset > size - length) return EINVAL;
  const std::size_t lead = offset % kPageSize;
  const std::size_t bytes = page_align(lead + length);
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    static_cast<off_t>(offset - lead));
  if (at == MAP_FAILED) return errno == ENOMEM ? ENOMEM : EOPNOTSUPP;
  auto* mapping = static_cast<std::byte*>(at);
  out.reset(new DmaBuffer(mapping, bytes, lead));
  // Now, rather than as a fault in the middle of a transfer. EINVAL: device pages, mapped already.
  if (::madvise(mapping, bytes, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
    out.reset();
    return ENOMEM;
  }
  return 0;
}

DmaBuffer::~DmaBuffer() {
  ::munmap(mapping_, mapped_);
}

}  // namespace efa::emu
