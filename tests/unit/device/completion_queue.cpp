// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/completion_queue.hpp"

#include <gtest/gtest.h>

#include "device/event_queue.hpp"
#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

/// A CQ in interrupt mode whose events are counted.
struct Queue {
  explicit Queue(std::uint32_t depth = 8, std::uint16_t entry_size = 32, std::uint16_t sub_cqs = 1)
      : eq_base(memory.allocate(512 * sizeof(efa_eqe))),
        eq(0, 512, 1, MappedRange(memory, eq_base, 512 * sizeof(efa_eqe)), interrupts),
        base(memory.allocate(std::size_t{depth} * entry_size * sub_cqs)),
        cq(config(depth, entry_size, sub_cqs),
           MappedRange(memory, base, std::size_t{depth} * entry_size * sub_cqs)) {}

  CompletionQueue::Config config(std::uint32_t depth, std::uint16_t entry_size,
                                 std::uint16_t sub_cqs) {
    CompletionQueue::Config c;
    c.number = 11;
    c.depth = depth;
    c.entry_size = entry_size;
    c.sub_cqs = sub_cqs;
    c.eq = &eq;
    return c;
  }

  void push(std::uint16_t req_id = 0, std::uint16_t sub_cq = 0) {
    efa_rx_cdesc_ex cqe{};
    cqe.base.common.req_id = req_id;
    cqe.u.src_addr[15] = 0x5a;
    cq.push(sub_cq, cqe);
  }

  const efa_cdesc_common& entry(std::size_t i) {
    return memory.at<efa_cdesc_common>(base + i * cq.config().entry_size);
  }

  /// Event queue entries written so far.
  std::uint32_t events() {
    std::uint32_t n = 0;
    while (efa_eqe_phase(&memory.at<efa_eqe>(eq_base + n * sizeof(efa_eqe))) != 0) ++n;
    return n;
  }

  ArrayMemory memory{16 << 20};
  RecordedInterrupts interrupts;
  DmaAddr eq_base;
  EventQueue eq;
  DmaAddr base;
  CompletionQueue cq;
};

constexpr std::uint32_t word(std::uint32_t consumer, std::uint32_t cmd_sn, bool arm) {
  std::uint32_t value = efa_cq_doorbell_set_consumer_index(0, consumer);
  value = efa_cq_doorbell_set_cmd_sn(value, cmd_sn);
  return efa_cq_doorbell_set_arm(value, arm ? 1 : 0);
}

TEST(CompletionQueue, WritesWholeEntriesWithTheirPhase) {
  Queue q;
  q.push(0x77);
  EXPECT_EQ(q.entry(0).req_id, 0x77);
  EXPECT_EQ(efa_cdesc_common_phase(&q.entry(0)), 1u);
  EXPECT_EQ(q.memory.at<efa_rx_cdesc_ex>(q.base).u.src_addr[15], 0x5a);
  EXPECT_EQ(efa_cdesc_common_phase(&q.entry(1)), 0u);
}

TEST(CompletionQueue, FlipsThePhaseAtEveryWrap) {
  Queue q(4);
  for (std::uint16_t i = 0; i < 13; ++i) {
    q.push(i);
    EXPECT_EQ(q.entry(i % 4).req_id, i);
    EXPECT_EQ(efa_cdesc_common_phase(&q.entry(i % 4)), i / 4 % 2 == 0 ? 1u : 0u) << i;
  }
}

TEST(CompletionQueue, KeepsSmallEntriesApart) {
  Queue q(4, 16);
  for (std::uint16_t i = 0; i < 4; ++i) q.push(i);
  for (std::uint16_t i = 0; i < 4; ++i) EXPECT_EQ(q.entry(i).req_id, i);
}

TEST(CompletionQueue, CountsThePhaseOfEverySubCqByItself) {
  Queue q(2, 32, 3);
  q.push(1, 2);
  q.push(2, 2);
  q.push(3, 2);
  q.push(4, 1);
  EXPECT_EQ(q.entry(4).req_id, 3);
  EXPECT_EQ(efa_cdesc_common_phase(&q.entry(4)), 0u);
  EXPECT_EQ(efa_cdesc_common_phase(&q.entry(5)), 1u);
  EXPECT_EQ(q.entry(2).req_id, 4);
  EXPECT_EQ(efa_cdesc_common_phase(&q.entry(2)), 1u);
  EXPECT_EQ(q.cq.cqes(), 4u);
}

