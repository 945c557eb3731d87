// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fi_getinfo() without libfabric around it (spec libfabric-api 3.1).
#pragma once

#include <vector>

#include "answer.hpp"

namespace efa::fi {

struct Request {
  uint32_t version = 0;
  const char* node = nullptr;
  const char* service = nullptr;
  uint64_t flags = 0;
  const fi_info* hints = nullptr;
};

/// An entry that was not given out.
struct Refused {
  const Template* entry;
  Refusal reason;
};

struct Result {
  InfoList list;
  std::vector<Refused> refused;
};

Result get_info(const Catalogue& catalogue, const Request& request);

/// The reasons as lines for a user, each once, at most a handful: those of entries that come
/// closest to what was asked.
std::vector<std::string> reasons(const std::vector<Refused>& refused, const fi_info* hints);

/// Whether who asked meant EFA, or would be surprised that EFA has nothing for him. Applications
/// and libfabric's own layers also ask every provider for things that are obviously not EFA's.
bool concerns_efa(const Request& request, const char* provider_filter);

}  // namespace efa::fi
