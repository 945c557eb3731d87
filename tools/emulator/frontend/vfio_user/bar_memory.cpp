// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/bar_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace efa::emu::vfio_user {

Result<BarMemory> BarMemory::create(const char* name, std::size_t bytes) {
  FileDescriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  void* at = MAP_FAILED;
  // Sealed: a client that shrinks the file would make our accesses fault.
  if (file && ::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 &&
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED)
    return fail(errno,
                fmt::format("no memory for a BAR of {} bytes: {}", bytes, std::strerror(errno)),
                "raise the limits on open files, file size and address space (ulimit -n, -f, -v)");
  return BarMemory(std::move(file), {static_cast<std::byte*>(at), bytes});
}

BarMemory::BarMemory(BarMemory&& other) noexcept
    : file_(std::move(other.file_)), bytes_(std::exchange(other.bytes_, {})) {}

BarMemory::~BarMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

void BarMemory::clear() noexcept {
  ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
              static_cast<off_t>(bytes_.size()));
}

}  // namespace efa::emu::vfio_user
