// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// uverbs numbers that the kernel headers of Debian 12 do not have yet, or that have a name per
/// object although they are the same everywhere (verbs A5).
#pragma once

#include <cstdint>

namespace efa::emu {

inline constexpr std::uint16_t kMethodQueryPortSpeed = 7;  ///< of the device object
inline constexpr std::uint16_t kAttrPortSpeedPort = 0;
inline constexpr std::uint16_t kAttrPortSpeedResponse = 1;

/// Attribute 0 of every destroy method is the handle.
inline constexpr std::uint16_t kDestroyHandle = 0;

/// CREATE_CQ: ring memory of the caller.
enum CqBufferAttribute : std::uint16_t {
  kAttrCqBufferVa = 8,
  kAttrCqBufferLength,
  kAttrCqBufferFd,
  kAttrCqBufferOffset,
  kAttrCqBufferUmem,  ///< a BufferDescriptor
};

/// ib_uverbs_buffer_desc: memory of the caller, by address or as a DMA buffer.
struct BufferDescriptor {
  std::uint32_t type = 0;
  std::int32_t fd = 0;
  std::uint32_t flags = 0;
  std::uint32_t optional_flags = 0;  ///< those that a driver may ignore
  std::uint64_t addr = 0;            ///< virtual address, or offset inside the DMA buffer
  std::uint64_t length = 0;
};
static_assert(sizeof(BufferDescriptor) == 32);
inline constexpr std::uint32_t kBufferTypeDmabuf = 0;
inline constexpr std::uint32_t kBufferTypeVa = 1;

// Completion counters (verbs A5.1).
inline constexpr std::uint16_t kMethodQueryCompCntrCaps = 8;  ///< of the device object
inline constexpr std::uint16_t kAttrCompCntrCapsMaxCounters = 0;
inline constexpr std::uint16_t kAttrCompCntrCapsMaxValue = 1;
inline constexpr std::uint16_t kAttrCompCntrCapsAttachOps = 2;

inline constexpr std::uint16_t kObjectCompCntr = 19;
enum CompCntrMethod : std::uint16_t {
  kMethodCompCntrCreate,
  kMethodCompCntrDestroy,
  kMethodCompCntrModify,
  kMethodCompCntrRead,
};
inline constexpr std::uint16_t kAttrCompCntrHandle = 0;  ///< of every method
inline constexpr std::uint16_t kAttrCompCntrEntry = 1;   ///< of modify and read
inline constexpr std::uint16_t kAttrModifyCompCntrOp = 2;
inline constexpr std::uint16_t kAttrModifyCompCntrValue = 3;

inline constexpr std::uint16_t kMethodQpAttachCompCntr = 2;  ///< of the QP object
inline constexpr std::uint16_t kAttrQpAttachHandle = 0;
inline constexpr std::uint16_t kAttrQpAttachCounter = 1;
inline constexpr std::uint16_t kAttrQpAttachOps = 2;

enum CompCntrEntry : std::uint64_t { kCompCntrCompletions, kCompCntrErrors };
enum CompCntrModifyOp : std::uint64_t { kCompCntrSet, kCompCntrIncrement };

/// GET_CONTEXT core_support: bits we could set (optional MR access flags are accepted).
inline constexpr std::uint64_t kCoreSupportOptionalMrAccess = 1;

// Values of ibv enums that the uverbs ABI carries as plain numbers.
inline constexpr std::uint32_t kQpTypeRc = 2;
inline constexpr std::uint32_t kQpTypeUd = 4;
inline constexpr std::uint32_t kQpTypeRawPacket = 8;
inline constexpr std::uint32_t kQpTypeXrcInitiator = 9;
inline constexpr std::uint32_t kQpTypeDriver = 255;
inline constexpr std::uint32_t kAccessLocalWrite = 1 << 0;
inline constexpr std::uint32_t kAccessRemoteWrite = 1 << 1;
inline constexpr std::uint32_t kAccessRemoteRead = 1 << 2;
inline constexpr std::uint32_t kAccessRemoteAtomic = 1 << 3;
inline constexpr std::uint32_t kAccessRelaxedOrdering = 1 << 20;
inline constexpr std::uint32_t kAccessOptionalRange = 0x3ff00000;

enum QpAttributeMask : std::uint32_t {
  kQpState = 1 << 0,
  kQpCurState = 1 << 1,
  kQpEnSqdAsyncNotify = 1 << 2,
  kQpPkeyIndex = 1 << 4,
  kQpPort = 1 << 5,
  kQpQkey = 1 << 6,
  kQpAv = 1 << 7,
  kQpRnrRetry = 1 << 11,
  kQpAlternatePath = 1 << 14,
  kQpSqPsn = 1 << 16,
  kQpCap = 1 << 19,
  kQpStandardMask = (1 << 21) - 1,
};

}  // namespace efa::emu
