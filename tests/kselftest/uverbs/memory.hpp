// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Memory to register: anonymous pages, and DMA buffers made of a memory file (verbs A13).
#pragma once

#include <optional>

#include "uverbs.hpp"

namespace efa::raw {

/// Zeroed pages of our own.
class Pages {
 public:
  explicit Pages(std::size_t bytes, int protection);
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

/// A DMA buffer over a memory file, where the kernel has /dev/udmabuf (Debian: from 6.12).
class DmaBuffer {
 public:
  /// Nothing if this kernel cannot make one.
  static std::optional<DmaBuffer> make(std::size_t bytes);
  DmaBuffer(DmaBuffer&& other) noexcept;
  DmaBuffer& operator=(DmaBuffer&&) = delete;
  ~DmaBuffer();
  int fd() const { return fd_; }
  std::uint8_t* data() const { return data_; }
  void close_fd();

 private:
  DmaBuffer(int fd, std::uint8_t* data, std::size_t size) : fd_(fd), data_(data), size_(size) {}
  int fd_;
  std::uint8_t* data_;
  std::size_t size_;
};

struct DmabufRequest {
  std::uint64_t offset = 0, length = 4096, iova = 0;
  int fd = -1;
  std::uint32_t access = kLocalWrite;
};
int reg_dmabuf_mr(Session& session, const Pd& pd, const DmabufRequest& request, Mr& out);

struct InterconnectIds {
  std::uint16_t validity = 0, recv = 0, rdma_read = 0, rdma_recv = 0;
};
int query_mr(Session& session, std::uint32_t handle, InterconnectIds& out);

}  // namespace efa::raw
