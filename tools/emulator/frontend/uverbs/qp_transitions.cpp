// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/qp_transitions.hpp"

#include <algorithm>
#include <iterator>

#include "efa_hw.h"
#include "frontend/uverbs/uverbs_ids.hpp"

namespace efa::emu {

namespace {

struct Transition {
  std::uint32_t from, to;
  std::uint32_t required, optional;
};

constexpr std::uint32_t kReset = EFA_QP_STATE_RESET, kInit = EFA_QP_STATE_INIT,
                        kRtr = EFA_QP_STATE_RTR, kRts = EFA_QP_STATE_RTS, kSqd = EFA_QP_STATE_SQD,
                        kSqe = EFA_QP_STATE_SQE, kErr = EFA_QP_STATE_ERR;

constexpr Transition kTransitions[] = {
    {kReset, kReset, 0, 0},
    {kReset, kInit, kQpPkeyIndex | kQpPort | kQpQkey, 0},
    {kInit, kReset, 0, 0},
    {kInit, kErr, 0, 0},
    {kInit, kInit, 0, kQpPkeyIndex | kQpPort | kQpQkey},
    {kInit, kRtr, 0, kQpPkeyIndex | kQpQkey},
    {kRtr, kReset, 0, 0},
    {kRtr, kErr, 0, 0},
    {kRtr, kRts, kQpSqPsn, kQpCurState | kQpQkey | kQpRnrRetry},
    {kRts, kReset, 0, 0},
    {kRts, kErr, 0, 0},
    {kRts, kRts, 0, kQpCurState | kQpQkey},
    {kRts, kSqd, 0, kQpEnSqdAsyncNotify},
    {kSqd, kReset, 0, 0},
    {kSqd, kErr, 0, 0},
    {kSqd, kRts, 0, kQpCurState | kQpQkey},
    {kSqd, kSqd, 0, kQpPkeyIndex | kQpQkey},
    {kSqe, kReset, 0, 0},
    {kSqe, kErr, 0, 0},
    {kSqe, kRts, 0, kQpCurState | kQpQkey},
    {kErr, kReset, 0, 0},
    {kErr, kErr, 0, 0},
};

}  // namespace

bool qp_transition_allowed(bool srd, std::uint32_t from, std::uint32_t to,
                           std::uint32_t mask) noexcept {
  const auto found =
      std::find_if(std::begin(kTransitions), std::end(kTransitions),
                   [&](const Transition& t) { return t.from == from && t.to == to; });
  if (found == std::end(kTransitions)) return false;
  std::uint32_t allowed = found->required | found->optional | kQpState;
  if (!srd) allowed &= ~std::uint32_t{kQpRnrRetry};
  return (mask & found->required) == found->required && (mask & ~allowed) == 0;
}

}  // namespace efa::emu
