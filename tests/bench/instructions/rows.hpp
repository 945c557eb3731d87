// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The operations whose instructions are counted. Each is one function that runs the same way over
/// real objects and over those of NullVerbs; only what it does between the two toggles counts.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <span>

#include "loopback.hpp"

namespace efa::bench {

inline constexpr unsigned kBatch = 16;

/// What a row's function works on. Prepared before, so that little of it happens between the
/// toggles.
struct Target {
  ibv_qp* qp = nullptr;
  ibv_qp_ex* extended_qp = nullptr;
  ibv_cq* cq = nullptr;
  ibv_cq_ex* extended_cq = nullptr;
  ibv_ah* ah = nullptr;
  std::uint32_t peer_qpn = 0;
  std::uint32_t rkey = 0;
  ibv_sge sge{};
  ibv_send_wr send{};
  ibv_recv_wr receive{};
  ibv_poll_cq_attr poll{};
  ibv_wc completions[kBatch]{};
  std::uint64_t seen = 0;  // keeps the compiler from dropping reads

  void prepare();
};

/// Which part of the traffic is counted; the rest happens around it.
enum class Part { kSends, kReceivePosts, kReads, kSendPolls, kReceivePolls, kEmptyPolls };

struct Row {
  const char* key;
  const char* title;
  Part part;
  unsigned operations;  // of one call of `run`
  unsigned verbs;       // functions of the library that one call of `run` enters
  int expected;         // what `run` returns when all went well
  bool extended_cq;
  std::uint64_t send_ops;
  int (*run)(Target&);
};

std::span<const Row> rows();

}  // namespace efa::bench
