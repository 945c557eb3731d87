// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "memory.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>

#include "kernel.hpp"

namespace efa::fake {
namespace {

std::atomic<int> steps_until_failure{-1};
std::atomic<bool> failed{false};

class Pointers {
 public:
  void* add(void* pointer) {
    const std::lock_guard guard(lock_);
    if (pointer != nullptr) pointers_.insert(pointer);
    return pointer;
  }
  void remove(void* pointer) {
    const std::lock_guard guard(lock_);
    pointers_.erase(pointer);
  }
  std::size_t count() {
    const std::lock_guard guard(lock_);
    return pointers_.size();
  }

 private:
  std::mutex lock_;
  std::set<void*> pointers_;
};

// Never destroyed: freeing goes on after the end of main.
Pointers& blocks() {
  static auto* pointers = new Pointers;
  return *pointers;
}
Pointers& mappings() {
  static auto* pointers = new Pointers;
  return *pointers;
}

void* no_memory() {
  errno = ENOMEM;
  return nullptr;
}

}  // namespace

void fail_step(int number) {
  failed = false;
  steps_until_failure = number;
}
void fail_nothing() {
  steps_until_failure = -1;
}
bool has_failed() {
  return failed;
}
bool step_fails() {
  if (steps_until_failure < 0 || steps_until_failure-- != 0) return false;
  failed = true;
  return true;
}
std::size_t blocks_in_use() {
  return blocks().count();
}
std::size_t mappings_in_use() {
  return mappings().count();
}

}  // namespace efa::fake

using namespace efa::fake;

extern "C" {
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void __real_free(void* pointer);
void* __real_mmap(void* address, std::size_t length, int protection, int flags, int fd,
                  off_t offset);
int __real_munmap(void* address, std::size_t length);

void* __wrap_calloc(std::size_t count, std::size_t size) {
  return step_fails() ? no_memory() : blocks().add(__real_calloc(count, size));
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return step_fails() ? no_memory() : blocks().add(__real_aligned_alloc(alignment, size));
}
void __wrap_free(void* pointer) {
  blocks().remove(pointer);
  __real_free(pointer);
}

void* __wrap_mmap(void* address, std::size_t length, int protection, int flags, int fd,
                  off_t offset) {
  if (!kernel().owns(fd)) return __real_mmap(address, length, protection, flags, fd, offset);
  if (step_fails()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  // As the driver's mmap (spec verbs A4): only whole objects.
  if (!kernel().offers(static_cast<std::uint64_t>(offset), length)) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  void* mapped = __real_mmap(address, length, protection, flags, fd, offset);
  return mapped == MAP_FAILED ? mapped : mappings().add(mapped);
}
int __wrap_munmap(void* address, std::size_t length) {
  mappings().remove(address);
  return __real_munmap(address, length);
}
}
