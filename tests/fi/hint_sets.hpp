// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What real applications ask fi_getinfo() for (spec libfabric-api 3.6, 10): the same sets for the
/// unit tests and for the comparison with libfabric's own provider.
#pragma once

#include <rdma/fabric.h>

#include <memory>
#include <string_view>
#include <vector>

namespace efa::fi::test {

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using Hints = std::unique_ptr<fi_info, FreeInfo>;

struct HintSet {
  std::string_view name;
  void (*fill)(fi_info& hints);  ///< null: the application passes no hints
};

const std::vector<HintSet>& hint_sets();

/// Hints of that set; empty for no hints. The set has to exist.
Hints make_hints(std::string_view name);

}  // namespace efa::fi::test
