// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Send-queue memory of the LLQ BAR, in whole pages so that no two QPs share one (device.md 1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace efa::emu {

class LlqPool {
 public:
  static constexpr std::size_t kPageSize = 4096;

  explicit LlqPool(std::size_t bar_size) : size_(bar_size / kPageSize * kPageSize) {}

  /// Offset of `bytes` (at least one page) of send-queue memory, first fit.
  std::optional<std::uint32_t> allocate(std::size_t bytes);

  /// Precondition: `offset` came from allocate().
  void release(std::uint32_t offset) { taken_.erase(offset); }

 private:
  std::size_t size_;
  std::map<std::uint32_t, std::size_t> taken_;  ///< offset -> length
};

}  // namespace efa::emu
