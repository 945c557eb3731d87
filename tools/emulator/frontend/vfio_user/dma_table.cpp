// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/dma_table.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "frontend/vfio_user/protocol.hpp"

namespace efa::emu::vfio_user {

namespace {

constexpr std::uint64_t kPage = 4096;
// Rings over scattered pages, per device. The kernel limits mappings per process (65530 by
// default); a guest that wants more makes its own rings slower.
constexpr std::size_t kMaxWindows = 4096;
constexpr std::size_t kMaxWindowBytes = std::size_t{64} << 20;

}  // namespace

DmaTable::MappedFile::~MappedFile() {
  if (base != nullptr) ::munmap(base, length);
}

DmaTable::~DmaTable() {
  remove_all();
}

std::size_t DmaTable::files() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(files_, [](const auto& file) { return !file.expired(); }));
}

/// The file of `range`, mapped whole: each piece comes with a descriptor of its own, but pieces of
/// one memory share device and inode.
int DmaTable::open(const Range& range, FileDescriptor file, std::shared_ptr<MappedFile>& out) {
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return errno;
  const auto length = static_cast<std::uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || range.offset > length || range.size > length - range.offset)
    return EINVAL;
  std::erase_if(files_, [](const auto& known) { return known.expired(); });
  for (const auto& known : files_) {
    std::shared_ptr<MappedFile> mapped = known.lock();
    if (mapped->device != info.st_dev || mapped->inode != info.st_ino) continue;
    if (range.size > mapped->length || range.offset > mapped->length - range.size) continue;
    if (range.writable && !mapped->writable) continue;
    out = std::move(mapped);
    return 0;
  }
  auto mapped = std::make_shared<MappedFile>();
  mapped->writable = true;
  void* base =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (base == MAP_FAILED && !range.writable) {
    mapped->writable = false;
    base = ::mmap(nullptr, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  }
  if (base == MAP_FAILED) return errno;
  mapped->base = static_cast<std::byte*>(base);
  mapped->length = length;
  mapped->device = info.st_dev;
  mapped->inode = info.st_ino;
  mapped->file = std::move(file);
  files_.push_back(mapped);
  out = std::move(mapped);
  return 0;
}

/// Index of the first region that ends behind `addr`.
std::size_t DmaTable::first_at_or_after(DmaAddr addr) const noexcept {
  const auto found = std::ranges::partition_point(
      regions_, [addr](const Region& region) { return region.start + (region.size - 1) < addr; });
  return static_cast<std::size_t>(found - regions_.begin());
}

int DmaTable::add(const Range& range, FileDescriptor file) {
  if (range.size == 0 || range.size - 1 > std::numeric_limits<DmaAddr>::max() - range.address)
    return EINVAL;
  if (regions_.size() >= kMaxDmaRegions) return ENOSPC;
  const std::size_t at = first_at_or_after(range.address);
  if (at < regions_.size() && regions_[at].start <= range.address + (range.size - 1)) return EEXIST;
  Region region;
  region.start = range.address;
  region.size = range.size;
  if (file) {
    if (const int error = open(range, std::move(file), region.file)) return error;
    region.offset = range.offset;
    region.pointer = region.file->base + range.offset;
    region.readable = range.readable;
    region.writable = range.writable;
  }
  regions_.insert(regions_.begin() + static_cast<std::ptrdiff_t>(at), std::move(region));
  invalidate_mappings();  // a ring that was looked at while its range was away is back
  return 0;
}

int DmaTable::remove(DmaAddr address, std::uint64_t size) {
  if (size == 0 || size - 1 > std::numeric_limits<DmaAddr>::max() - address) return EINVAL;
  const DmaAddr last = address + (size - 1);
  const auto begin = regions_.begin() + static_cast<std::ptrdiff_t>(first_at_or_after(address));
  const auto end =
      std::find_if(begin, regions_.end(), [last](const Region& r) { return r.start > last; });
  if (begin == end) return 0;
  const Region& tail = *(end - 1);
  if (begin->start < address || tail.start + (tail.size - 1) > last) return EINVAL;
  drop_windows(address, size);
  regions_.erase(begin, end);
  invalidate_mappings();
  return 0;
}

void DmaTable::remove_all() {
  drop_windows(0, std::numeric_limits<std::uint64_t>::max());
  regions_.clear();
  files_.clear();
  invalidate_mappings();
}

void DmaTable::set_bus_master(bool enabled) noexcept {
  if (enabled == bus_master_) return;
  bus_master_ = enabled;
  invalidate_mappings();
}

const DmaTable::Region* DmaTable::find(DmaAddr addr) noexcept {
  if (last_ < regions_.size() && regions_[last_].contains(addr)) return &regions_[last_];
  const std::size_t at = first_at_or_after(addr);
  if (at >= regions_.size() || !regions_[at].contains(addr)) return nullptr;
  last_ = at;
  return &regions_[at];
}

