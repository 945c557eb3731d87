// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The tables of spec efa-rdm-protocol 10, row by row.
#include "wire/choose.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace efa::rdm::test {
namespace {

using How = Choice::How;
using enum PacketType;

constexpr std::size_t kMtu = 8928;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAll = Features::kAlways | Features::kRdmaRead | Features::kRdmaWrite;

/// Two equal hosts that know each other, host memory, defaults.
Question equal_hosts(std::uint64_t length) {
  Question q;
  q.length = length;
  q.mtu = kMtu;
  q.limits = memory_limits(MemoryType::kHost, kMtu);
  q.own = {Features(kAll), 0xefa1};
  q.peer = {.side = q.own, .known = true};
  q.option_flags = kFlagConnid;
  return q;
}

struct Row {
  const char* what;
  std::uint64_t length;
  std::function<void(Question&)> change;
  Choice expected;
};

Choice packet(PacketType type, std::uint64_t runt = 0) {
  return {How::kPackets, type, runt};
}

void no_change(Question& q) {
  (void)q;
}
void dc(Question& q) {
  q.delivery_complete = true;
}
void tagged(Question& q) {
  q.tagged = true;
}
void stranger(Question& q) {
  q.peer = {};
}
void no_rdma(Question& q) {
  q.own.features = Features(Features::kAlways);
}
void peer_without(Question& q, std::uint64_t bits) {
  q.peer.side.features = Features(kAll & ~bits);
}
std::function<void(Question&)> gpu(std::uint64_t in_flight = 0) {
  return [in_flight](Question& q) {
    q.limits = memory_limits(MemoryType::kGpu, q.mtu);
    q.runt_bytes_in_flight = in_flight;
  };
}

void check(const std::vector<Row>& rows, Choice (*choose)(const Question&)) {
  for (const Row& row : rows) {
    Question q = equal_hosts(row.length);
    row.change(q);
    const Choice choice = choose(q);
    EXPECT_EQ(static_cast<int>(choice.how), static_cast<int>(row.expected.how)) << row.what;
    EXPECT_EQ(static_cast<int>(choice.type), static_cast<int>(row.expected.type)) << row.what;
    EXPECT_EQ(choice.runt_length, row.expected.runt_length) << row.what;
  }
}

TEST(ChooseSend, ByLength) {
  check(
      {
          {"nothing", 0, no_change, packet(kEagerMsgRtm)},
          {"largest eager", kMtu - 12, no_change, packet(kEagerMsgRtm)},
          {"one more", kMtu - 11, no_change, packet(kMediumMsgRtm)},
          {"largest tagged eager", kMtu - 20, tagged, packet(kEagerTagRtm)},
          {"one more", kMtu - 19, tagged, packet(kMediumTagRtm)},
          {"largest eager with raw address", kMtu - 48,
           [](Question& q) { q.option_flags = kReqRawAddress; }, packet(kEagerMsgRtm)},
          {"one more", kMtu - 47, [](Question& q) { q.option_flags = kReqRawAddress; },
           packet(kMediumMsgRtm)},
          {"largest eager with CQ data", kMtu - 20,
           [](Question& q) { q.option_flags |= kReqCqData; }, packet(kEagerMsgRtm)},
          {"largest medium", 65536, no_change, packet(kMediumMsgRtm)},
          {"one more", 65537, no_change, packet(kLongCtsMsgRtm)},
          {"largest long-CTS", kMiB - 1, tagged, packet(kLongCtsTagRtm)},
          {"smallest read", kMiB, tagged, packet(kLongReadTagRtm)},
          {"everything", ~std::uint64_t{0}, no_change, packet(kLongReadMsgRtm)},
          {"everything, without reads", ~std::uint64_t{0}, no_rdma, packet(kLongCtsMsgRtm)},
      },
      choose_send);
}

TEST(ChooseSend, DeliveryComplete) {
  const auto injected = [](Question& q) {
    q.delivery_complete = true;
    q.inject = true;
  };
  const auto ignorant = [](Question& q) {
    q.delivery_complete = true;
    peer_without(q, Features::kDeliveryComplete);
  };
  check(
      {
          {"largest eager", kMtu - 20, dc, packet(kDcEagerMsgRtm)},
          {"one more", kMtu - 19, dc, packet(kDcMediumMsgRtm)},
          {"long-CTS", 100000, dc, packet(kDcLongCtsMsgRtm)},
          {"EOR implies delivery", kMiB, dc, packet(kLongReadMsgRtm)},
          {"inject has no receipt", 8, injected, packet(kEagerMsgRtm)},
          {"peer does not know it", 8, ignorant, {How::kUnsupported}},
          {"but reads", kMiB, ignorant, packet(kLongReadMsgRtm)},
          {"tagged", 8,
           [](Question& q) {
             dc(q);
             tagged(q);
           },
           packet(kDcEagerTagRtm)},
      },
      choose_send);
}

TEST(ChooseSend, ReadsOnlyWhereTheyArePossible) {
  check(
      {
          {"own side does not", kMiB, no_rdma, packet(kLongCtsMsgRtm)},
          {"peer does not", kMiB, [](Question& q) { peer_without(q, Features::kRdmaRead); },
           packet(kLongCtsMsgRtm)},
          {"no p2p", kMiB, [](Question& q) { q.p2p = false; }, packet(kLongCtsMsgRtm)},
          {"no registration", kMiB, [](Question& q) { q.registrable = false; },
           packet(kLongCtsMsgRtm)},
          {"a peer of the first generation", kMiB, [](Question& q) { q.peer.side.device = 0xefa0; },
           packet(kLongCtsMsgRtm)},
          {"both of the first generation", kMiB,
           [](Question& q) { q.own.device = q.peer.side.device = 0xefa0; },
           packet(kLongReadMsgRtm)},
          {"a later generation", kMiB, [](Question& q) { q.peer.side.device = 0xefa2; },
           packet(kLongReadMsgRtm)},
      },
      choose_send);
}

TEST(ChooseSend, RuntsFromDeviceMemory) {
  const std::uint64_t smallest = kMtu - 168 + 1;
  check(
      {
          {"eager below", smallest - 1, gpu(), packet(kEagerMsgRtm)},
          {"all of it in packets, aligned", smallest, gpu(),
           packet(kRuntReadMsgRtm, smallest / 64 * 64)},
          {"the runt size", kMiB, gpu(), packet(kRuntReadMsgRtm, 307200)},
          {"what is left of it", kMiB, gpu(307200 - 130), packet(kRuntReadMsgRtm, 128)},
          {"less than a unit left", kMiB, gpu(307200 - 63), packet(kLongReadMsgRtm)},
          {"nothing left", kMiB, gpu(307200), packet(kLongReadMsgRtm)},
          {"more in flight than allowed", kMiB, gpu(999999), packet(kLongReadMsgRtm)},
          {"another read in flight", kMiB,
           [](Question& q) {
             gpu()(q);
             q.read_in_flight = true;
           },
           packet(kLongReadMsgRtm)},
          {"delivery complete", kMiB,
           [](Question& q) {
             gpu()(q);
             dc(q);
           },
           packet(kLongReadMsgRtm)},
          {"peer does not know it", kMiB,
           [](Question& q) {
             gpu()(q);
             peer_without(q, Features::kRunt);
           },
           packet(kLongReadMsgRtm)},
          {"registration failed", kMiB,
           [](Question& q) {
             gpu()(q);
             q.registrable = false;
           },
           packet(kLongCtsMsgRtm)},
          {"neuron", kMiB,
           [](Question& q) {
             q.limits = memory_limits(MemoryType::kNeuron, kMtu);
             tagged(q);
           },
           packet(kRuntReadTagRtm, 131072)},
          {"synapse: reads everything", 1,
           [](Question& q) { q.limits = memory_limits(MemoryType::kSynapse, kMtu); },
           packet(kLongReadMsgRtm)},
      },
      choose_send);
}

TEST(ChooseSend, WaitsForTheHandshakeOnlyWhereTheTypeHasAFeature) {
  check(
      {
          {"eager", 8, stranger, packet(kEagerMsgRtm)},
          {"medium", 20000, stranger, packet(kMediumMsgRtm)},
          {"long-CTS", 100000, stranger, packet(kLongCtsMsgRtm)},
          {"read", kMiB, stranger, {How::kWait}},
          {"read, without RDMA here", kMiB,
           [](Question& q) {
             stranger(q);
             no_rdma(q);
           },
           packet(kLongCtsMsgRtm)},
          {"delivery complete",
           8,
           [](Question& q) {
             stranger(q);
             dc(q);
           },
           {How::kWait}},
      },
      choose_send);
}

TEST(ChooseSend, BareToAUserReceiveQp) {
  const auto zero_copy = [](Question& q) {
    q.peer.side.features = Features(kAll | Features::kUserRecvQp);
  };
  check(
      {
          {"small", 8, zero_copy, {How::kBare}},
          {"a whole packet", kMtu, zero_copy, {How::kBare}},
          {"more", kMtu + 1, zero_copy, {How::kTooLong}},
      },
      choose_send);
}

TEST(ChooseSend, ByTunables) {
  const auto tuned = [](Question& q) {
    const MemoryLimits host = {
        .runt_size = 4096, .max_medium = 10000, .min_read_message = 20000, .min_read_write = 1};
    q.limits = memory_limits(MemoryType::kHost, kMtu, host);
  };
  check(
      {
          {"medium", 10000, tuned, packet(kMediumMsgRtm)},
          {"long-CTS", 10001, tuned, packet(kLongCtsMsgRtm)},
          {"runting", 20000, tuned, packet(kRuntReadMsgRtm, 4096)},
      },
      choose_send);
}

TEST(ChooseWrite, TheDeviceWritesWhereBothCan) {
  const auto imm = [](Question& q) { q.option_flags |= kReqCqData; };
  const auto no_write = [](Question& q) { peer_without(q, Features::kRdmaWrite); };
  const auto self = [](Question& q) {
    no_rdma(q);
    q.peer = {.side = q.own, .known = true, .self = true};
  };
  check(
      {
          {"small", 8, no_change, {How::kDeviceWrite}},
          {"large", kMiB, no_change, {How::kDeviceWrite}},
          {"nothing", 0, no_change, {How::kDeviceWrite}},
          {"to itself", 8, self, {How::kDeviceWrite}},
          {"peer cannot", 8, no_write, packet(kEagerRtw)},
          {"this side cannot", 8, no_rdma, packet(kEagerRtw)},
          {"no p2p", 8, [](Question& q) { q.p2p = false; }, packet(kEagerRtw)},
          {"immediate", 8, imm, {How::kDeviceWrite}},
          {"immediate, two local iovs", 8,
           [&](Question& q) {
             imm(q);
             q.local_iovs = 2;
           },
           packet(kEagerRtw)},
          {"immediate, two remote iovs", 8,
           [&](Question& q) {
             imm(q);
             q.rma_iovs = 2;
           },
           packet(kEagerRtw)},
          {"two iovs without immediate",
           8,
           [](Question& q) { q.local_iovs = q.rma_iovs = 2; },
           {How::kDeviceWrite}},
          {"immediate, unsolicited only here", 8,
           [&](Question& q) {
             imm(q);
             q.own.features = Features(kAll | Features::kUnsolicitedWriteRecv);
           },
           packet(kEagerRtw)},
          {"immediate, unsolicited on both",
           8,
           [&](Question& q) {
             imm(q);
             q.own.features = q.peer.side.features =
                 Features(kAll | Features::kUnsolicitedWriteRecv);
           },
           {How::kDeviceWrite}},
          {"unknown peer", 8, stranger, {How::kWait}},
      },
      choose_write);
}

TEST(ChooseWrite, EmulatedByLength) {
  const auto emulated = [](Question& q) { peer_without(q, Features::kRdmaWrite); };
  const auto emulated_dc = [](Question& q) {
    peer_without(q, Features::kRdmaWrite);
    dc(q);
  };
  check(
      {
          {"largest eager", kMtu - 36, emulated, packet(kEagerRtw)},
          {"one more", kMtu - 35, emulated, packet(kLongCtsRtw)},
          {"largest eager, 4 iovs", kMtu - 108,
           [&](Question& q) {
             emulated(q);
             q.rma_iovs = 4;
           },
           packet(kEagerRtw)},
          {"one more", kMtu - 107,
           [&](Question& q) {
             emulated(q);
             q.rma_iovs = 4;
           },
           packet(kLongCtsRtw)},
          {"below read", 65535, emulated, packet(kLongCtsRtw)},
          {"read", 65536, emulated, packet(kLongReadRtw)},
          {"largest with receipt", kMtu - 44, emulated_dc, packet(kDcEagerRtw)},
          {"one more", kMtu - 43, emulated_dc, packet(kDcLongCtsRtw)},
          {"read, EOR implies delivery", 65536, emulated_dc, packet(kLongReadRtw)},
          {"peer does not know receipts",
           8,
           [](Question& q) {
             peer_without(q, Features::kRdmaWrite | Features::kDeliveryComplete);
             dc(q);
           },
           {How::kUnsupported}},
          {"everything", ~std::uint64_t{0}, [](Question& q) { no_rdma(q); }, packet(kLongCtsRtw)},
      },
      choose_write);
}

TEST(ChooseRead, ByAbilityAndLength) {
  check(
      {
          {"device", 8, no_change, {How::kDeviceRead}},
          {"nothing", 0, no_change, {How::kDeviceRead}},
          {"no RDMA here, nothing", 0, no_rdma, packet(kShortRtr)},
          {"largest short", kMtu - 25, no_rdma, packet(kShortRtr)},
          {"one more", kMtu - 24, no_rdma, packet(kLongCtsRtr)},
          {"no RDMA there", 8, [](Question& q) { peer_without(q, Features::kRdmaRead); },
           packet(kShortRtr)},
          {"devices that do not read each other", 8, [](Question& q) { q.own.device = 0xefa0; },
           packet(kShortRtr)},
          {"no p2p", kMiB, [](Question& q) { q.p2p = false; }, packet(kLongCtsRtr)},
          {"unknown peer", 8, stranger, {How::kWait}},
      },
      choose_read);
}

TEST(ChooseAtomic, ByForm) {
  const auto write = [](const Question& q) { return choose_atomic(q, AtomicForm::kWrite); };
  const auto fetch = [](const Question& q) { return choose_atomic(q, AtomicForm::kFetch); };
  const auto compare = [](const Question& q) { return choose_atomic(q, AtomicForm::kCompare); };
  check({{"plain", 8, no_change, packet(kWriteRta)},
         {"with receipt", 8, dc, packet(kDcWriteRta)},
         {"to a stranger", 8, stranger, packet(kWriteRta)},
         {"to a stranger with receipt",
          8,
          [](Question& q) {
            stranger(q);
            dc(q);
          },
          {How::kWait}},
         {"largest", 8776, no_change, packet(kWriteRta)},
         {"one more", 8777, no_change, {How::kTooLong}}},
        write);
  check({{"plain", 8, no_change, packet(kFetchRta)},
         {"is complete by nature", 8, dc, packet(kFetchRta)},
         {"largest", 8776, no_change, packet(kFetchRta)},
         {"one more", 8777, no_change, {How::kTooLong}}},
        fetch);
  check({{"plain", 8, dc, packet(kCompareRta)},
         {"largest", 4388, no_change, packet(kCompareRta)},
         {"one more", 4389, no_change, {How::kTooLong}}},
        compare);
}

TEST(MemoryLimits, AreThoseOfTheTable) {
  const MemoryLimits host = memory_limits(MemoryType::kHost, kMtu);
  EXPECT_EQ(host.runt_size, 0U);
  EXPECT_EQ(host.max_medium, 65536U);
  EXPECT_EQ(host.min_read_message, 1048576U);
  EXPECT_EQ(host.min_read_write, 65536U);
  EXPECT_EQ(host.alignment, 8U);
  const MemoryLimits gpu_limits = memory_limits(MemoryType::kGpu, kMtu, {}, true);
  EXPECT_EQ(gpu_limits.runt_size, 307200U);
  EXPECT_EQ(gpu_limits.max_medium, 0U);
  EXPECT_EQ(gpu_limits.min_read_message, 8761U);
  EXPECT_EQ(gpu_limits.min_read_write, 8761U);
  EXPECT_EQ(gpu_limits.alignment, 128U);
  EXPECT_EQ(memory_limits(MemoryType::kGpu, kMtu).alignment, 64U);
  EXPECT_EQ(memory_limits(MemoryType::kNeuron, kMtu).alignment, 8U);
}

TEST(MediumPlan, TilesEveryMessageInNearlyEqualSegments) {
  for (std::uint64_t length = 1; length < 70000; length += length < 20000 ? 1 : 97)
    for (const std::uint32_t alignment : {8U, 64U, 128U}) {
      constexpr std::uint64_t capacity = kMtu - 36;
      const MediumPlan plan = plan_medium(length, capacity, alignment);
      ASSERT_GT(plan.count, 0U) << length;
      ASSERT_EQ((plan.count - 1) * plan.size + plan.last, length) << length;
      ASSERT_GT(plan.last, 0U) << length;
      ASSERT_LE(plan.last, capacity) << length;
      ASSERT_LE(plan.size, capacity) << length;
      if (plan.count > 1) {
        ASSERT_EQ(plan.size % alignment, 0U) << length;
      }
      ASSERT_LE(plan.count, (length + capacity - 1) / capacity + 1) << length;
    }
}

TEST(MediumPlan, IsTheArithmeticOfTheSpecification) {
  const MediumPlan even = plan_medium(17728, 8892, 8);
  EXPECT_EQ(even.count, 2U);
  EXPECT_EQ(even.size, 8864U);
  EXPECT_EQ(even.last, 8864U);
  const MediumPlan joined = plan_medium(17731, 8892, 8);  // ceil(17731 / 2) = 8866, down to 8864
  EXPECT_EQ(joined.count, 2U);
  EXPECT_EQ(joined.last, 8867U);
  const MediumPlan apart = plan_medium(17783, 8892, 8);  // 8892, down to 8888: 7 are left
  EXPECT_EQ(apart.count, 3U);
  EXPECT_EQ(apart.last, 7U);
  const MediumPlan multiple = plan_medium(2 * 8892, 8892, 8);
  EXPECT_EQ(multiple.size, 8888U) << "two packets would do, were it not for the alignment";
  EXPECT_EQ(multiple.last, 8U);
  const MediumPlan filled = plan_medium(17784, 8896, 8);
  EXPECT_EQ(filled.count, 2U);
  EXPECT_EQ(filled.last, 8896U);
}

}  // namespace
}  // namespace efa::rdm::test
