// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Structures of efadv.h that grow with releases: programs pass the size that they know
/// (spec verbs B6, the inlen rules).
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace efa {

/// Through the end of a member: what a program must know at least.
#define EFA_THROUGH(type, member) (offsetof(type, member) + sizeof(((type*)nullptr)->member))

/// Reads what the program gives. @returns 0, or EINVAL if it is too short, or has a part that is
/// newer than this library and not zero
template <class T>
int read_extensible(T& to, const void* from, std::size_t length, std::size_t minimum) {
  if (from == nullptr || length < minimum) return EINVAL;
  to = {};
  std::memcpy(&to, from, std::min(length, sizeof(T)));
  const auto* bytes = static_cast<const unsigned char*>(from);
  for (std::size_t i = sizeof(T); i < length; ++i) {
    if (bytes[i] != 0) return EINVAL;
  }
  return 0;
}

enum class NewerPart { kZeroed, kUntouched };

/// Answers as much as the program knows. @returns 0, or EINVAL if it is too short
template <class T>
int write_extensible(void* to, const T& from, std::size_t length, std::size_t minimum,
                     NewerPart newer) {
  if (to == nullptr || length < minimum) return EINVAL;
  std::memcpy(to, &from, std::min(length, sizeof(T)));
  if (newer == NewerPart::kZeroed && length > sizeof(T)) {
    std::memset(static_cast<unsigned char*>(to) + sizeof(T), 0, length - sizeof(T));
  }
  return 0;
}

}  // namespace efa
