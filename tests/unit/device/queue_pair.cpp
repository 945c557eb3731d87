// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/queue_pair.hpp"

#include <gtest/gtest.h>

#include <set>

#include "device/doorbell_pool.hpp"
#include "device/harness.hpp"
#include "device/llq_pool.hpp"

namespace efa::emu::test {
namespace {

/// A rig with a PD, a UAR and a CQ.
struct Bench : Rig {
  explicit Bench(std::string_view generation = "efa2", const DeviceOptions& options = {})
      : Rig(generation, options),
        pd_(pd()),
        uar_(uar()),
        cq_(create_cq(cq_command(uar_)).body.cq_idx) {}

  efa_create_qp_cmd command(efa_qp_type type = EFA_QP_TYPE_SRD, std::uint32_t depth = 32,
                            std::uint32_t wqe_size = 64) {
    return qp_command(pd_, uar_, cq_, type, depth, wqe_size);
  }
  efa_aq_completion_status status(const efa_create_qp_cmd& cmd) { return create_qp(cmd).status; }

  std::uint16_t pd_;
  std::uint16_t uar_;
  std::uint16_t cq_;
};

TEST(CreateQp, StartsInResetWithDefaultAttributes) {
  Bench bench;
  const auto answer = bench.create_qp(bench.command());
  ASSERT_TRUE(answer.ok());
  const auto query = bench.execute<efa_query_qp_resp>(
      EFA_AQ_OPCODE_QUERY_QP, numbered(&efa_query_qp_cmd::qp_handle, answer.body.qp_handle));
  EXPECT_EQ(query.body.qp_state, EFA_QP_STATE_RESET);
  EXPECT_EQ(query.body.qkey, 0u);
  EXPECT_EQ(query.body.sq_psn, 0u);
  EXPECT_EQ(query.body.sq_draining, 0);
  EXPECT_EQ(query.body.rnr_retry, 7);
}

TEST(CreateQp, RemembersWhatTheCommandAskedFor) {
  Bench bench;
  efa_create_qp_cmd cmd = bench.command(EFA_QP_TYPE_UD, 64, 128);
  cmd.qp_alloc_size.recv_queue_ring_size = 256 * 16;
  cmd.rq_base_addr = bench.memory.allocate(4096);
  const auto answer = bench.create_qp(cmd);
  const QueuePair& qp = *bench.device.find_qp(answer.body.qp_num);
  EXPECT_EQ(qp.type, EFA_QP_TYPE_UD);
  EXPECT_EQ(qp.pd, bench.pd_);
  EXPECT_EQ(qp.uar, bench.uar_);
  EXPECT_EQ(qp.sq.depth, 64u);
  EXPECT_EQ(qp.sq.wqe_size, 128);
  EXPECT_EQ(qp.rq.descriptors, 256u);
  EXPECT_EQ(qp.rq.ring.addr(), cmd.rq_base_addr);
  EXPECT_EQ(qp.send_cq, bench.device.find_cq(bench.cq_));
  EXPECT_EQ(qp.sq.llq_offset, answer.body.llq_descriptors_offset);
  EXPECT_EQ(qp.sq.db_offset, answer.body.sq_db_offset);
  EXPECT_EQ(qp.rq.db_offset, answer.body.rq_db_offset);
}

TEST(CreateQp, GivesZeroedDoorbellsOnOnePageOfTheOwner) {
  Bench bench;
  const auto first = bench.create_qp(bench.command()).body;
  *bench.device.doorbell_word(first.sq_db_offset) = 7;
  *bench.device.doorbell_word(first.rq_db_offset) = 8;
  bench.destroy_qp(first.qp_handle);
  const auto second = bench.create_qp(bench.command()).body;
  EXPECT_EQ(second.sq_db_offset, first.sq_db_offset);
  EXPECT_EQ(*bench.device.doorbell_word(second.sq_db_offset), 0u);
  EXPECT_EQ(*bench.device.doorbell_word(second.rq_db_offset), 0u);
  EXPECT_NE(second.sq_db_offset, second.rq_db_offset);
}

TEST(CreateQp, ChecksEveryObjectItRefersTo) {
  Bench bench;
  efa_create_qp_cmd cmd = bench.command();
  cmd.pd = 99;
  EXPECT_EQ(bench.status(cmd), kIllegal);
  cmd = bench.command();
  cmd.uar = 99;
  EXPECT_EQ(bench.status(cmd), kIllegal);
  cmd = bench.command();
  cmd.send_cq_idx = 99;
  EXPECT_EQ(bench.status(cmd), kIllegal);
  cmd = bench.command();
  cmd.recv_cq_idx = 0x10000u + bench.cq_;
  EXPECT_EQ(bench.status(cmd), kIllegal);
  EXPECT_EQ(bench.status(bench.command()), kSuccess);
}

TEST(CreateQp, KnowsTwoTypes) {
  Bench bench;
  for (unsigned type = 0; type < 256; ++type) {
    efa_create_qp_cmd cmd = bench.command();
    cmd.qp_type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(bench.status(cmd), type == 1 || type == 2 ? kSuccess : kIllegal) << type;
  }
}

TEST(CreateQp, ChecksTheSendQueue) {
  Bench bench;
  const auto with = [&](std::uint32_t depth, std::uint32_t ring) {
    efa_create_qp_cmd cmd = bench.command();
    cmd.qp_alloc_size.send_queue_depth = depth;
    cmd.qp_alloc_size.send_queue_ring_size = ring;
    return bench.status(cmd);
  };
  EXPECT_EQ(with(32, 32 * 64), kSuccess);
  EXPECT_EQ(with(32, 32 * 128), kSuccess);
  EXPECT_EQ(with(4096, 4096 * 64), kSuccess);
  EXPECT_EQ(with(1, 64), kSuccess);
  EXPECT_EQ(with(32, 32 * 32), kIllegal) << "WQE of 32 bytes";
  EXPECT_EQ(with(32, 32 * 64 + 64), kIllegal) << "ring and depth disagree";
  EXPECT_EQ(with(24, 24 * 64), kIllegal) << "no power of two";
  EXPECT_EQ(with(8192, 8192 * 64), kIllegal) << "above max_sq_depth";
  EXPECT_EQ(with(4096, 4096 * 128), kIllegal) << "above max_llq_size";
  EXPECT_EQ(with(0, 64), kIllegal) << "ring without depth";
  EXPECT_EQ(with(0x80000000, 0), kIllegal) << "product overflows 32 bits";
}

TEST(CreateQp, AllowsAQueuePairThatOnlyReceivesOrOnlySends) {
  Bench bench;
  efa_create_qp_cmd cmd = bench.command();
  cmd.qp_alloc_size.send_queue_depth = 0;
  cmd.qp_alloc_size.send_queue_ring_size = 0;
  EXPECT_EQ(bench.status(cmd), kSuccess);
  cmd = bench.command();
  cmd.qp_alloc_size.recv_queue_ring_size = 0;
  cmd.qp_alloc_size.recv_queue_depth = 0;
  cmd.rq_base_addr = 0;
  EXPECT_EQ(bench.status(cmd), kSuccess);
}

TEST(CreateQp, EnforcesTheSmallestDepthWhereOneIsAdvertised) {
  Bench bench("efa3");
  EXPECT_EQ(bench.status(bench.command(EFA_QP_TYPE_SRD, 16)), kIllegal);
  EXPECT_EQ(bench.status(bench.command(EFA_QP_TYPE_SRD, 32)), kSuccess);
}

TEST(CreateQp, ChecksTheReceiveQueue) {
  Bench bench;
  const auto with = [&](std::uint32_t ring, DmaAddr base) {
    efa_create_qp_cmd cmd = bench.command();
    cmd.qp_alloc_size.recv_queue_ring_size = ring;
    cmd.rq_base_addr = base;
    return bench.status(cmd);
  };
  const DmaAddr base = bench.memory.allocate(1 << 20);
  EXPECT_EQ(with(32768 * 16, base), kSuccess);
  EXPECT_EQ(with(16, base), kSuccess);
  EXPECT_EQ(with(65536 * 16, base), kIllegal) << "above max_rq_depth";
  EXPECT_EQ(with(24, base), kIllegal) << "half a descriptor";
  EXPECT_EQ(with(48, base), kIllegal) << "no power of two";
  EXPECT_EQ(with(64, base + 64), kIllegal) << "not page aligned";
  EXPECT_EQ(with(64, 0), kIllegal) << "no address";
  EXPECT_EQ(with(64, ArrayMemory::kUnmapped), kIllegal) << "not mapped";
}

TEST(CreateQp, GivesBackEverythingWhenItFails) {
  Bench bench;
  efa_create_qp_cmd bad = bench.command();
  bad.rq_base_addr = ArrayMemory::kUnmapped;
  const auto before = bench.create_qp(bench.command()).body;
  bench.destroy_qp(before.qp_handle);
  EXPECT_EQ(bench.status(bad), kIllegal);
  const auto after = bench.create_qp(bench.command()).body;
  EXPECT_EQ(after.sq_db_offset, before.sq_db_offset);
  EXPECT_EQ(after.llq_descriptors_offset, before.llq_descriptors_offset);
  EXPECT_EQ(bench.destroy_qp(after.qp_handle), kSuccess);
  EXPECT_EQ(bench.destroy_cq(bench.cq_), kSuccess);
  EXPECT_EQ(bench.dealloc_pd(bench.pd_), kSuccess);
  EXPECT_EQ(bench.dealloc_uar(bench.uar_), kSuccess);
}

TEST(CreateQp, StopsWhenLlqOrDoorbellMemoryIsUsedUp) {
  Rig rig("efa2", {}, default_identity(), DoorbellPool::kPageSize, 2 * LlqPool::kPageSize);
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  EXPECT_TRUE(rig.create_qp(rig.qp_command(pd, uar, cq)).ok());
  EXPECT_EQ(rig.create_qp(rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 128)).status, kNoResources);
  EXPECT_TRUE(rig.create_qp(rig.qp_command(pd, uar, cq)).ok());
  EXPECT_EQ(rig.create_qp(rig.qp_command(pd, uar, cq)).status, kNoResources);
}

TEST(CreateQp, LeavesNeitherADoorbellNorLlqPagesBehindWhenOneOfTwoDoorbellsIsMissing) {
  // 1024 slots: 511 QPs and one CQ leave one, too few for the last QP. LLQ memory is just enough.
  Rig rig("efa4", {}, default_identity(), DoorbellPool::kPageSize, 512 * LlqPool::kPageSize);
  const std::uint16_t pd = rig.pd();
  const std::uint16_t uar = rig.uar();
  const auto events = rig.cq_command_with_events(uar, rig.eq(), 1);
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  const auto qp_command = rig.qp_command(pd, uar, cq, EFA_QP_TYPE_SRD, 32);
  for (int i = 0; i < 511; ++i) ASSERT_TRUE(rig.create_qp(qp_command).ok()) << i;
  const auto taken = rig.create_cq(events).body.cq_idx;
  EXPECT_EQ(rig.create_qp(qp_command).status, kNoResources);
  const auto last = rig.create_cq(events);
  ASSERT_TRUE(last.ok()) << "its slot is free again";
  EXPECT_EQ(rig.create_cq(events).status, kNoResources);
  rig.destroy_cq(taken);
  rig.destroy_cq(last.body.cq_idx);
  EXPECT_TRUE(rig.create_qp(qp_command).ok());
}

TEST(CreateQp, NeedsTheCapabilityForUnsolicitedWrites) {
  for (const auto& [generation, status] :
       {std::pair{"efa1", kIllegal}, std::pair{"efa2", kSuccess}}) {
    Bench bench(generation);
    efa_create_qp_cmd cmd = bench.command();
    efa_create_qp_cmd_set_unsolicited_write_recv(&cmd, 1);
    EXPECT_EQ(bench.status(cmd), status) << generation;
  }
}

TEST(CreateQp, NeedsCapabilityAndMatchingCqForWideRequestIds) {
  Bench old("efa3");
  efa_create_qp_cmd cmd = old.command();
  efa_create_qp_cmd_set_sq_64_bit_req_id(&cmd, 1);
  EXPECT_EQ(old.status(cmd), kIllegal);

  Bench bench("efa4");
  cmd = bench.command();
  efa_create_qp_cmd_set_sq_64_bit_req_id(&cmd, 1);
  EXPECT_EQ(bench.status(cmd), kIllegal) << "send CQ without 64-bit ids";
  efa_create_cq_cmd cq = bench.cq_command(bench.uar_);
  efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&cq, 1);
  cmd.send_cq_idx = bench.create_cq(cq).body.cq_idx;
  EXPECT_EQ(bench.status(cmd), kSuccess);
}

