// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/event_counter.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

TEST(EventCounter, WrapsToZeroAfterItsMaximum) {
  ArrayMemory memory(1 << 20);
  const DmaAddr at = memory.allocate(8);
  EventCounter counter(0, 0, at, memory, 9);
  counter.set(9);
  counter.add(1);
  EXPECT_EQ(memory.at<std::uint64_t>(at), 0u);
  counter.add(23);
  EXPECT_EQ(counter.value(), 3u);
  counter.set(25);
  EXPECT_EQ(counter.value(), 5u);
}

TEST(EventCounter, UsesAll64Bits) {
  ArrayMemory memory(1 << 20);
  const DmaAddr at = memory.allocate(8);
  EventCounter counter(0, 0, at, memory, ~std::uint64_t{0});
  counter.set(~std::uint64_t{0});
  EXPECT_EQ(memory.at<std::uint64_t>(at), ~std::uint64_t{0});
  counter.add(5);
  EXPECT_EQ(memory.at<std::uint64_t>(at), 4u);
}

TEST(EventCounter, KeepsCountingWhileItsMemoryIsAway) {
  ArrayMemory memory(1 << 20);
  const DmaAddr at = memory.allocate(8);
  EventCounter counter(0, 0, at, memory, ~std::uint64_t{0});
  memory.hide(at, 8);
  counter.add(2);
  memory.hide(0, 0);
  EXPECT_EQ(memory.at<std::uint64_t>(at), 0u);
  counter.add(1);
  EXPECT_EQ(memory.at<std::uint64_t>(at), 3u);
}

struct Bench : Rig {
  explicit Bench(std::string_view generation = "efa4") : Rig(generation), owner(uar()) {}

  Answer<efa_create_event_counter_resp> create(DmaAddr paddr) {
    efa_create_event_counter_cmd cmd{};
    cmd.uar = owner;
    cmd.paddr = paddr;
    return execute<efa_create_event_counter_resp>(EFA_AQ_OPCODE_CREATE_EVENT_COUNTER, cmd);
  }
  efa_aq_completion_status destroy(std::uint32_t handle) {
    return execute<efa_destroy_event_counter_resp>(
               EFA_AQ_OPCODE_DESTROY_EVENT_COUNTER,
               numbered(&efa_destroy_event_counter_cmd::cntr_handle, handle))
        .status;
  }
  efa_aq_completion_status modify(std::uint32_t handle, std::uint8_t op, std::uint64_t value) {
    efa_modify_event_counter_cmd cmd{};
    cmd.cntr_handle = handle;
    cmd.operation = op;
    cmd.value = value;
    return execute<efa_modify_event_counter_resp>(EFA_AQ_OPCODE_MODIFY_EVENT_COUNTER, cmd).status;
  }
  efa_aq_completion_status link(efa_aq_opcode opcode, std::uint32_t handle, std::uint32_t qp_handle,
                                std::uint32_t events, std::uint8_t type = 0) {
    efa_attach_detach_event_counter_cmd cmd{};
    cmd.cntr_handle = handle;
    cmd.attach_type = type;
    cmd.qp_events.qp_handle = qp_handle;
    cmd.qp_events.events = events;
    return execute<efa_attach_detach_event_counter_resp>(opcode, cmd).status;
  }
  efa_aq_completion_status attach(std::uint32_t handle, std::uint32_t qp_handle,
                                  std::uint32_t events) {
    return link(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, handle, qp_handle, events);
  }
  efa_aq_completion_status detach(std::uint32_t handle, std::uint32_t qp_handle,
                                  std::uint32_t events) {
    return link(EFA_AQ_OPCODE_DETACH_EVENT_COUNTER, handle, qp_handle, events);
  }
  std::uint32_t counter() { return create(memory.allocate(8, 8)).body.cntr_handle; }
  std::uint32_t qp() {
    const auto cq = create_cq(cq_command(owner)).body.cq_idx;
    return create_qp(qp_command(pd(), owner, cq, EFA_QP_TYPE_SRD, 32)).body.qp_handle;
  }
  std::uint16_t owner;
};

constexpr std::uint32_t kSend = 1u << EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP;
constexpr std::uint32_t kSendError = 1u << EFA_EVENT_COUNTER_QP_EVENT_SEND_COMP_ERR;
constexpr std::uint32_t kRead = 1u << EFA_EVENT_COUNTER_QP_EVENT_READ_COMP;

TEST(CreateEventCounter, WritesZeroAtOnce) {
  Bench bench;
  const DmaAddr at = bench.memory.allocate(8, 8);
  bench.memory.at<std::uint64_t>(at) = 99;
  EXPECT_EQ(bench.create(at).status, kSuccess);
  EXPECT_EQ(bench.memory.at<std::uint64_t>(at), 0u);
}

TEST(CreateEventCounter, ChecksOwnerAlignmentAndMemory) {
  Bench bench;
  EXPECT_EQ(bench.create(bench.memory.allocate(16) + 4).status, kIllegal);
  EXPECT_EQ(bench.create(ArrayMemory::kUnmapped).status, kIllegal);
  bench.owner = 77;
  EXPECT_EQ(bench.create(bench.memory.allocate(8)).status, kIllegal);
}

TEST(CreateEventCounter, StopsAtTheLimit) {
  Bench bench;
  for (std::uint32_t i = 0; i < bench.device.profile().max_event_counters; ++i)
    ASSERT_TRUE(bench.create(bench.memory.allocate(8, 8)).ok());
  const DmaAddr at = bench.memory.allocate(8, 8);
  EXPECT_EQ(bench.create(at).status, kNoResources);
  EXPECT_EQ(bench.destroy(3), kSuccess);
  EXPECT_EQ(bench.create(at).status, kSuccess);
}

