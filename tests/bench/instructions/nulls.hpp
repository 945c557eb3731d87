// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Verbs objects whose functions do nothing, in a known number of instructions. What a loop counts
/// with them is the loop's own share, to be taken off what it counts with real objects.
#pragma once

#include <infiniband/verbs.h>

namespace efa::bench {

/// Each function of these objects: returns 0 (poll: nothing found).
inline constexpr unsigned kNullInstructions = 2;

struct NullVerbs {
  ibv_context context{};
  ibv_qp_ex qp{};
  ibv_cq_ex cq{};

  NullVerbs();
  NullVerbs(const NullVerbs&) = delete;  // the objects point at each other
  NullVerbs& operator=(const NullVerbs&) = delete;

  /// From now on post_send takes kKnownInstructions: counting is tried out with it.
  static constexpr unsigned kKnownInstructions = 100;
  void post_send_known();
  /// From now on post_send allocates memory and enters the kernel, which must be noticed.
  void post_send_guilty();
};

}  // namespace efa::bench