TEST(CreateQp, AllowsWideWqesOnlyWhereTheyAreOfUse) {
  for (const auto& [generation, status] :
       {std::pair{"efa0", kIllegal}, std::pair{"efa1", kIllegal}, std::pair{"efa2", kSuccess},
        std::pair{"efa3", kSuccess}, std::pair{"efa4", kSuccess}}) {
    Bench bench(generation);
    EXPECT_EQ(bench.status(bench.command(EFA_QP_TYPE_SRD, 32, 128)), status) << generation;
  }
}

TEST(CreateQp, RefusesVirtualRings) {
  Bench bench;
  efa_create_qp_cmd cmd = bench.command();
  efa_create_qp_cmd_set_sq_virt(&cmd, 1);
  EXPECT_EQ(bench.status(cmd), kIllegal);
  cmd = bench.command();
  efa_create_qp_cmd_set_rq_virt(&cmd, 1);
  EXPECT_EQ(bench.status(cmd), kIllegal);
}

TEST(CreateQp, AcceptsServiceLevelsByGeneration) {
  for (const bool newer : {false, true}) {
    Bench bench(newer ? "efa2" : "efa1");
    for (unsigned level = 0; level < 256; ++level) {
      efa_create_qp_cmd cmd = bench.command();
      cmd.sl = static_cast<std::uint8_t>(level);
      const bool known = level == 0 || (level == 8 && newer);
      EXPECT_EQ(bench.status(cmd), known ? kSuccess : kIllegal) << level;
    }
  }
}