TEST(CompletionQueue, DropsEntriesWhileTheRingIsNotMapped) {
  Queue q;
  q.memory.hide(q.base, 4096);
  q.push(1);
  q.memory.hide(0, 0);
  q.push(2);
  EXPECT_EQ(q.entry(0).req_id, 0);
  EXPECT_EQ(q.entry(1).req_id, 2);
}

TEST(CompletionQueue, OverwritesTheOldestWhenFullAndCountsIt) {
  Queue q(4);
  q.cq.doorbell(word(0, 0, false));
  for (std::uint16_t i = 0; i < 6; ++i) q.push(i);
  EXPECT_EQ(q.entry(0).req_id, 4);
  EXPECT_EQ(q.cq.overruns(), 2u);
}

TEST(CompletionQueue, CountsNoOverrunWithoutAReportedConsumer) {
  Queue q(4);
  for (std::uint16_t i = 0; i < 9; ++i) q.push(i);
  EXPECT_EQ(q.cq.overruns(), 0u);
}

TEST(CqDoorbell, WithoutArmingSendsNoEvents) {
  Queue q;
  q.push();
  q.cq.doorbell(word(0, 0, false));
  q.push();
  EXPECT_EQ(q.events(), 0u);
}

TEST(CqDoorbell, ArmedSendsOneEventForTheNextEntry) {
  Queue q;
  q.cq.doorbell(word(0, 0, true));
  EXPECT_EQ(q.events(), 0u);
  q.push();
  q.push();
  EXPECT_EQ(q.events(), 1u);
  EXPECT_EQ(q.memory.at<efa_eqe>(q.eq_base).comp_event.cqn, 11);
}

TEST(CqDoorbell, ArmedBehindTheProducerSendsTheEventAtOnce) {
  Queue q;
  q.push();
  q.cq.doorbell(word(0, 0, true));
  EXPECT_EQ(q.events(), 1u);
}

TEST(CqDoorbell, WithAStaleCommandNumberIsIgnored) {
  Queue q;
  q.cq.doorbell(word(0, 0, true));
  q.push();
  q.cq.doorbell(word(0, 0, true));
  q.push();
  EXPECT_EQ(q.events(), 1u);
  q.cq.doorbell(word(2, 1, true));
  EXPECT_EQ(q.events(), 1u);
  q.push();
  EXPECT_EQ(q.events(), 2u);
}

TEST(CqDoorbell, WithoutArmBitDoesNotDisarm) {
  Queue q;
  q.cq.doorbell(word(0, 0, true));
  q.cq.doorbell(word(0, 0, false));
  q.push();
  EXPECT_EQ(q.events(), 1u);
}

TEST(CqDoorbell, CountsCommandNumbersModuloFour) {
  Queue q;
  for (std::uint32_t i = 0; i < 11; ++i) {
    q.cq.doorbell(word(i, i, true));
    q.push();
    EXPECT_EQ(q.events(), i + 1);
  }
}

TEST(CqDoorbell, ComparesTheConsumerIndexModulo65536) {
  Queue q(32768, 16);
  for (std::uint32_t i = 0; i < 65537; ++i) q.push();
  q.cq.doorbell(word(1, 0, true));
  EXPECT_EQ(q.events(), 0u);
  q.push();
  EXPECT_EQ(q.events(), 1u);
}

TEST(CqDoorbell, OfAPolledCqMeansNothing) {
  ArrayMemory memory(1 << 20);
  CompletionQueue::Config config;
  config.depth = 2;
  config.entry_size = 32;
  CompletionQueue cq(config, MappedRange(memory, memory.allocate(4096), 64));
  efa_rx_cdesc_ex cqe{};
  cq.push(0, cqe);
  cq.doorbell(word(0, 0, true));
  cq.doorbell_sampled(word(0, 1, true));
  cq.push(0, cqe);
  EXPECT_EQ(cq.cqes(), 2u);
}

TEST(SampledCqDoorbell, SeenArmedSendsOneEvent) {
  Queue q;
  for (int i = 0; i < 3; ++i) q.cq.doorbell_sampled(word(0, 0, true));
  q.push();
  for (int i = 0; i < 3; ++i) q.cq.doorbell_sampled(word(0, 0, true));
  q.push();
  EXPECT_EQ(q.events(), 1u);
}

TEST(SampledCqDoorbell, RemembersAnArmThatALaterPollOverwrites) {
  Queue q;
  q.cq.doorbell_sampled(word(0, 0, true));
  q.cq.doorbell_sampled(word(0, 0, false));
  q.push();
  EXPECT_EQ(q.events(), 1u);
}

