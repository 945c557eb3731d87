// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/queue_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

namespace efa::emu {

namespace {

// Address space only; pages cost memory once they are touched. Room for every queue of a device.
constexpr std::uint64_t kFileBytes = std::uint64_t{2} << 30;

}  // namespace

Result<std::unique_ptr<QueueMemory>> QueueMemory::create() {
  const int fd = ::memfd_create("efa-queues", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  struct stat status {};
  // Sealed: a client that shrinks the file would make our accesses fault.
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(kFileBytes)) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
      ::fstat(fd, &status) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return fail(error, fmt::format("no memory file for queues: {}", std::strerror(error)),
                "raise the limits on open files and file size (ulimit -n, ulimit -f)");
  }
  std::unique_ptr<QueueMemory> memory(new QueueMemory(fd, status.st_dev, status.st_ino));
  memory->free_[0] = kFileBytes;
  return memory;
}

QueueMemory::~QueueMemory() {
  for (const auto& [offset, mapping] : mapped_) ::munmap(mapping.pointer, mapping.length);
  ::close(fd_);
}

std::optional<QueueMemory::Range> QueueMemory::allocate(std::uint64_t bytes) {
  const std::uint64_t wanted = page_align(bytes);
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->second < wanted) continue;
    const Range range{it->first, wanted};
    const std::uint64_t rest = it->second - wanted;
    free_.erase(it);
    if (rest != 0) free_[range.offset + wanted] = rest;
    return range;
  }
  return std::nullopt;
}

void QueueMemory::release(const Range& range) {
  if (range.length == 0) return;
  if (const auto found = mapped_.find(range.offset); found != mapped_.end()) {
    ::munmap(found->second.pointer, found->second.length);
    mapped_.erase(found);
  }
  ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
              static_cast<off_t>(range.length));
  auto it = free_.emplace(range.offset, range.length).first;
  if (const auto next = std::next(it);
      next != free_.end() && it->first + it->second == next->first) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it != free_.begin()) {
    const auto previous = std::prev(it);
    if (previous->first + previous->second == it->first) {
      previous->second += it->second;
      free_.erase(it);
    }
  }
}

std::byte* QueueMemory::map(const Range& range) {
  void* pointer = ::mmap(nullptr, range.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd_,
                         static_cast<off_t>(range.offset));
  if (pointer == MAP_FAILED) return nullptr;
  mapped_[range.offset] = {static_cast<std::byte*>(pointer), range.length};
  return static_cast<std::byte*>(pointer);
}

bool QueueMemory::map_over(const Range& range, std::byte* at) {
  return ::mmap(at, range.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_,
                static_cast<off_t>(range.offset)) != MAP_FAILED;
}

std::byte* QueueMemory::find(std::uint64_t offset, std::size_t length) const noexcept {
  auto it = mapped_.upper_bound(offset);
  if (it == mapped_.begin()) return nullptr;
  --it;
  const std::uint64_t inside = offset - it->first;
  if (inside > it->second.length || length > it->second.length - inside) return nullptr;
  return it->second.pointer + inside;
}

}  // namespace efa::emu
