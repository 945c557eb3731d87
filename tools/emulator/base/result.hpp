// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Errors as values: what failed (subject, value, limit) and what the user can do about it.
#pragma once

#include <fmt/core.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace efa::emu {

/// Why an operation failed. `what` names the thing, its value and the limit; `cure` says what to
/// do.
struct Error {
  int code = 0;      ///< errno value, 0 when none fits
  std::string what;  ///< one clause, no trailing full stop
  std::string cure;  ///< one clause, may be empty

  /// The sentence shown to the user.
  std::string text() const { return cure.empty() ? what : fmt::format("{}; {}", what, cure); }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(int code, std::string what, std::string cure = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(cure)});
}

}  // namespace efa::emu
