// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "memory.hpp"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace efa::raw {

Pages::Pages(std::size_t bytes) : Pages(bytes, PROT_READ | PROT_WRITE) {}

Pages::Pages(std::size_t bytes, int protection) : size_(bytes) {
  void* start = ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) throw std::runtime_error("no memory for the test's pages");
  data_ = static_cast<std::uint8_t*>(start);
}

Pages::~Pages() {
  ::munmap(data_, size_);
}

std::optional<DmaBuffer> DmaBuffer::make(std::size_t bytes) {
  const int device = ::open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
  if (device < 0) return std::nullopt;
  const int file = ::memfd_create("efa-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  udmabuf_create create{};
  create.memfd = static_cast<std::uint32_t>(file);
  create.flags = UDMABUF_FLAGS_CLOEXEC;
  create.size = bytes;
  int buffer = -1;
  void* start = MAP_FAILED;
  if (::ftruncate(file, static_cast<off_t>(bytes)) == 0 &&
      ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0) {
    buffer = ::ioctl(device, UDMABUF_CREATE, &create);
    start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  ::close(file);
  ::close(device);
  if (buffer < 0 || start == MAP_FAILED) throw std::runtime_error("/dev/udmabuf gives no buffer");
  return DmaBuffer(buffer, static_cast<std::uint8_t*>(start), bytes);
}

DmaBuffer::DmaBuffer(DmaBuffer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(other.size_) {}

DmaBuffer::~DmaBuffer() {
  close_fd();
  if (data_ != nullptr) ::munmap(data_, size_);
}

void DmaBuffer::close_fd() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

namespace {

using DescriptorForm = void (*)(Attributes&, std::int32_t fd);

int reg_dmabuf_mr(Session& session, const Pd& pd, const DmabufRequest& request, Mr& out,
                  DescriptorForm add_descriptor) {
  Attributes attributes;
  attributes.handle(UVERBS_ATTR_REG_DMABUF_MR_HANDLE)
      .handle(UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, pd.handle)
      .in(UVERBS_ATTR_REG_DMABUF_MR_OFFSET, request.offset)
      .in(UVERBS_ATTR_REG_DMABUF_MR_LENGTH, request.length)
      .in(UVERBS_ATTR_REG_DMABUF_MR_IOVA, request.iova)
      .in(UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, request.access)
      .out(UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, out.lkey)
      .out(UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, out.rkey);
  add_descriptor(attributes, request.fd);
  const int error = session.call(UVERBS_OBJECT_MR, UVERBS_METHOD_REG_DMABUF_MR, attributes);
  out.handle = static_cast<std::uint32_t>(attributes.value(UVERBS_ATTR_REG_DMABUF_MR_HANDLE));
  return error;
}

}  // namespace

/// Up to 6.1 the descriptor is a number of 4 bytes, later it travels in the attribute itself; the
/// other form is EINVAL.
int reg_dmabuf_mr(Session& session, const Pd& pd, const DmabufRequest& request, Mr& out) {
  const int error =
      reg_dmabuf_mr(session, pd, request, out, [](Attributes& attributes, std::int32_t fd) {
        attributes.handle(UVERBS_ATTR_REG_DMABUF_MR_FD, static_cast<std::uint32_t>(fd));
      });
  if (error != EINVAL) return error;
  return reg_dmabuf_mr(session, pd, request, out, [](Attributes& attributes, std::int32_t fd) {
    attributes.in(UVERBS_ATTR_REG_DMABUF_MR_FD, fd);
  });
}

int query_mr(Session& session, std::uint32_t handle, InterconnectIds& out) {
  Attributes attributes;
  attributes.handle(EFA_UABI_IDS_ATTR_QUERY_MR_HANDLE, handle)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_IC_ID_VALIDITY, out.validity)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RECV_IC_ID, out.recv)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_READ_IC_ID, out.rdma_read)
      .out(EFA_UABI_IDS_ATTR_QUERY_MR_RESP_RDMA_RECV_IC_ID, out.rdma_recv);
  return session.call(UVERBS_OBJECT_MR, EFA_UABI_IDS_METHOD_MR_QUERY, attributes);
}

}  // namespace efa::raw
