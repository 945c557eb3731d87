// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Zeroed objects without exceptions. libibverbs frees contexts and devices with free(), and what
/// it fills in itself it expects to be zero.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace efa {

// NOLINTBEGIN(cppcoreguidelines-owning-memory): the one place that allocates and frees
struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

/// Destroys and frees an object of `make`.
template <class T>
struct Destroy {
  void operator()(T* object) const {
    object->~T();
    std::free(object);
  }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy<T>>;

/// @returns a zeroed object, aligned as its type wants it, or null.
template <class T>
Owned<T> make() {
  static_assert(std::is_default_constructible_v<T>);
  void* memory =
      std::aligned_alloc(alignof(T), (sizeof(T) + alignof(T) - 1) / alignof(T) * alignof(T));
  if (memory == nullptr) return nullptr;
  return Owned<T>(new (memory) T{});
}

template <class T>
using Array = std::unique_ptr<T[], Free>;

/// @returns a zeroed array, or null.
template <class T>
Array<T> make_array(std::size_t count) {
  static_assert(std::is_trivial_v<T>);
  // NOLINTNEXTLINE(bugprone-sizeof-expression): T may be a pointer
  return Array<T>(static_cast<T*>(std::calloc(count, sizeof(T))));
}

/// @returns zeroed memory that begins at a page, or null.
inline Array<std::byte> make_pages(std::size_t page, std::size_t bytes) {
  const std::size_t size = (bytes + page - 1) / page * page;
  Array<std::byte> pages(static_cast<std::byte*>(std::aligned_alloc(page, size)));
  if (pages != nullptr) std::memset(pages.get(), 0, size);
  return pages;
}

// NOLINTEND(cppcoreguidelines-owning-memory)

}  // namespace efa
