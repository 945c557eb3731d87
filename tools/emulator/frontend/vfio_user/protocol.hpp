// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The vfio-user protocol on the wire (QEMU's docs/interop/vfio-user.rst): host byte order, a
/// 16-byte header before everything. Flag values that vfio-user shares with VFIO are
/// linux/vfio.h's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace efa::emu::vfio_user {

enum class Command : std::uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kDeviceGetInfo = 4,
  kDeviceGetRegionInfo = 5,
  kDeviceGetRegionIoFds = 6,
  kDeviceGetIrqInfo = 7,
  kDeviceSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kDeviceReset = 13,
  kRegionWriteMulti = 15,
};

struct Header {
  std::uint16_t id = 0;
  std::uint16_t command = 0;
  std::uint32_t size = 0;  ///< of the whole message
  std::uint32_t flags = 0;
  std::uint32_t error = 0;  ///< errno in an error reply
};
static_assert(sizeof(Header) == 16);

inline constexpr std::uint32_t kTypeMask = 0xf;
inline constexpr std::uint32_t kTypeCommand = 0;
inline constexpr std::uint32_t kTypeReply = 1;
inline constexpr std::uint32_t kNoReply = 1u << 4;
inline constexpr std::uint32_t kError = 1u << 5;

struct Version {
  std::uint16_t major = 0, minor = 0;  // JSON text follows
};

struct DmaMap {
  std::uint32_t argsz = 0, flags = 0;
  std::uint64_t offset = 0, address = 0, size = 0;
};
inline constexpr std::uint32_t kDmaReadable = 1u << 0;
inline constexpr std::uint32_t kDmaWritable = 1u << 1;

struct DmaUnmap {
  std::uint32_t argsz = 0, flags = 0;
  std::uint64_t address = 0, size = 0;
};

struct DeviceInfo {
  std::uint32_t argsz = 0, flags = 0, regions = 0, irqs = 0;
};

struct RegionInfo {
  std::uint32_t argsz = 0, flags = 0, index = 0, cap_offset = 0;
  std::uint64_t size = 0, offset = 0;
};

struct IrqInfo {
  std::uint32_t argsz = 0, flags = 0, index = 0, count = 0;
};

struct IrqSet {
  std::uint32_t argsz = 0, flags = 0, index = 0, start = 0, count = 0;
};

struct RegionAccess {
  std::uint64_t offset = 0;
  std::uint32_t region = 0, count = 0;
};

static_assert(sizeof(DmaMap) == 32 && sizeof(DmaUnmap) == 24 && sizeof(DeviceInfo) == 16);
static_assert(sizeof(RegionInfo) == 32 && sizeof(IrqInfo) == 16 && sizeof(IrqSet) == 20);
static_assert(sizeof(RegionAccess) == 16);

/// Descriptors that this server takes in one message, which is also the most that QEMU sends.
inline constexpr std::size_t kMaxDescriptors = 16;
/// Bytes of one region access: the configuration space, which QEMU reads at once.
inline constexpr std::size_t kMaxTransfer = 4096;
inline constexpr std::size_t kMaxDmaRegions = 65535;
/// The longest message that anything above can lead to.
inline constexpr std::size_t kMaxMessage = sizeof(Header) + sizeof(RegionAccess) + kMaxTransfer;

}  // namespace efa::emu::vfio_user