/// Neighbouring regions count as one where their memory is side by side here, too.
std::byte* DmaTable::resolve(DmaAddr addr, std::size_t length, Access access) noexcept {
  const Region* region = bus_master_ ? find(addr) : nullptr;
  if (region == nullptr || !region->allows(access)) return nullptr;
  const std::uint64_t offset = addr - region->start;
  std::byte* const start = region->pointer + offset;
  const Region* const end = regions_.data() + regions_.size();
  for (std::uint64_t covered = region->size - offset; covered < length; covered += region->size) {
    const Region& before = *region++;
    if (region == end || region->start != before.start + before.size || !region->allows(access) ||
        region->pointer != before.pointer + before.size || region->file != before.file)
      return nullptr;
  }
  return start;
}

std::byte* DmaTable::map(DmaAddr addr, std::size_t length) noexcept {
  return resolve(addr, length, Access::kWrite);
}

const std::byte* DmaTable::map_for_reading(DmaAddr addr, std::size_t length) noexcept {
  return resolve(addr, length, Access::kRead);
}

/// With an IOMMU a ring has contiguous addresses over scattered pages: those are mapped once more,
/// in their order.
std::byte* DmaTable::map_ring(DmaAddr addr, std::size_t length, Access access) noexcept {
  if (std::byte* direct = resolve(addr, length, access)) return direct;
  if (!bus_master_ || length == 0 || length > kMaxWindowBytes) return nullptr;
  const DmaAddr start = addr & ~(kPage - 1);
  const std::size_t pages = (addr - start + length + kPage - 1) & ~(kPage - 1);
  std::byte* base = find_window(start, pages, access);
  if (base == nullptr) base = make_window(start, pages, access);
  return base == nullptr ? nullptr : base + (addr - start);
}

std::byte* DmaTable::find_window(DmaAddr start, std::size_t length, Access access) const noexcept {
  for (const Window& window : windows_)
    if (window.start == start && window.length == length && window.access == access)
      return window.base;
  return nullptr;
}

std::byte* DmaTable::make_window(DmaAddr start, std::size_t length, Access access) {
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* reserved = ::mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return nullptr;
  auto* const base = static_cast<std::byte*>(reserved);
  for (std::size_t done = 0; done < length;) {
    const Region* region = find(start + done);
    const bool usable = region != nullptr && region->allows(access);
    const std::uint64_t inside = usable ? start + done - region->start : 0;
    const std::uint64_t offset = usable ? region->offset + inside : 0;
    const std::size_t part =
        usable ? std::min<std::uint64_t>(length - done, region->size - inside) : 0;
    if (!usable || offset % kPage != 0 || part % kPage != 0 ||
        ::mmap(base + done, part, protection, MAP_SHARED | MAP_FIXED, region->file->file.get(),
               static_cast<off_t>(offset)) == MAP_FAILED) {
      ::munmap(base, length);
      return nullptr;
    }
    done += part;
  }
  if (windows_.size() >= kMaxWindows) {
    drop_windows(0, std::numeric_limits<std::uint64_t>::max());
    invalidate_mappings();
  }
  windows_.push_back({start, length, access, base});
  return base;
}

void DmaTable::drop_windows(DmaAddr address, std::uint64_t size) noexcept {
  std::erase_if(windows_, [&](const Window& window) {
    const bool apart = window.start > address ? window.start - address >= size
                                              : address - window.start >= window.length;
    if (!apart) ::munmap(window.base, window.length);
    return !apart;
  });
}

/// Calls visit(pointer, bytes) for each run that lies in one region. False at an inaccessible byte.
template <class Visit>
bool DmaTable::for_each_run(std::span<const DmaSegment> segments, Access access,
                            Visit&& visit) noexcept {
  for (const DmaSegment& segment : segments) {
    for (std::uint64_t done = 0; done < segment.length;) {
      const Region* region = bus_master_ ? find(segment.addr + done) : nullptr;
      if (region == nullptr || !region->allows(access)) return false;
      const std::uint64_t inside = segment.addr + done - region->start;
      const std::uint64_t part = std::min(segment.length - done, region->size - inside);
      visit(region->pointer + inside, part);
      done += part;
    }
  }
  return true;
}

bool DmaTable::gather(std::span<const DmaSegment> from, std::byte* out) noexcept {
  return for_each_run(from, Access::kRead, [&](const std::byte* run, std::uint64_t bytes) {
    std::memcpy(out, run, bytes);
    out += bytes;
  });
}

bool DmaTable::scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept {
  return for_each_run(to, Access::kWrite, [&](std::byte* run, std::uint64_t bytes) {
    std::memcpy(run, in, bytes);
    in += bytes;
  });
}

}  // namespace efa::emu::vfio_user
