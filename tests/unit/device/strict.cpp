// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/strict.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

using Command = std::array<std::byte, kAdminEntrySize>;

efa_aq_completion_status execute(Device& device, const Command& command) {
  Command response{};
  return device.execute(command, response);
}

struct ReservedBit {
  efa_aq_opcode opcode;
  std::size_t byte;
  unsigned bit;
};

// One bit of every reserved range of device-layout.csv, first and last of each.
constexpr ReservedBit kReserved[] = {
    {EFA_AQ_OPCODE_ALLOC_PD, 1, 4},
    {EFA_AQ_OPCODE_ALLOC_PD, 1, 7},
    {EFA_AQ_OPCODE_ALLOC_PD, 3, 3},
    {EFA_AQ_OPCODE_ALLOC_PD, 3, 7},
    {EFA_AQ_OPCODE_ALLOC_PD, 3, 1},
    {EFA_AQ_OPCODE_ALLOC_PD, 4, 0},
    {EFA_AQ_OPCODE_ALLOC_PD, 63, 7},
    {EFA_AQ_OPCODE_DEALLOC_PD, 6, 0},
    {EFA_AQ_OPCODE_DEALLOC_PD, 8, 0},
    {EFA_AQ_OPCODE_ALLOC_UAR, 4, 0},
    {EFA_AQ_OPCODE_DEALLOC_UAR, 7, 7},
    {EFA_AQ_OPCODE_CREATE_QP, 7, 4},
    {EFA_AQ_OPCODE_CREATE_QP, 7, 7},
    {EFA_AQ_OPCODE_CREATE_QP, 59, 0},
    {EFA_AQ_OPCODE_CREATE_QP, 60, 0},
    {EFA_AQ_OPCODE_CREATE_QP, 63, 7},
    {EFA_AQ_OPCODE_MODIFY_QP, 4, 6},
    {EFA_AQ_OPCODE_MODIFY_QP, 7, 7},
    {EFA_AQ_OPCODE_MODIFY_QP, 30, 0},
    {EFA_AQ_OPCODE_QUERY_QP, 8, 0},
    {EFA_AQ_OPCODE_DESTROY_QP, 8, 0},
    {EFA_AQ_OPCODE_CREATE_CQ, 4, 0},
    {EFA_AQ_OPCODE_CREATE_CQ, 4, 7},
    {EFA_AQ_OPCODE_CREATE_CQ, 5, 7},
    {EFA_AQ_OPCODE_CREATE_CQ, 10, 0},
    {EFA_AQ_OPCODE_DESTROY_CQ, 6, 0},
    {EFA_AQ_OPCODE_CREATE_AH, 22, 0},
    {EFA_AQ_OPCODE_DESTROY_AH, 8, 0},
    {EFA_AQ_OPCODE_REG_MR, 6, 0},
    {EFA_AQ_OPCODE_REG_MR, 48, 6},
    {EFA_AQ_OPCODE_REG_MR, 49, 3},
    {EFA_AQ_OPCODE_REG_MR, 50, 0},
    {EFA_AQ_OPCODE_DEREG_MR, 8, 0},
    {EFA_AQ_OPCODE_ALLOC_MR, 6, 0},
    {EFA_AQ_OPCODE_GET_FEATURE, 16, 0},
    {EFA_AQ_OPCODE_GET_FEATURE, 18, 0},
    {EFA_AQ_OPCODE_GET_FEATURE, 20, 0},
    {EFA_AQ_OPCODE_SET_FEATURE, 16, 0},
    {EFA_AQ_OPCODE_SET_FEATURE, 19, 7},
    {EFA_AQ_OPCODE_GET_STATS, 20, 0},
    {EFA_AQ_OPCODE_CREATE_EQ, 7, 5},
    {EFA_AQ_OPCODE_CREATE_EQ, 16, 1},
    {EFA_AQ_OPCODE_CREATE_EQ, 20, 0},
    {EFA_AQ_OPCODE_DESTROY_EQ, 6, 0},
    {EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, 6, 0},
    {EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER, 8, 0},
    {EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, 9, 0},
    {EFA_AQ_OPCODE_DETACH_EVENT_COUNTER, 11, 7},
    {EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER, 9, 0},
    {EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER, 15, 7},
};

TEST(StrictMode, RefusesEveryReservedBit) {
  Rig strict("efa4", {.strict = true});
  for (const ReservedBit& reserved : kReserved) {
    Command command{};
    command[2] = static_cast<std::byte>(reserved.opcode);
    EXPECT_NE(execute(strict.device, command), kMalformed) << "opcode " << reserved.opcode;
    command[reserved.byte] |= static_cast<std::byte>(1u << reserved.bit);
    EXPECT_EQ(execute(strict.device, command), kMalformed)
        << "opcode " << reserved.opcode << ", byte " << reserved.byte << ", bit " << reserved.bit;
  }
}

TEST(LenientMode, NeverLooksAtReservedBits) {
  for (const ReservedBit& reserved : kReserved) {
    Rig rig("efa4");
    Command command{};
    command[2] = static_cast<std::byte>(reserved.opcode);
    command[reserved.byte] |= static_cast<std::byte>(1u << reserved.bit);
    EXPECT_NE(execute(rig.device, command), kMalformed)
        << "opcode " << reserved.opcode << ", byte " << reserved.byte;
  }
}

TEST(StrictMode, AcceptsWhatAConformingDriverSends) {
  Rig rig("efa4", {.strict = true});
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const std::uint16_t eq = rig.eq();
  const auto cq = rig.create_cq(rig.cq_command_with_events(uar, eq));
  ASSERT_TRUE(cq.ok());
  const auto qp = rig.create_qp(rig.qp_command(pd, uar, cq.body.cq_idx, EFA_QP_TYPE_SRD, 32));
  ASSERT_TRUE(qp.ok());
  rig.bring_up(qp.body.qp_handle);
  EXPECT_EQ(rig.device.find_qp(qp.body.qp_num)->state, EFA_QP_STATE_RTS);
  const auto mr = rig.reg_mr(rig.mr_command(pd, rig.memory.allocate(4096), 4096));
  EXPECT_TRUE(mr.ok());
  const auto ah = rig.create_ah(default_identity().gid, pd);
  EXPECT_TRUE(ah.ok());
  EXPECT_EQ(rig.destroy_ah(ah.body.ah, pd), kSuccess);
  EXPECT_EQ(rig.dereg_mr(mr.body.l_key), kSuccess);
  EXPECT_EQ(rig.destroy_qp(qp.body.qp_handle), kSuccess);
  EXPECT_EQ(rig.destroy_cq(cq.body.cq_idx), kSuccess);
  EXPECT_EQ(rig.destroy_eq(eq), kSuccess);
  EXPECT_EQ(rig.dealloc_uar(uar), kSuccess);
  EXPECT_EQ(rig.dealloc_pd(pd), kSuccess);
}

}  // namespace
}  // namespace efa::emu::test