TEST(CreateQp, SpreadsQueuePairsOverSubCqs) {
  Bench bench("efa0", {.sub_cqs_per_cq = 2});
  std::set<std::uint16_t> used;
  for (int i = 0; i < 4; ++i) {
    const auto answer = bench.create_qp(bench.command()).body;
    EXPECT_LT(answer.send_sub_cq_idx, 2);
    EXPECT_LT(answer.recv_sub_cq_idx, 2);
    used.insert(answer.send_sub_cq_idx);
  }
  EXPECT_EQ(used.size(), 2u);
}

TEST(CreateQp, StopsAtTheLimitWithNumbersUniqueInTheirLowBits) {
  for (const char* generation : {"efa2", "efa4"}) {
    Bench bench(generation);
    const std::uint32_t limit = bench.device.profile().max_qp;
    const efa_create_qp_cmd cmd = bench.command();
    std::set<std::uint32_t> low_bits;
    for (std::uint32_t i = 0; i < limit; ++i)
      low_bits.insert(bench.create_qp(cmd).body.qp_num % limit);
    EXPECT_EQ(low_bits.size(), limit);
    EXPECT_EQ(bench.status(cmd), kNoResources);
    EXPECT_EQ(bench.destroy_qp(limit / 2), kSuccess);
    EXPECT_EQ(bench.status(cmd), kSuccess);
  }
}

