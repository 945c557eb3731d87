// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Doorbell slots of the doorbell BAR. A page belongs to one UAR at a time, because drivers map
/// whole pages into processes (device.md 1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace efa::emu {

class DoorbellPool {
 public:
  static constexpr std::size_t kPageSize = 4096;
  static constexpr std::size_t kSlotsPerPage = kPageSize / sizeof(std::uint32_t);

  explicit DoorbellPool(std::span<std::byte> bar) : bar_(bar), pages_(bar.size() / kPageSize) {}

  /// Gives `uar` its first page. False when no page is left.
  bool open(std::uint16_t uar);

  /// Takes all pages of `uar` back. Precondition: none of its slots is in use.
  void close(std::uint16_t uar);

  /// Offset of a zeroed slot in a page of `uar`, which may gain a page. Nothing when all are taken.
  std::optional<std::uint32_t> allocate(std::uint16_t uar);

  /// Precondition: `offset` came from allocate().
  void release(std::uint32_t offset);

  std::size_t pages_in_use() const noexcept;

 private:
  struct Page {
    std::optional<std::uint16_t> owner;
    std::uint32_t used = 0;
    std::array<std::uint64_t, kSlotsPerPage / 64> taken{};
  };

  Page* free_page() noexcept;
  Page* page_with_room(std::uint16_t uar) noexcept;
  std::uint32_t take_slot(Page& page) noexcept;

  std::span<std::byte> bar_;
  std::vector<Page> pages_;
};

}  // namespace efa::emu
