// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "datapath/transfer.hpp"

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// Memory that only copies can reach, as that of other processes.
class DistantMemory final : public DmaSpace {
 public:
  std::byte* map(DmaAddr, std::size_t) noexcept override { return nullptr; }
  bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept override {
    return memory.gather(from, out);
  }
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override {
    return memory.scatter(to, in);
  }
  ArrayMemory memory{8 << 20};
};

constexpr std::uint64_t kBytes = 1'000'003;

void fill(ArrayMemory& memory, DmaAddr addr, std::uint64_t bytes) {
  for (std::uint64_t i = 0; i < bytes; ++i)
    memory.at<std::uint8_t>(addr + i) = static_cast<std::uint8_t>(i * 31 + (i >> 9));
}

/// `bytes` bytes at `addr` in uneven pieces.
std::vector<DmaSegment> pieces(DmaAddr addr, std::uint64_t bytes, std::uint64_t step) {
  std::vector<DmaSegment> out;
  for (std::uint64_t at = 0; at < bytes; at += step) {
    out.push_back({addr + at, std::min(step, bytes - at)});
    if (out.size() % 3 == 0) out.push_back({0, 0});
  }
  return out;
}

class TransferBetween : public testing::TestWithParam<std::tuple<bool, bool, int, int>> {};

TEST_P(TransferBetween, CopiesEveryByteInOrder) {
  const auto [from_distant, to_distant, from_step, to_step] = GetParam();
  DistantMemory from;
  DistantMemory to;
  DmaSpace& source = from_distant ? static_cast<DmaSpace&>(from) : from.memory;
  DmaSpace& target = to_distant ? static_cast<DmaSpace&>(to) : to.memory;
  const DmaAddr a = from.memory.allocate(kBytes);
  const DmaAddr b = to.memory.allocate(kBytes + 1);
  fill(from.memory, a, kBytes);
  const auto in = pieces(a, kBytes, static_cast<std::uint64_t>(from_step));
  const auto out = pieces(b, kBytes, static_cast<std::uint64_t>(to_step));
  Transfer transfer;
  ASSERT_EQ(transfer.copy({&source, in, nullptr, kBytes}, {&target, out, nullptr, kBytes}),
            CopyResult::kDone);
  EXPECT_EQ(std::memcmp(&from.memory.at<std::byte>(a), &to.memory.at<std::byte>(b), kBytes), 0);
  EXPECT_EQ(to.memory.at<std::uint8_t>(b + kBytes), 0);

  from.memory.hide(a + kBytes - 1, 1);
  EXPECT_EQ(transfer.copy({&source, in, nullptr, kBytes}, {&target, out, nullptr, kBytes}),
            CopyResult::kSourceFault);
  from.memory.hide(0, 0);
  to.memory.hide(b + kBytes - 1, 1);
  EXPECT_EQ(transfer.copy({&source, in, nullptr, kBytes}, {&target, out, nullptr, kBytes}),
            CopyResult::kTargetFault);
}

INSTANTIATE_TEST_SUITE_P(Spaces, TransferBetween,
                         testing::Combine(testing::Bool(), testing::Bool(),
                                          testing::Values(1 << 30, 4096, 1000),
                                          testing::Values(1 << 30, 4096, 777)));

TEST(Transfer, WithinOneHostMayOverlap) {
  ArrayMemory memory(1 << 20);
  const DmaAddr at = memory.allocate(8192);
  fill(memory, at, 4096);
  std::vector<std::byte> before(4096);
  std::memcpy(before.data(), &memory.at<std::byte>(at), 4096);
  const auto in = pieces(at, 4096, 4096);
  const auto shifted = pieces(at + 100, 4096, 4096);
  const auto split = pieces(at + 200, 4096, 1000);
  Transfer transfer;
  EXPECT_EQ(transfer.copy({&memory, in, nullptr, 4096}, {&memory, shifted, nullptr, 4096}),
            CopyResult::kDone);
  EXPECT_EQ(std::memcmp(&memory.at<std::byte>(at + 100), before.data(), 4096), 0);
  EXPECT_EQ(transfer.copy({&memory, shifted, nullptr, 4096}, {&memory, split, nullptr, 4096}),
            CopyResult::kDone);
  EXPECT_EQ(std::memcmp(&memory.at<std::byte>(at + 200), before.data(), 4096), 0);
}

TEST(Transfer, OfNothingTouchesNothing) {
  ArrayMemory memory(1 << 20);
  Transfer transfer;
  EXPECT_EQ(transfer.copy({&memory, {}, nullptr, 0}, {&memory, {}, nullptr, 0}), CopyResult::kDone);
}

// --- Long transfers through the data path

TEST(LongTransfer, MovesEveryByteOfSixtyFourMiB) {
  for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE}) {
    Pair pair;
    const std::uint32_t length = 64 << 20;
    const Region local = pair.left().region(length);
    const Region remote = pair.right().region(length);
    (op == EFA_SEND_OP_TYPE_RDMA_READ ? remote : local).fill(3);
    pair.a.post(Wqe(op, pair.to_b).remote(remote, length).sge(local, length));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
    EXPECT_TRUE(local.same(remote, length));
  }
}