TEST(SampledCqDoorbell, OfAConsumerThatNeverArmsSendsOneEventAtMost) {
  Queue q;
  for (std::uint32_t i = 1; i < 20; ++i) {
    q.push();
    q.cq.doorbell_sampled(word(i, 0, false));
  }
  EXPECT_LE(q.events(), 1u);
}

TEST(SampledCqDoorbell, TakesTheFirstStoreAsArmedBecauseTheArmMayHaveBeenOverwritten) {
  Queue q;
  q.push();
  // Armed with number 0, then polled one completion: only the last store is seen.
  q.cq.doorbell_sampled(word(1, 0, false));
  q.push();
  EXPECT_EQ(q.events(), 1u);
}

TEST(SampledCqDoorbell, TakesANewCommandNumberAsArmedBecauseTheArmMayHaveBeenOverwritten) {
  Queue q;
  q.cq.doorbell_sampled(word(0, 0, true));
  q.push();
  ASSERT_EQ(q.events(), 1u);
  // The consumer took the event, armed with number 1, polled again: only the last store is seen.
  q.cq.doorbell_sampled(word(1, 1, false));
  q.push();
  EXPECT_EQ(q.events(), 2u);
}

TEST(SampledCqDoorbell, SendsTheOverdueEventOfAnUnseenArmAtOnce) {
  Queue q;
  q.cq.doorbell_sampled(word(0, 0, true));
  q.push();
  q.push();
  q.cq.doorbell_sampled(word(1, 1, false));
  EXPECT_EQ(q.events(), 2u);
}

TEST(SampledCqDoorbell, NeverSendsTwoEventsForOneCommandNumber) {
  Queue q;
  q.cq.doorbell_sampled(word(0, 0, true));
  q.push();
  q.cq.doorbell_sampled(word(1, 1, false));
  q.push();
  ASSERT_EQ(q.events(), 2u);
  q.cq.doorbell_sampled(word(1, 1, true));
  q.cq.doorbell_sampled(word(2, 1, false));
  q.cq.doorbell_sampled(word(1, 1, true));
  q.push();
  EXPECT_EQ(q.events(), 2u) << "the arm with number 1 was already answered";
  q.cq.doorbell_sampled(word(3, 2, true));
  q.push();
  EXPECT_EQ(q.events(), 3u);
}

TEST(SampledCqDoorbell, ThatWasNeverWrittenReportsNoConsumer) {
  Queue q(4);
  for (std::uint16_t i = 0; i < 9; ++i) {
    q.cq.doorbell_sampled(0);
    q.push(i);
  }
  EXPECT_EQ(q.cq.overruns(), 0u);
}

TEST(SampledCqDoorbell, IgnoresANumberThatNoEventAnnounced) {
  Queue q;
  q.cq.doorbell_sampled(word(0, 2, true));
  q.cq.doorbell_sampled(word(0, 3, false));
  q.push();
  EXPECT_EQ(q.events(), 0u);
}

/// Consumer and device step by step in every order: an armed consumer that then sleeps is woken,
/// and each command number yields at most one event.
TEST(SampledCqDoorbell, WakesAnArmedConsumerWhateverStoresTheSamplerMisses) {
  for (unsigned missed = 0; missed < 8; ++missed) {
    Queue q;
    std::uint32_t consumed = 0;
    std::uint32_t seen = 0;
    q.cq.doorbell_sampled(word(0, 0, true));
    for (int round = 0; round < 12; ++round) {
      q.push();
      ASSERT_EQ(q.events(), seen + 1) << "round " << round << ", missed " << missed;
      seen = q.events();
      const std::uint32_t stores[] = {word(consumed, seen, false), word(consumed, seen, true),
                                      word(consumed + 1, seen, false)};
      ++consumed;
      for (unsigned i = 0; i < 3; ++i)
        if ((missed >> i & 1) == 0 || i == 2) q.cq.doorbell_sampled(stores[i]);
      ASSERT_LE(q.events(), seen + 1);
      if (q.events() > seen) {  // an early event: the consumer wakes, finds nothing and arms again
        seen = q.events();
        q.cq.doorbell_sampled(word(consumed, seen, true));
      }
      ASSERT_EQ(q.events(), seen);
    }
  }
}