TEST(CreateQp, NeverSharesAnLlqPage) {
  Bench bench;
  std::set<std::uint32_t> pages;
  for (const std::uint32_t depth : {1u, 64u, 65536u / 64, 2u, 4096u}) {
    const auto answer = bench.create_qp(bench.command(EFA_QP_TYPE_SRD, depth)).body;
    EXPECT_EQ(answer.llq_descriptors_offset % LlqPool::kPageSize, 0u);
    for (std::uint32_t byte = 0; byte < depth * 64; byte += LlqPool::kPageSize)
      EXPECT_TRUE(pages.insert((answer.llq_descriptors_offset + byte) / LlqPool::kPageSize).second);
  }
}

TEST(DestroyQp, TellsTheDataPathAndFreesTheReferences) {
  Bench bench;
  RecordedHooks hooks;
  bench.device.connect(&hooks);
  const auto qp = bench.create_qp(bench.command()).body.qp_handle;
  EXPECT_EQ(bench.destroy_qp(qp), kSuccess);
  EXPECT_EQ(hooks.calls, (std::vector<std::string>{"qp_created 0", "qp_destroyed 0"}));
  EXPECT_EQ(bench.destroy_qp(qp), kIllegal);
  EXPECT_EQ(bench.device.find_qp(qp), nullptr);
  EXPECT_EQ(bench.destroy_cq(bench.cq_), kSuccess);
}

