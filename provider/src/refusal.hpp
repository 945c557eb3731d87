// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Why an entry does not serve what an application asks for.
#pragma once

#include <rdma/fabric.h>

#include <optional>
#include <string>

namespace efa::fi {

struct Refusal {
  std::string field;  ///< of struct fi_info, as the manual pages write it
  std::string asked;
  std::string limit;
  std::string cure;

  /// All of it in one line.
  std::string text() const;
  bool operator==(const Refusal&) const = default;
};

/// Compares hints with what there is; keeps the first thing that does not fit.
class Check {
 public:
  /// No bits but those offered.
  void subset(const char* field, uint64_t asked, uint64_t offered, fi_type type, const char* cure);
  void at_most(const char* field, uint64_t asked, uint64_t limit, const char* cure);
  void require(bool fits, Refusal refusal);

  std::optional<Refusal> result() && { return std::move(refusal_); }

 private:
  std::optional<Refusal> refusal_;
};

/// fi_tostr() of a value; "none" where that is empty.
std::string text_of(uint64_t value, fi_type type);

/// 1.17, as versions of libfabric and of providers are written.
std::string version_text(uint32_t version);

}  // namespace efa::fi
