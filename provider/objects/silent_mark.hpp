// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// How a work request remembers that its success is not to be reported (FI_SELECTIVE_COMPLETION,
/// inject): in its id, next to the application's context, so that no table is needed.
#pragma once

#include <cstdint>

namespace efa::fi {

class SilentMark {
 public:
  /// With FI_CONTEXT2, contexts are pointers to structures of pointers: bit 0 is free. Without,
  /// they are anything, and silent requests forget theirs: their id is a value that no application
  /// has, an address in here.
  explicit SilentMark(bool contexts_are_pointers)
      : mask_(contexts_are_pointers ? 1 : ~uint64_t{0}),
        mark_(contexts_are_pointers ? 1 : reinterpret_cast<uint64_t>(&nowhere)),
        keep_(contexts_are_pointers ? ~uint64_t{1} : 0) {}

  uint64_t encode(const void* context, bool silent) const {
    const auto id = reinterpret_cast<uint64_t>(context);
    return silent ? (id & keep_) | mark_ : id;
  }
  bool is_silent(uint64_t id) const { return (id & mask_) == mark_; }
  void* context(uint64_t id) const {
    return reinterpret_cast<void*>(is_silent(id) ? id & keep_ : id);
  }

 private:
  static inline const char nowhere = 0;

  uint64_t mask_;
  uint64_t mark_;
  uint64_t keep_;
};

}  // namespace efa::fi