efa_aq_completion_status create(Rig& rig, const efa_create_cq_cmd& cmd) {
  return rig.create_cq(cmd).status;
}

TEST(CreateCq, GrantsTheExactDepthAndNoDoorbellWithoutEvents) {
  Rig rig;
  RecordedHooks hooks;
  rig.device.connect(&hooks);
  const auto answer = rig.create_cq(rig.cq_command(rig.uar(), 32768));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.body.sub_cq_actual_depth, 32768);
  EXPECT_EQ(efa_create_cq_resp_db_valid(&answer.body), 0u);
  EXPECT_EQ(hooks.calls, std::vector<std::string>{"cq_created 0"});
  const CompletionQueue* cq = rig.device.find_cq(answer.body.cq_idx);
  EXPECT_EQ(cq->config().eq, nullptr);
  EXPECT_EQ(cq->config().entry_size, 32);
}

TEST(CreateCq, GivesADoorbellWithEvents) {
  Rig rig;
  const auto answer = rig.create_cq(rig.cq_command_with_events(rig.uar(), rig.eq()));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(efa_create_cq_resp_db_valid(&answer.body), 1u);
  EXPECT_EQ(answer.body.db_offset % 4, 0u);
  EXPECT_EQ(rig.device.find_cq(answer.body.cq_idx)->config().db_offset, answer.body.db_offset);
}

TEST(CreateCq, ChecksTheDepth) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  for (const std::uint16_t depth : {0, 3, 48, 65535}) {
    efa_create_cq_cmd cmd = rig.cq_command(uar);
    cmd.sub_cq_depth = depth;
    EXPECT_EQ(create(rig, cmd), kIllegal) << depth;
  }
  EXPECT_EQ(create(rig, rig.cq_command(uar, 1)), kSuccess);
}

TEST(CreateCq, ChecksTheNumberOfSubCqs) {
  Rig rig;
  efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
  for (const std::uint16_t sub_cqs : {0, 2, 65535}) {
    cmd.num_sub_cqs = sub_cqs;
    EXPECT_EQ(create(rig, cmd), kIllegal) << sub_cqs;
  }
  Rig two("efa0", {.sub_cqs_per_cq = 2});
  EXPECT_EQ(create(two, two.cq_command(two.uar())), kSuccess);
}

TEST(CreateCq, ChecksTheEntrySize) {
  Rig rig;
  efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
  for (std::uint32_t words = 0; words < 32; ++words) {
    efa_create_cq_cmd_set_cq_entry_size_words(&cmd, words);
    EXPECT_EQ(create(rig, cmd), words == 4 || words == 8 ? kSuccess : kIllegal) << words;
  }
}

TEST(CreateCq, GivesSourceAddressesOnlyInLargeEntries) {
  Rig rig;
  efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
  efa_create_cq_cmd_set_set_src_addr(&cmd, 1);
  EXPECT_EQ(create(rig, cmd), kSuccess);
  efa_create_cq_cmd_set_cq_entry_size_words(&cmd, 4);
  EXPECT_EQ(create(rig, cmd), kIllegal);
}

TEST(CreateCq, AllowsWideRequestIdsOnlyWithTheCapability) {
  for (const auto& [generation, status] :
       {std::pair{"efa2", kIllegal}, std::pair{"efa4", kSuccess}}) {
    Rig rig(generation);
    efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
    efa_create_cq_cmd_set_sq_comp_64_bit_req_id(&cmd, 1);
    EXPECT_EQ(create(rig, cmd), status) << generation;
  }
}

TEST(CreateCq, RefusesUnknownOwnersAndVirtualRings) {
  Rig rig;
  const std::uint16_t uar = rig.uar();
  EXPECT_EQ(create(rig, rig.cq_command(static_cast<std::uint16_t>(uar + 1))), kIllegal);
  EXPECT_EQ(create(rig, rig.cq_command_with_events(uar, 0)), kIllegal);
  efa_create_cq_cmd cmd = rig.cq_command(uar);
  efa_create_cq_cmd_set_virt(&cmd, 1);
  EXPECT_EQ(create(rig, cmd), kIllegal);
}

TEST(CreateCq, RefusesARingThatIsNotMappedAsAWhole) {
  Rig rig;
  efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
  const DmaAddr ring = efa_mem_addr_get(&cmd.cq_ba);
  rig.memory.hide(ring + 64 * 32 - 1, 1);
  EXPECT_EQ(create(rig, cmd), kIllegal);
  efa_mem_addr_set(&cmd.cq_ba, ~std::uint64_t{0} - 64);
  EXPECT_EQ(create(rig, cmd), kIllegal);
  EXPECT_EQ(rig.device.find_cq(0), nullptr);
}

