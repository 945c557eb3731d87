// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The PCI configuration space of one function (device.md 1). QEMU reads it at once and forwards
/// nearly every access of the guest, sizing of BARs included, so each writable bit is listed here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "device/profile.hpp"

namespace efa::emu::vfio_user {

inline constexpr unsigned kBars = 6;
inline constexpr unsigned kRegisterBar = 0;
inline constexpr unsigned kMsixBar = 1;
inline constexpr unsigned kLlqBar = 2;
inline constexpr unsigned kDoorbellBar = 4;

inline constexpr std::uint64_t kRegisterBytes = 16 << 10;
inline constexpr std::uint64_t kMsixBytes = 8 << 10;
inline constexpr std::uint64_t kMsixPbaOffset = 4 << 10;
inline constexpr std::uint64_t kDoorbellBytes = 4 << 20;

/// Size of the LLQ BAR: room for the send queue of every queue pair.
std::uint64_t llq_bytes(const Profile& profile) noexcept;

class ConfigSpace {
 public:
  static constexpr std::size_t kBytes = 4096;

  explicit ConfigSpace(const Profile& profile);

  /// Precondition of both: offset + size <= kBytes.
  void read(std::size_t offset, std::span<std::byte> out) const noexcept;

  /// What a write asks the function to do.
  struct Effects {
    bool reset = false;  ///< function-level reset
  };
  Effects write(std::size_t offset, std::span<const std::byte> in) noexcept;

  bool bus_master() const noexcept;

  /// As after power-on.
  void reset() noexcept { bytes_ = initial_; }

 private:
  template <class Word>
  void place(std::size_t offset, Word value, Word writable = 0) noexcept;
  void place_header(const Profile& profile) noexcept;
  void place_bars(const Profile& profile) noexcept;
  void place_express_capability() noexcept;
  void place_msix_capability(const Profile& profile) noexcept;

  std::array<std::byte, kBytes> bytes_{};
  std::array<std::byte, kBytes> initial_{};
  std::array<std::byte, kBytes> writable_{};
};

}  // namespace efa::emu::vfio_user