TEST(LongTransfer, DoesNotHoldUpShortMessagesOfOthers) {
  Pair pair("efa2", {.depth = 256});
  const std::uint32_t length = 32 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  for (int i = 0; i < 32; ++i)
    pair.a.stage(write_to(pair.to_b).remote(remote, length).sge(local, length));
  pair.a.ring_sq();
  Qp& other = pair.left().qp();
  Qp& target = pair.right().qp();
  const Address to = pair.left().address_of(target);
  for (std::uint16_t i = 0; i < 20; ++i) {
    const std::uint64_t before = pair.left().stats().tx_bytes;
    target.post_recv(i, remote, 64);
    other.post(send_to(to, i).inlined("x"));
    ASSERT_TRUE(pair.rig.pass());
    ASSERT_EQ(other.send_cq->only().id(), i);
    EXPECT_LE(pair.left().stats().tx_bytes - before, 8u << 20);
  }
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->drain().size(), 32u);
}

TEST(LongTransfer, SharesTheDeviceEvenly) {
  Pair pair;
  const std::uint32_t length = 32 << 20;
  const Region local = pair.left().region(length);
  const Region remote = pair.right().region(length);
  std::vector<Qp*> qps;
  for (int i = 0; i < 8; ++i) {
    qps.push_back(&pair.left().qp());
    qps.back()->post(write_to(pair.to_b).remote(remote, length).sge(local, length));
  }
  // All finish within one round of one another.
  while (pair.left().stats().write_wrs == 0) ASSERT_TRUE(pair.rig.pass());
  for (int i = 0; i < 2; ++i) pair.rig.pass();
  EXPECT_EQ(pair.left().stats().write_wrs, 8u);
}

TEST(LongTransfer, OfOneGiBIsAllowed) {
  Pair pair;
  const std::uint32_t length = pair.left().rig.device.profile().max_rdma_size;
  // One page of memory, presented many times: what counts is the length.
  const auto shrunk = [&](Node& node) {
    const DmaAddr page = node.rig.memory.allocate(4096);
    const std::uint64_t pages = length / 4096;
    const DmaAddr list = node.rig.memory.allocate(pages * 8);
    for (std::uint64_t i = 0; i < pages; ++i)
      node.rig.memory.at<std::uint64_t>(list + i * 8) = page;
    efa_reg_mr_cmd cmd = node.rig.mr_command(node.pd, 0x10'0000'0000, length);
    efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
    cmd.pbl.pbl.length = static_cast<std::uint32_t>(pages * 8);
    efa_mem_addr_set(&cmd.pbl.pbl.address, list);
    return node.rig.reg_mr(cmd).body.l_key;
  };
  const auto lkey = shrunk(pair.left());
  const auto rkey = shrunk(pair.right());
  pair.a.post(
      write_to(pair.to_b).remote(0x10'0000'0000, length, rkey).sge(0x10'0000'0000, length, lkey));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.right().stats().write_recv_bytes, length);
}

// --- A host and itself

TEST(Loopback, QueuePairSendsToItself) {
  FabricRig rig(1);
  Qp& self = rig[0].qp();
  const Region memory = rig[0].region(8192);
  const Address to = rig[0].address_of(self);
  memory.put("to myself");
  self.post_recv(2, memory, 64, 4096);
  self.post(send_to(to, 1).sge(memory, 9));
  rig.settle();
  EXPECT_EQ(self.send_cq->only().id(), 1);
  const Cqe cqe = self.recv_cq->only();
  EXPECT_EQ(cqe.id(), 2);
  EXPECT_EQ(cqe.ah(), to.ah);
  EXPECT_EQ(memory.text(4096, 9), "to myself");
}

TEST(Loopback, RdmaWorksBothWaysAndMayOverlap) {
  FabricRig rig(1);
  Qp& a = rig[0].qp();
  Qp& b = rig[0].qp();
  const std::uint32_t length = 300'000;
  const Region memory = rig[0].region(2 * length);
  const Address to = rig[0].address_of(b);
  memory.fill(8);
  const std::string before = memory.text(0, length);
  a.post(write_to(to).remote(memory, length, length).sge(memory, length));
  rig.settle();
  EXPECT_EQ(memory.text(length, length), before);
  a.post(read_from(to).remote(memory, length).sge(memory, length, 1000));
  rig.settle();
  EXPECT_EQ(memory.text(1000, length), before);
  for (const Cqe& cqe : a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
}

TEST(Loopback, DatagramWorks) {
  FabricRig rig(1);
  Qp& self = rig[0].qp({.type = EFA_QP_TYPE_UD});
  const Region memory = rig[0].region(4096);
  self.post_recv(2, memory, 64);
  self.post(send_to(rig[0].address_of(self)).inlined("x"));
  rig.settle();
  EXPECT_EQ(self.recv_cq->only().length(), 41u);
}

}  // namespace
}  // namespace efa::emu::test
