// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "refusal.hpp"

namespace efa::fi {

std::string Refusal::text() const {
  return field + ": asked " + asked + ", there is " + limit + "; " + cure;
}

void Check::subset(const char* field, uint64_t asked, uint64_t offered, fi_type type,
                   const char* cure) {
  if (refusal_ || !(asked & ~offered)) return;
  refusal_ = Refusal{field, text_of(asked & ~offered, type), text_of(offered, type), cure};
}

void Check::at_most(const char* field, uint64_t asked, uint64_t limit, const char* cure) {
  if (refusal_ || asked <= limit) return;
  refusal_ = Refusal{field, std::to_string(asked), "at most " + std::to_string(limit), cure};
}

void Check::require(bool fits, Refusal refusal) {
  if (!refusal_ && !fits) refusal_ = std::move(refusal);
}

std::string text_of(uint64_t value, fi_type type) {
  // fi_tostr() reads as many bytes as the type has: the low ones come first here.
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  char text[1024] = "";
  fi_tostr_r(text, sizeof text, &value, type);
  const std::string shown = text;
  return shown.empty() ? "none" : shown;
}

std::string version_text(uint32_t version) {
  return std::to_string(FI_MAJOR(version)) + "." + std::to_string(FI_MINOR(version));
}

}  // namespace efa::fi
