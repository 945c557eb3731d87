// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Operations that an object does not have. libfabric calls through its tables without looking, so
/// every entry is set (spec libfabric-api 8, M16).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_errno.h>

namespace efa::fi {

/// Fits every entry of a table: a function that returns an error.
template <int kError>
struct Refusing {
  template <class Result, class... Arguments>
  using Function = Result (*)(Arguments...);

  template <class Result, class... Arguments>
  constexpr operator Function<Result, Arguments...>() const {
    return [](Arguments...) { return static_cast<Result>(-kError); };
  }
};
inline constexpr Refusing<FI_ENOSYS> absent;

/// The operations of an object that can only be closed.
constexpr fi_ops only_close(int (*close)(fid*)) {
  return {.size = sizeof(fi_ops),
          .close = close,
          .bind = absent,
          .control = absent,
          .ops_open = absent,
          .tostr = absent,
          .ops_set = absent};
}

}  // namespace efa::fi
