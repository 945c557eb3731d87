// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The argument of a verbs ioctl: header and attributes, copied once out of the client's memory,
/// and the rules for what is read from and written to the buffers that they name (verbs A3, A5).
#pragma once

#include <rdma/rdma_user_ioctl_cmds.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "frontend/uverbs/client_memory.hpp"

namespace efa::emu {

inline constexpr std::size_t kMaxAttributes = 64;
/// Longest input that any method reads; longer ones are looked at for a zero tail only.
inline constexpr std::size_t kMaxInput = 256;

/// Input bytes of one attribute.
struct Input {
  std::array<std::byte, kMaxInput> bytes{};  ///< zero beyond `length`
  std::size_t length = 0;                    ///< as the caller said, may exceed kMaxInput
  bool zero_tail = true;                     ///< bytes beyond kMaxInput are all zero

  /// True if everything from byte `from` on is zero.
  bool zero_from(std::size_t from) const noexcept;
};

class AttributeBundle {
 public:
  /// Reads header and attributes at `address`. Returns 0 or a positive errno.
  int load(ClientMemory& memory, std::uint64_t address);

  std::uint16_t object() const noexcept { return object_; }
  std::uint16_t method() const noexcept { return method_; }
  bool has(std::uint16_t id) const noexcept { return find(id) != nullptr; }
  std::span<const ib_uverbs_attr> all() const noexcept { return {attributes_.data(), count_}; }

  /// Bytes of an input attribute; empty if absent. Returns 0, EFAULT or E2BIG.
  int input(std::uint16_t id, Input& out);

  /// A small fixed-size input. EINVAL if absent or shorter, EFAULT if unreadable.
  template <class T>
  int get(std::uint16_t id, T& out) {
    static_assert(std::is_trivially_copyable_v<T>);
    Input in;
    if (const int error = input(id, in)) return error;
    if (in.length < sizeof(T)) return EINVAL;
    std::memcpy(&out, in.bytes.data(), sizeof(T));
    return 0;
  }

  /// Object handle or descriptor number given in the attribute itself.
  std::optional<std::uint32_t> handle(std::uint16_t id) const noexcept;

  /// Bytes that fit into an output attribute; 0 if absent.
  std::size_t output_room(std::uint16_t id) const noexcept;

  /// Writes an output: cut to the caller's length, the rest of a longer buffer zeroed. Absent: no
  /// effect. Returns 0 or EFAULT.
  int put(std::uint16_t id, const void* data, std::size_t length);

  /// A constant: 8 bytes, whatever it stands for.
  template <class T>
  int get_constant(std::uint16_t id, T& out) {
    Input in;
    if (const int error = input(id, in)) return error;
    std::uint64_t value = 0;
    if (in.length != sizeof(value)) return EINVAL;
    std::memcpy(&value, in.bytes.data(), sizeof(value));
    out = static_cast<T>(value);
    return value == out ? 0 : EINVAL;
  }
  template <class T>
  int put(std::uint16_t id, const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    return put(id, &value, sizeof(T));
  }

  /// Writes a new handle or descriptor number into the attribute itself.
  int put_handle(std::uint16_t id, std::uint64_t value);

 private:
  const ib_uverbs_attr* find(std::uint16_t id) const noexcept;
  int mark_output(const ib_uverbs_attr& attribute);
  std::uint64_t address_of(const ib_uverbs_attr& attribute) const noexcept;

  ClientMemory* memory_ = nullptr;
  std::uint64_t address_ = 0;
  std::uint16_t object_ = 0;
  std::uint16_t method_ = 0;
  std::array<ib_uverbs_attr, kMaxAttributes> attributes_{};
  std::size_t count_ = 0;
};

}  // namespace efa::emu
