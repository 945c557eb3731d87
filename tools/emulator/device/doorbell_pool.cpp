// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/doorbell_pool.hpp"

#include <algorithm>
#include <bit>

namespace efa::emu {

bool DoorbellPool::open(std::uint16_t uar) {
  Page* page = free_page();
  if (page == nullptr) return false;
  page->owner = uar;
  return true;
}

void DoorbellPool::close(std::uint16_t uar) {
  for (Page& page : pages_)
    if (page.owner == uar) page.owner.reset();
}

std::optional<std::uint32_t> DoorbellPool::allocate(std::uint16_t uar) {
  Page* page = page_with_room(uar);
  if (page == nullptr) {
    page = free_page();
    if (page == nullptr) return std::nullopt;
    page->owner = uar;
  }
  const std::uint32_t offset =
      static_cast<std::uint32_t>(static_cast<std::size_t>(page - pages_.data()) * kPageSize) +
      take_slot(*page) * static_cast<std::uint32_t>(sizeof(std::uint32_t));
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(bar_.data() + offset), 0u, __ATOMIC_RELAXED);
  return offset;
}

void DoorbellPool::release(std::uint32_t offset) {
  Page& page = pages_[offset / kPageSize];
  const std::size_t slot = offset % kPageSize / sizeof(std::uint32_t);
  page.taken[slot / 64] &= ~(std::uint64_t{1} << slot % 64);
  --page.used;
}

std::size_t DoorbellPool::pages_in_use() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(pages_, [](const Page& page) { return page.owner.has_value(); }));
}

DoorbellPool::Page* DoorbellPool::free_page() noexcept {
  const auto page = std::ranges::find_if(pages_, [](const Page& p) { return !p.owner; });
  return page == pages_.end() ? nullptr : &*page;
}

DoorbellPool::Page* DoorbellPool::page_with_room(std::uint16_t uar) noexcept {
  const auto page = std::ranges::find_if(
      pages_, [uar](const Page& p) { return p.owner == uar && p.used < kSlotsPerPage; });
  return page == pages_.end() ? nullptr : &*page;
}

std::uint32_t DoorbellPool::take_slot(Page& page) noexcept {
  std::uint32_t word = 0;
  while (page.taken[word] == ~std::uint64_t{0}) ++word;
  const auto bit = static_cast<std::uint32_t>(std::countr_one(page.taken[word]));
  page.taken[word] |= std::uint64_t{1} << bit;
  ++page.used;
  return word * 64 + bit;
}

}  // namespace efa::emu