TEST(EventCounterCommands, AreUnsupportedWithoutTheCapability) {
  Bench bench("efa3");
  EXPECT_EQ(bench.create(bench.memory.allocate(8)).status, kUnsupported);
  EXPECT_EQ(bench.destroy(0), kUnsupported);
  EXPECT_EQ(bench.modify(0, 0, 0), kUnsupported);
  EXPECT_EQ(bench.attach(0, 0, 1), kUnsupported);
  EXPECT_EQ(bench.detach(0, 0, 1), kUnsupported);
}

TEST(ModifyEventCounter, SetsAndAddsBeforeItCompletes) {
  Bench bench;
  const DmaAddr at = bench.memory.allocate(8, 8);
  const auto handle = bench.create(at).body.cntr_handle;
  EXPECT_EQ(bench.modify(handle, EFA_EVENT_COUNTER_MODIFY_OP_SET, 40), kSuccess);
  EXPECT_EQ(bench.memory.at<std::uint64_t>(at), 40u);
  EXPECT_EQ(bench.modify(handle, EFA_EVENT_COUNTER_MODIFY_OP_ADD, 2), kSuccess);
  EXPECT_EQ(bench.memory.at<std::uint64_t>(at), 42u);
  EXPECT_EQ(bench.modify(handle, 2, 0), kIllegal);
  EXPECT_EQ(bench.modify(handle + 1, 0, 0), kIllegal);
}

TEST(AttachEventCounter, RecordsTheEventsOnTheQueuePair) {
  Bench bench;
  const auto counter = bench.counter();
  const auto qp = bench.qp();
  EXPECT_EQ(bench.attach(counter, qp, kSend | kRead), kSuccess);
  const auto& attached = bench.device.find_qp(qp)->counters;
  ASSERT_EQ(attached.size(), 1u);
  EXPECT_EQ(attached[0].events, kSend | kRead);
  EXPECT_EQ(attached[0].counter->handle(), counter);
}

TEST(AttachEventCounter, ChecksEveryParameter) {
  Bench bench;
  const auto counter = bench.counter();
  const auto qp = bench.qp();
  EXPECT_EQ(bench.attach(counter + 1, qp, kSend), kIllegal);
  EXPECT_EQ(bench.attach(counter, qp + 1, kSend), kIllegal);
  EXPECT_EQ(bench.attach(counter, qp, 1u << 10), kIllegal) << "unknown event";
  EXPECT_EQ(bench.attach(counter, qp, 0), kIllegal) << "no event";
  EXPECT_EQ(bench.link(EFA_AQ_OPCODE_ATTACH_EVENT_COUNTER, counter, qp, kSend, 1), kIllegal);
  EXPECT_EQ(bench.attach(counter, qp, kEventCounterQpEvents), kSuccess);
}

TEST(AttachEventCounter, RefusesTheSameEventTwiceForOneCounterButNotForTwo) {
  Bench bench;
  const auto first = bench.counter();
  const auto second = bench.counter();
  const auto qp = bench.qp();
  EXPECT_EQ(bench.attach(first, qp, kSend), kSuccess);
  EXPECT_EQ(bench.attach(first, qp, kSend | kSendError), kIllegal);
  EXPECT_EQ(bench.attach(first, qp, kSendError), kSuccess);
  EXPECT_EQ(bench.attach(second, qp, kSend), kSuccess);
}

TEST(AttachEventCounter, ServesSeveralQueuePairs) {
  Bench bench;
  const auto counter = bench.counter();
  EXPECT_EQ(bench.attach(counter, bench.qp(), kSend), kSuccess);
  EXPECT_EQ(bench.attach(counter, bench.qp(), kSend), kSuccess);
}

TEST(DetachEventCounter, NeedsTheSameCounterQueuePairAndEvents) {
  Bench bench;
  const auto counter = bench.counter();
  const auto other = bench.counter();
  const auto qp = bench.qp();
  bench.attach(counter, qp, kSend | kRead);
  EXPECT_EQ(bench.detach(counter, qp, kSend), kIllegal);
  EXPECT_EQ(bench.detach(other, qp, kSend | kRead), kIllegal);
  EXPECT_EQ(bench.detach(counter, qp + 1, kSend | kRead), kIllegal);
  EXPECT_EQ(bench.detach(counter, qp, kSend | kRead), kSuccess);
  EXPECT_EQ(bench.detach(counter, qp, kSend | kRead), kIllegal);
}

TEST(DestroyEventCounter, IsRefusedWhileAttached) {
  Bench bench;
  const auto counter = bench.counter();
  const auto qp = bench.qp();
  bench.attach(counter, qp, kSend);
  EXPECT_EQ(bench.destroy(counter), kBusy);
  bench.detach(counter, qp, kSend);
  EXPECT_EQ(bench.destroy(counter), kSuccess);
  EXPECT_EQ(bench.destroy(counter), kIllegal);
}

TEST(DestroyEventCounter, IsPossibleAfterTheQueuePairIsGone) {
  Bench bench;
  const auto counter = bench.counter();
  const auto qp = bench.qp();
  bench.attach(counter, qp, kSend);
  bench.attach(counter, qp, kRead);
  bench.destroy_qp(qp);
  EXPECT_EQ(bench.destroy(counter), kSuccess);
}

TEST(EventCounters, KeepTheirUarBusy) {
  Bench bench;
  const auto counter = bench.counter();
  EXPECT_EQ(bench.dealloc_uar(bench.owner), kBusy);
  bench.destroy(counter);
  EXPECT_EQ(bench.dealloc_uar(bench.owner), kSuccess);
}

}  // namespace
}  // namespace efa::emu::test
