// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The only way in which the device reaches host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace efa::emu {

/// Address as it appears in registers, commands and page lists. Untrusted.
using DmaAddr = std::uint64_t;

/// One contiguous run of DMA addresses.
struct DmaSegment {
  DmaAddr addr = 0;
  std::uint64_t length = 0;  ///< bytes
};

/// What the device does with a range.
enum class Access : std::uint8_t { kRead, kWrite };

/// Translates and accesses the memory of one host function. Every method takes untrusted addresses
/// and refuses what the front end did not make accessible. Engine thread only, unless a front end
/// lets a copy helper take part (datapath/copy_helper.hpp).
class DmaSpace {
 public:
  virtual ~DmaSpace() = default;

  /// Direct pointer to [addr, addr + length) if the whole range lies in one mapping of this
  /// process, else nullptr. Valid only while epoch() keeps its value.
  virtual std::byte* map(DmaAddr addr, std::size_t length) noexcept = 0;

  /// The same for a range that the device only reads; hosts may have mapped it read-only.
  virtual const std::byte* map_for_reading(DmaAddr addr, std::size_t length) noexcept {
    return map(addr, length);
  }

  /// The same for a range that stays in use, such as a ring. May go to some lengths to make it
  /// contiguous here where only its addresses are (a host with an IOMMU).
  virtual std::byte* map_ring(DmaAddr addr, std::size_t length, Access) noexcept {
    return map(addr, length);
  }

  /// Another name of [addr, addr + length) in this process, for system calls only: a plain access
  /// may fault. nullptr if there is none. Valid until the front end changes its mappings.
  virtual std::byte* alias(DmaAddr, std::size_t) noexcept { return nullptr; }

  /// Changes whenever a mapping handed out by one of these may have gone away.
  std::uint64_t epoch() const noexcept { return epoch_; }

  /// Copies the segments, in order, to `out` (their total length in bytes). False if any byte is
  /// inaccessible; bytes before it may have been copied.
  virtual bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept;

  /// Copies from `in` to the segments, in order. False if any byte is inaccessible.
  virtual bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept;

  bool read(DmaAddr addr, void* out, std::size_t length) noexcept {
    const DmaSegment segment{addr, length};
    return gather({&segment, 1}, static_cast<std::byte*>(out));
  }
  bool write(DmaAddr addr, const void* in, std::size_t length) noexcept {
    const DmaSegment segment{addr, length};
    return scatter({&segment, 1}, static_cast<const std::byte*>(in));
  }

 protected:
  void invalidate_mappings() noexcept { ++epoch_; }

 private:
  std::uint64_t epoch_ = 1;
};

/// A range of host memory that a ring lives in: resolved once, resolved again only after the front
/// end changed its mappings.
class MappedRange {
 public:
  MappedRange() = default;
  MappedRange(DmaSpace& space, DmaAddr addr, std::size_t length,
              Access access = Access::kWrite) noexcept
      : space_(&space), addr_(addr), length_(length), access_(access) {}

  /// Pointer to the first byte, or nullptr when the range is not mapped (any more).
  std::byte* get() noexcept {
    if (space_ == nullptr) return nullptr;
    if (epoch_ != space_->epoch()) {
      pointer_ = space_->map_ring(addr_, length_, access_);
      epoch_ = space_->epoch();
    }
    return pointer_;
  }

  /// True if every byte can be read, mapped or not.
  bool accessible() noexcept;

  DmaSpace& space() const noexcept { return *space_; }
  std::size_t length() const noexcept { return length_; }
  DmaAddr addr() const noexcept { return addr_; }

 private:
  DmaSpace* space_ = nullptr;
  DmaAddr addr_ = 0;
  std::size_t length_ = 0;
  Access access_ = Access::kWrite;
  std::byte* pointer_ = nullptr;
  std::uint64_t epoch_ = 0;
};

}  // namespace efa::emu
