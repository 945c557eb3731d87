// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A DMA buffer of a client, by its descriptor: mapped here, hence reached without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace efa::emu {

class DmaBuffer {
 public:
  /// Maps bytes [offset, offset + length) of the DMA buffer behind `fd`, which stays the caller's.
  /// As machines without udmabuf cannot make DMA buffers, a memory file will do that is sealed the
  /// way udmabuf demands (F_SEAL_SHRINK).
  /// Returns 0; EINVAL: neither of them, or too short; EOPNOTSUPP: its exporter does not let map.
  static int map(int fd, std::uint64_t offset, std::uint64_t length,
                 std::unique_ptr<DmaBuffer>& out);
  ~DmaBuffer();
  DmaBuffer(const DmaBuffer&) = delete;
  DmaBuffer& operator=(const DmaBuffer&) = delete;

  /// First byte of the range.
  std::byte* data() const noexcept { return mapping_ + lead_; }
  /// Bytes from the page before data() on.
  std::byte* mapping() const noexcept { return mapping_; }
  std::size_t mapped_bytes() const noexcept { return mapped_; }

 private:
  DmaBuffer(std::byte* mapping, std::size_t mapped, std::size_t lead) noexcept
      : mapping_(mapping), mapped_(mapped), lead_(lead) {}

  std::byte* mapping_;
  std::size_t mapped_;
  std::size_t lead_;  ///< bytes of the first page before the range
};

}  // namespace efa::emu
