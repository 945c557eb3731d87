// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include <set>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

TEST(AllocPd, GivesDistinctNumbersUpToTheLimit) {
  Rig rig;
  std::set<std::uint16_t> numbers;
  for (std::uint32_t i = 0; i < rig.device.profile().max_pd; ++i) numbers.insert(rig.pd());
  EXPECT_EQ(numbers.size(), rig.device.profile().max_pd);
  EXPECT_EQ(rig.execute<efa_alloc_pd_resp>(EFA_AQ_OPCODE_ALLOC_PD, efa_alloc_pd_cmd{}).status,
            kNoResources);
}

TEST(DeallocPd, RefusesUnknownNumbersAndMakesRoom) {
  Rig rig;
  EXPECT_EQ(rig.dealloc_pd(0), kIllegal);
  for (std::uint32_t i = 0; i < rig.device.profile().max_pd; ++i) rig.pd();
  EXPECT_EQ(rig.dealloc_pd(17), kSuccess);
  EXPECT_EQ(rig.dealloc_pd(17), kIllegal);
  EXPECT_EQ(rig.pd(), 17);
}

TEST(DeallocPd, RefusesAPdWithAQueuePair) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq)).body.qp_handle;
  EXPECT_EQ(rig.dealloc_pd(pd), kBusy);
  rig.destroy_qp(qp);
  EXPECT_EQ(rig.dealloc_pd(pd), kSuccess);
}

}  // namespace
}  // namespace efa::emu::test
