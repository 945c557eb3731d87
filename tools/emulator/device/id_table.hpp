// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Objects by small number. Numbers are reused oldest first, so that a late reference to a
/// destroyed object meets a hole rather than its successor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace efa::emu {

template <class T>
class IdTable {
 public:
  explicit IdTable(std::size_t limit) : limit_(limit) {}

  bool full() const noexcept { return used_ >= limit_; }
  std::size_t size() const noexcept { return used_; }
  std::size_t limit() const noexcept { return limit_; }

  /// Number that the next insert() will use. Precondition: !full().
  std::uint32_t next_id() const noexcept {
    return slots_.size() < limit_ ? static_cast<std::uint32_t>(slots_.size()) : free_.front();
  }

  /// Stores `object` under next_id(). Precondition: !full().
  T& insert(std::unique_ptr<T> object) {
    const std::uint32_t id = next_id();
    if (id == slots_.size())
      slots_.emplace_back();
    else
      free_.pop_front();
    slots_[id] = std::move(object);
    ++used_;
    return *slots_[id];
  }

  /// The object, or nullptr. Any id is allowed.
  T* find(std::uint64_t id) const noexcept {
    return id < slots_.size() ? slots_[id].get() : nullptr;
  }

  /// Removes and returns the object. Precondition: find(id) != nullptr.
  std::unique_ptr<T> remove(std::uint32_t id) {
    free_.push_back(id);
    --used_;
    return std::move(slots_[id]);
  }

  template <class F>
  void for_each(F&& visit) const {
    for (const std::unique_ptr<T>& slot : slots_)
      if (slot) visit(*slot);
  }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
  std::vector<std::unique_ptr<T>> slots_;
  std::deque<std::uint32_t> free_;
};

}  // namespace efa::emu
