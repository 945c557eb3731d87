// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The guest's memory as the device may reach it: what QEMU announced by DMA_MAP. Every file is
/// mapped here once, however many pieces of it are announced (lab.md 3).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/file_descriptor.hpp"
#include "device/dma_space.hpp"

namespace efa::emu::vfio_user {

class DmaTable final : public DmaSpace {
 public:
  DmaTable() = default;
  ~DmaTable() override;
  DmaTable(const DmaTable&) = delete;
  DmaTable& operator=(const DmaTable&) = delete;

  struct Range {
    DmaAddr address = 0;
    std::uint64_t size = 0;    ///< bytes
    std::uint64_t offset = 0;  ///< in the file
    bool readable = false;     ///< by the device
    bool writable = false;
  };

  /// Adds a range. Without a file it only takes its addresses: accesses fail. Returns 0, or EINVAL
  /// (empty, wraps around, beyond the file, no regular file), EEXIST (overlaps), ENOSPC (too many),
  /// or why mmap() failed.
  int add(const Range& range, FileDescriptor file);

  /// Removes all ranges inside [address, address + size). EINVAL, and nothing removed, if one
  /// sticks out. An IOMMU driver also flushes where nothing was: no error.
  int remove(DmaAddr address, std::uint64_t size);

  void remove_all();

  /// A function that is no bus master reaches nothing (PCI command register).
  void set_bus_master(bool enabled) noexcept;

  std::size_t ranges() const noexcept { return regions_.size(); }
  std::size_t files() const noexcept;

  std::byte* map(DmaAddr addr, std::size_t length) noexcept override;
  const std::byte* map_for_reading(DmaAddr addr, std::size_t length) noexcept override;
  std::byte* map_ring(DmaAddr addr, std::size_t length, Access access) noexcept override;
  bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept override;
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override;

 private:
  struct MappedFile {
    ~MappedFile();
    dev_t device = 0;
    ino_t inode = 0;
    FileDescriptor file;
    std::byte* base = nullptr;
    std::uint64_t length = 0;
    bool writable = false;
  };

  struct Region {
    DmaAddr start = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    std::byte* pointer = nullptr;  ///< nullptr: no file
    bool readable = false;
    bool writable = false;
    std::shared_ptr<MappedFile> file;

    bool contains(DmaAddr addr) const noexcept { return addr - start < size; }
    bool allows(Access access) const noexcept {
      return pointer != nullptr && (access == Access::kRead ? readable : writable);
    }
  };

  /// Pages of several regions, mapped once more side by side.
  struct Window {
    DmaAddr start = 0;  ///< whole pages
    std::size_t length = 0;
    Access access = Access::kRead;
    std::byte* base = nullptr;
  };

  int open(const Range& range, FileDescriptor file, std::shared_ptr<MappedFile>& out);
  std::size_t first_at_or_after(DmaAddr addr) const noexcept;
  const Region* find(DmaAddr addr) noexcept;
  std::byte* resolve(DmaAddr addr, std::size_t length, Access access) noexcept;
  std::byte* find_window(DmaAddr start, std::size_t length, Access access) const noexcept;
  std::byte* make_window(DmaAddr start, std::size_t length, Access access);
  void drop_windows(DmaAddr address, std::uint64_t size) noexcept;
  template <class Visit>
  bool for_each_run(std::span<const DmaSegment> segments, Access access, Visit&& visit) noexcept;

  std::vector<Region> regions_;  ///< by address
  std::vector<std::weak_ptr<MappedFile>> files_;
  std::vector<Window> windows_;
  std::size_t last_ = 0;  ///< index of the last hit
  bool bus_master_ = false;
};

}  // namespace efa::emu::vfio_user
