// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "device/doorbell_pool.hpp"
#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

Answer<efa_alloc_uar_resp> alloc(Rig& rig) {
  return rig.execute<efa_alloc_uar_resp>(EFA_AQ_OPCODE_ALLOC_UAR, efa_alloc_uar_cmd{});
}

TEST(AllocUar, GivesAtLeast256DistinctNumbers) {
  Rig rig;
  std::set<std::uint16_t> numbers;
  for (auto answer = alloc(rig); answer.ok(); answer = alloc(rig)) numbers.insert(answer.body.uar);
  EXPECT_GE(numbers.size(), 256u);
  EXPECT_EQ(numbers.size(), rig.device.profile().max_uar);
  EXPECT_EQ(alloc(rig).status, kNoResources);
}

TEST(AllocUar, StopsWhenTheDoorbellBarIsFull) {
  Rig rig("efa2", {}, default_identity(), 2 * DoorbellPool::kPageSize);
  EXPECT_TRUE(alloc(rig).ok());
  const auto second = alloc(rig);
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(alloc(rig).status, kNoResources);
  EXPECT_EQ(rig.dealloc_uar(second.body.uar), kSuccess);
  EXPECT_TRUE(alloc(rig).ok());
}

TEST(AllocUar, GivesTheKernelTheFirstOne) {
  Rig rig;
  EXPECT_TRUE(rig.device.is_kernel_uar(rig.uar()));
  EXPECT_FALSE(rig.device.is_kernel_uar(rig.uar()));
}

TEST(DeallocUar, RefusesUnknownNumbersAndUsedOnes) {
  Rig rig;
  EXPECT_EQ(rig.dealloc_uar(0), kIllegal);
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  EXPECT_EQ(rig.dealloc_uar(uar), kBusy);
  const auto qp = rig.create_qp(rig.qp_command(rig.pd(), uar, cq)).body.qp_handle;
  rig.destroy_qp(qp);
  EXPECT_EQ(rig.dealloc_uar(uar), kBusy);
  rig.destroy_cq(cq);
  EXPECT_EQ(rig.dealloc_uar(uar), kSuccess);
  EXPECT_EQ(rig.dealloc_uar(uar), kIllegal);
}

TEST(UserAccessRegions, NeverShareADoorbellPage) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const std::uint16_t eq = rig.eq();
  std::map<std::uint32_t, std::uint16_t> owner;
  std::set<std::uint32_t> slots;
  const auto note = [&](std::uint32_t offset, std::uint16_t uar) {
    EXPECT_TRUE(slots.insert(offset).second) << "slot given out twice";
    const auto [entry, fresh] = owner.emplace(offset / DoorbellPool::kPageSize, uar);
    EXPECT_EQ(entry->second, uar);
  };
  const std::uint16_t uars[] = {rig.uar(), rig.uar(), rig.uar()};
  for (int round = 0; round < 80; ++round) {
    for (const std::uint16_t uar : uars) {
      const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq)).body;
      const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq.cq_idx)).body;
      note(cq.db_offset, uar);
      note(qp.sq_db_offset, uar);
      note(qp.rq_db_offset, uar);
    }
  }
}

}  // namespace
}  // namespace efa::emu::test
