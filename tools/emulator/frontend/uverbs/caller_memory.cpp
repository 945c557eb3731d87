// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory that a client brings along: what the kernel pins (verbs A5, A8.2, A8.6).
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "frontend/uverbs/context.hpp"

namespace efa::emu {

namespace {

constexpr std::uint64_t kUserAddressEnd = std::uint64_t{1} << 47;

}  // namespace

int Context::pin_range(Call& call, std::uint64_t address, std::uint64_t length, bool writable,
                       CallerMemory& out) {
  if (length == 0 || address + length < address) return EINVAL;
  // What pinning would find out now, later accesses to memory that is not there find out then.
  if (address + length > kUserAddressEnd || !call.caller->may_access(address, length, writable))
    return EFAULT;
  const DmaAddr space = space_of(call.caller);
  if (space == 0) return ENOMEM;
  out = {space + address, length, space, nullptr, nullptr};
  return 0;
}

int Context::import_dma_buffer(Call& call, int fd, std::uint64_t offset, std::uint64_t length,
                               CallerMemory& out) {
  const int taken = call.descriptors.take(fd);
  if (taken < 0) return errno;
  std::unique_ptr<DmaBuffer> buffer;
  const int error = DmaBuffer::map(taken, offset, length, buffer);
  ::close(taken);
  if (error != 0) return error;
  const DmaAddr space = driver_.memory().add(buffer->mapping(), buffer->mapped_bytes());
  if (space == 0) return ENOMEM;
  const auto lead = static_cast<std::uint64_t>(buffer->data() - buffer->mapping());
  out = {space + lead, length, space, std::move(buffer), nullptr};
  return 0;
}

int Context::pin(Call& call, const BufferDescriptor& descriptor, CallerMemory& out) {
  if (descriptor.flags != 0) return EINVAL;
  switch (descriptor.type) {
    case kBufferTypeVa:
      return pin_range(call, descriptor.addr, descriptor.length, true, out);
    case kBufferTypeDmabuf:
      return import_dma_buffer(call, descriptor.fd, descriptor.addr, descriptor.length, out);
    default:
      return EINVAL;
  }
}

/// VA + LENGTH, or FD + OFFSET + LENGTH, or UMEM alone; none of them leaves `out` empty.
int Context::pin_cq_ring(Call& call, CallerMemory& out) {
  AttributeBundle& attributes = call.attributes;
  const bool va = attributes.has(kAttrCqBufferVa), fd = attributes.has(kAttrCqBufferFd),
             length = attributes.has(kAttrCqBufferLength),
             offset = attributes.has(kAttrCqBufferOffset);
  BufferDescriptor descriptor;
  if (attributes.has(kAttrCqBufferUmem)) {
    if (va || fd || length || offset) return EINVAL;
    if (const int error = attributes.get(kAttrCqBufferUmem, descriptor)) return error;
    return pin(call, descriptor, out);
  }
  if (!va && !fd) return length || offset ? EINVAL : 0;
  if ((va && fd) || !length || offset != fd) return EINVAL;
  descriptor.type = va ? kBufferTypeVa : kBufferTypeDmabuf;
  if (fd) descriptor.fd = static_cast<std::int32_t>(*attributes.handle(kAttrCqBufferFd));
  const std::uint16_t start = va ? kAttrCqBufferVa : kAttrCqBufferOffset;
  if (const int error = attributes.get(start, descriptor.addr)) return error;
  if (const int error = attributes.get(kAttrCqBufferLength, descriptor.length)) return error;
  return pin(call, descriptor, out);
}

/// Shared memory of some length is mapped here, too, for copies in bulk.
void Context::open_window(const Process& process, std::uint64_t address, CallerMemory& memory) {
  constexpr std::uint64_t kBulk = 64 << 10;
  if (memory.length < kBulk) return;
  memory.window = SharedWindow::open(process.pid(), address, memory.length);
  if (memory.window)
    driver_.memory().add_alias(memory.address, memory.length, memory.window->data());
}

/// The device must have let go of it.
void Context::unpin(CallerMemory& memory) {
  if (memory.window) driver_.memory().remove_alias(memory.address, memory.window->data());
  if (memory.dma_buffer) driver_.memory().remove(memory.space);
  memory = {};
}

}  // namespace efa::emu