TEST(DestroyQp, RefusesUnknownHandles) {
  Bench bench;
  const auto qp = bench.create_qp(bench.command()).body.qp_handle;
  EXPECT_EQ(bench.destroy_qp(qp + 1), kIllegal);
  EXPECT_EQ(bench.destroy_qp(qp + 0x10000), kIllegal);
  EXPECT_EQ(bench.destroy_qp(0xffffffff), kIllegal);
}

TEST(DestroyQp, WithTwoCqsReleasesBoth) {
  Bench bench;
  const auto other = bench.create_cq(bench.cq_command(bench.uar_)).body.cq_idx;
  efa_create_qp_cmd cmd = bench.command();
  cmd.recv_cq_idx = other;
  const auto qp = bench.create_qp(cmd).body.qp_handle;
  EXPECT_EQ(bench.destroy_cq(bench.cq_), kBusy);
  EXPECT_EQ(bench.destroy_cq(other), kBusy);
  bench.destroy_qp(qp);
  EXPECT_EQ(bench.destroy_cq(bench.cq_), kSuccess);
  EXPECT_EQ(bench.destroy_cq(other), kSuccess);
}

TEST(QueryQp, RefusesUnknownHandles) {
  Bench bench;
  EXPECT_EQ(bench.execute<efa_query_qp_resp>(EFA_AQ_OPCODE_QUERY_QP, efa_query_qp_cmd{}).status,
            kIllegal);
}

TEST(QueryQp, ReturnsWhatModifySet) {
  Bench bench;
  const auto qp = bench.create_qp(bench.command()).body.qp_handle;
  bench.bring_up(qp, 0xabcdef01);
  efa_modify_qp_cmd cmd{};
  cmd.qp_handle = qp;
  efa_modify_qp_cmd_set_qp_state(&cmd, 1);
  cmd.qp_state = EFA_QP_STATE_SQD;
  bench.modify_qp(cmd);
  bench.device.find_qp(qp)->draining = true;
  const auto query = bench.execute<efa_query_qp_resp>(EFA_AQ_OPCODE_QUERY_QP,
                                                      numbered(&efa_query_qp_cmd::qp_handle, qp));
  EXPECT_EQ(query.body.qp_state, EFA_QP_STATE_SQD);
  EXPECT_EQ(query.body.qkey, 0xabcdef01u);
  EXPECT_EQ(query.body.sq_draining, 1);
}

}  // namespace
}  // namespace efa::emu::test
