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

/// First descriptor-based external CQ memory attribute; all of them are refused here.
inline constexpr std::uint16_t kAttrCqBufferFirst = 8;
inline constexpr std::uint16_t kAttrCqBufferLast = 12;

/// GET_CONTEXT core_support: bits we could set (optional MR access flags are accepted).
inline constexpr std::uint64_t kCoreSupportOptionalMrAccess = 1;

// Values of ibv enums that the uverbs ABI carries as plain numbers.
inline constexpr std::uint32_t kQpTypeUd = 4;
inline constexpr std::uint32_t kQpTypeRawPacket = 8;
inline constexpr std::uint32_t kQpTypeDriver = 255;
inline constexpr std::uint32_t kAccessLocalWrite = 1 << 0;
inline constexpr std::uint32_t kAccessRemoteWrite = 1 << 1;
inline constexpr std::uint32_t kAccessRemoteRead = 1 << 2;
inline constexpr std::uint32_t kAccessRemoteAtomic = 1 << 3;
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
  kQpSqPsn = 1 << 16,
  kQpCap = 1 << 19,
  kQpStandardMask = (1 << 21) - 1,
};

}  // namespace efa::emu
