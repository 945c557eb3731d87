// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Turns the words of options into values, one after the other, and keeps the first error.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace efa::emu {

/// Assigns the outcomes of parsers; keeps the first error, with the option's name (if any) before
/// it.
class Assignments {
 public:
  template <class Target, class Value>
  void set(const char* option, Target& target, const Result<Value>& value) {
    if (value) {
      target = static_cast<Target>(*value);
    } else if (!error_) {
      error_ = value.error();
      if (*option != '\0' && !error_->what.starts_with("--")) {
        error_->what = fmt::format("{}: {}", option, error_->what);
      }
    }
  }

  template <class Target, class Parser>
  void set_if_given(const char* option, const std::string& text, Target& target, Parser parse) {
    if (!text.empty()) {
      set(option, target, parse(text));
    }
  }

  Result<void> result() const {
    if (error_) {
      return tl::unexpected<Error>(*error_);
    }
    return {};
  }

 private:
  std::optional<Error> error_;
};

}  // namespace efa::emu
