// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Operations that an object does not have. libfabric calls through its tables without looking, so
/// every entry is set (spec libfabric-api 8, M16).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

namespace efa::fi {

/// Fits every entry of a table: a function that returns -FI_ENOSYS.
struct Absent {
  template <class Result, class... Arguments>
  using Function = Result (*)(Arguments...);

  template <class Result, class... Arguments>
  constexpr operator Function<Result, Arguments...>() const {
    return [](Arguments...) { return static_cast<Result>(-FI_ENOSYS); };
  }
};
inline constexpr Absent absent;

int no_bind(fid* object, fid* other, uint64_t flags);
int no_ops_open(fid* object, const char* name, uint64_t flags, void** operations, void* context);
int no_ops_set(fid* object, const char* name, uint64_t flags, void* operations, void* context);

}  // namespace efa::fi