/// Memory of another process: nothing is mapped, all can be copied.
class CopiedMemory final : public DmaSpace {
 public:
  std::byte* map(DmaAddr, std::size_t) noexcept override { return nullptr; }
  bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept override {
    if (from[0].addr + from[0].length > bytes.size()) return false;
    std::memcpy(out, bytes.data() + from[0].addr, from[0].length);
    return true;
  }
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override {
    if (to[0].addr + to[0].length > bytes.size()) return false;
    written.push_back(to[0]);
    std::memcpy(bytes.data() + to[0].addr, in, to[0].length);
    return true;
  }
  std::array<std::byte, 4096> bytes{};
  std::vector<DmaSegment> written;
};

TEST(CompletionQueue, InMemoryThatIsNotMappedWritesThePhaseLast) {
  for (const std::uint16_t size : {16, 32}) {
    CopiedMemory memory;
    CompletionQueue::Config config;
    config.depth = 4;
    config.entry_size = size;
    CompletionQueue cq(config, MappedRange(memory, 64, std::size_t{4} * size));
    for (std::uint16_t i = 0; i < 6; ++i) {
      efa_rx_cdesc_ex cqe{};
      cqe.base.common.req_id = i;
      cqe.base.length = static_cast<std::uint16_t>(100 + i);
      memory.written.clear();
      cq.push(0, cqe);
      const DmaAddr slot = 64u + i % 4u * size;
      ASSERT_EQ(memory.written.size(), 2u);
      EXPECT_EQ(memory.written[0].addr, slot + 4);
      EXPECT_EQ(memory.written[0].length, size - 4u);
      EXPECT_EQ(memory.written[1].addr, slot);
      EXPECT_EQ(memory.written[1].length, 4u);
      efa_rx_cdesc written;
      std::memcpy(&written, memory.bytes.data() + slot, sizeof(written));
      EXPECT_EQ(written.common.req_id, i);
      EXPECT_EQ(written.length, 100 + i);
      EXPECT_EQ(efa_cdesc_common_phase(&written.common), i < 4 ? 1u : 0u);
    }
    EXPECT_EQ(memory.written.size(), 2u);
  }
}

TEST(CompletionQueue, InMemoryThatWentAwayLosesItsEntriesOnly) {
  CopiedMemory memory;
  CompletionQueue::Config config;
  config.depth = 4;
  config.entry_size = 32;
  CompletionQueue cq(config, MappedRange(memory, memory.bytes.size(), 4 * 32));
  efa_rx_cdesc_ex cqe{};
  cq.push(0, cqe);
  EXPECT_TRUE(memory.written.empty());
  EXPECT_EQ(cq.produced(), 1u);
}

TEST(CreateCq, StopsAtTheLimit) {
  Rig rig;
  const efa_create_cq_cmd cmd = rig.cq_command(rig.uar());
  for (std::uint32_t i = 0; i < rig.device.profile().max_cq; ++i)
    ASSERT_EQ(create(rig, cmd), kSuccess) << i;
  EXPECT_EQ(create(rig, cmd), kNoResources);
  EXPECT_EQ(rig.destroy_cq(100), kSuccess);
  EXPECT_EQ(create(rig, cmd), kSuccess);
}

TEST(DestroyCq, RefusesUnknownAndUsedOnes) {
  Rig rig;
  RecordedHooks hooks;
  const std::uint16_t uar = rig.uar();
  EXPECT_EQ(rig.destroy_cq(0), kIllegal);
  const auto cq = rig.create_cq(rig.cq_command(uar)).body.cq_idx;
  const auto qp = rig.create_qp(rig.qp_command(rig.pd(), uar, cq)).body.qp_handle;
  rig.device.connect(&hooks);
  EXPECT_EQ(rig.destroy_cq(cq), kBusy);
  EXPECT_TRUE(hooks.calls.empty());
  EXPECT_EQ(rig.destroy_qp(qp), kSuccess);
  EXPECT_EQ(rig.destroy_cq(cq), kSuccess);
  EXPECT_EQ(hooks.calls.back(), "cq_destroyed " + std::to_string(cq));
  EXPECT_EQ(rig.destroy_cq(cq), kIllegal);
}

}  // namespace
}  // namespace efa::emu::test
