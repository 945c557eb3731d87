// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

TEST(RdmaRead, FetchesRemoteBytesWithoutTheTargetNoticing) {
  Pair pair;
  const Region local = pair.left().region(8192);
  const Region remote = pair.right().region(8192);
  remote.fill(9);
  pair.a.post(read_from(pair.to_b, 4).remote(remote, 6000, 100).sge(local, 6000, 50));
  pair.rig.settle();
  const Cqe cqe = pair.a.send_cq->only();
  EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(cqe.op(), EFA_SEND_OP_TYPE_RDMA_READ);
  EXPECT_EQ(cqe.id(), 4);
  EXPECT_EQ(std::memcmp(local.bytes() + 50, remote.bytes() + 100, 6000), 0);
  EXPECT_EQ(local.bytes()[49], std::byte{0});
  EXPECT_EQ(local.bytes()[6050], std::byte{0});
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
}

TEST(RdmaRead, NeverTakesAReceiveWhateverItsImmediateBit) {
  Pair pair;
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  pair.b.post_recv(1, remote, 64);
  pair.a.post(read_from(pair.to_b).imm(5).remote(remote, 64).sge(local, 64));
  Qp& no_receives = pair.right().qp();
  pair.a.post(
      read_from(pair.left().address_of(no_receives)).imm(5).remote(remote, 64).sge(local, 64));
  pair.rig.settle();
  for (const Cqe& cqe : pair.a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  EXPECT_EQ(pair.b.device_side().rq.consumed, 0);
}

TEST(RdmaRead, OfAWideWqeIgnoresItsGarbageTail) {
  Pair pair("efa3", {.wide = true});
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  remote.put("wide");
  Wqe wqe = read_from(pair.to_b).remote(remote, 4).sge(local, 4);
  std::memset(reinterpret_cast<std::byte*>(&wqe.raw) + 64, 0xff, 64);
  pair.a.post(wqe);
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(local.text(0, 4), "wide");
}

TEST(RdmaRead, InlineDoesNotExist) {
  Pair pair("efa3", {.wide = true});
  const Region remote = pair.right().region(4096);
  pair.a.post(read_from(pair.to_b).remote(remote, 4).inlined("abcd"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
}

TEST(RdmaWrite, PlacesBytesWithoutTheTargetNoticing) {
  Pair pair;
  const Region local = pair.left().region(8192);
  const Region remote = pair.right().region(8192);
  local.fill(4);
  pair.b.post_recv(1, remote, 64);
  pair.a.post(write_to(pair.to_b, 8).remote(remote, 5000, 1000).sge(local, 5000));
  pair.rig.settle();
  const Cqe cqe = pair.a.send_cq->only();
  EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(cqe.op(), EFA_SEND_OP_TYPE_RDMA_WRITE);
  EXPECT_EQ(std::memcmp(remote.bytes() + 1000, local.bytes(), 5000), 0);
  EXPECT_EQ(remote.bytes()[999], std::byte{0});
  EXPECT_EQ(remote.bytes()[6000], std::byte{0});
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  EXPECT_EQ(pair.b.device_side().rq.consumed, 0);
}

TEST(RdmaWrite, WithImmediateConsumesAReceiveAndLeavesItsBuffer) {
  Pair pair;
  const Region local = pair.left().region(200'000);
  const Region remote = pair.right().region(200'000);
  const Region buffer = pair.right().region(4096);
  local.fill(1);
  pair.b.post_recv(21, {{buffer, 8}, {buffer, 8, 8}});
  pair.a.post(write_to(pair.to_b).imm(77).remote(remote, 150'000).sge(local, 150'000));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  const Cqe cqe = pair.b.recv_cq->only();
  EXPECT_EQ(cqe.op(), EFA_SEND_OP_TYPE_RDMA_WRITE);
  EXPECT_EQ(cqe.id(), 21);
  EXPECT_TRUE(cqe.has_imm());
  EXPECT_EQ(cqe.imm(), 77u);
  EXPECT_EQ(cqe.length(), 150'000u);
  EXPECT_FALSE(cqe.unsolicited());
  EXPECT_EQ(cqe.source_qp(), pair.a.number);
  EXPECT_EQ(pair.b.device_side().rq.consumed, 2);
  EXPECT_EQ(buffer.text(0, 16), std::string(16, '\0'));
  EXPECT_TRUE(local.same(remote, 150'000));
}

TEST(RdmaWrite, UnsolicitedImmediateConsumesNoReceive) {
  Pair pair("efa2", {.unsolicited = true});
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  pair.b.post_recv(3, remote, 64);
  pair.a.post(write_to(pair.to_b).imm(7).remote(remote, 16).sge(local, 16));
  pair.rig.settle();
  const Cqe cqe = pair.b.recv_cq->only();
  EXPECT_TRUE(cqe.unsolicited());
  EXPECT_EQ(cqe.id(), 0);
  EXPECT_EQ(cqe.imm(), 7u);
  EXPECT_EQ(pair.b.device_side().rq.consumed, 0);
}

TEST(RdmaWrite, InlineNeedsAWideWqe) {
  Pair pair("efa3", {.wide = true});
  Qp& narrow = pair.left().qp();
  const Region remote = pair.right().region(4096);
  const std::string data(80, 'w');
  pair.a.post(write_to(pair.to_b).remote(remote, 80, 10).inlined(data));
  narrow.post(write_to(pair.to_b).remote(remote, 4, 200).inlined("nope"));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(narrow.send_cq->only().status(), EFA_COMP_STATUS_LOCAL_ERROR_UNSUPPORTED_OP);
  EXPECT_EQ(remote.text(10, 80), data);
  EXPECT_EQ(remote.text(200, 4), std::string(4, '\0'));
}

TEST(RdmaWrite, InlineWithImmediateOfNoBytes) {
  Pair pair("efa3", {.wide = true});
  const Region buffer = pair.right().region(4096);
  pair.b.post_recv(2, buffer, 64);
  pair.a.post(write_to(pair.to_b).imm(1).remote(0, 0, 0).inlined(""));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(pair.b.recv_cq->only().length(), 0u);
}

TEST(Rdma, OfNoBytesChecksNoKey) {
  Pair pair;
  pair.a.post(read_from(pair.to_b).remote(0xdead, 0, 0xffffffff));
  pair.a.post(read_from(pair.to_b).remote(0xdead, 0, 0xffffffff).sge(0, 0, 0xffffff));
  pair.a.post(write_to(pair.to_b).remote(0xdead, 0, 0xffffffff));
  pair.a.post(write_to(pair.to_b).remote(0xdead, 0, 0xffffffff).sge(0, 0, 0xffffff));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 4u);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
}

TEST(Rdma, LengthsOfBothSidesMustAgree) {
  Pair pair;
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  pair.a.post(read_from(pair.to_b).remote(remote, 8).sge(local, 9));
  pair.a.post(write_to(pair.to_b).remote(remote, 9).sge(local, 8));
  pair.a.post(write_to(pair.to_b).remote(remote, 9));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 3u);
  for (const Cqe& cqe : cqes) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
}

TEST(Rdma, KeyIsNeededOnlyWhereBytesAre) {
  Pair pair;
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096, kRemoteRead);
  pair.a.post(read_from(pair.to_b).remote(remote, 4096).sge(local, 4096));
  pair.rig.settle();
  EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_OK);
}

TEST(Rdma, BetweenOldestAndNewerDevicesIsAFeatureMismatch) {
  for (const auto& [from, to] :
       {std::pair{"efa0", "efa1"}, std::pair{"efa1", "efa0"}, std::pair{"efa2", "efa0"}}) {
    Topology topology = uniform_topology(2, 1, from);
    topology.hosts[1].generation = to;
    Pair pair(topology);
    const Region local = pair.left().region(4096);
    const Region remote = pair.right().region(4096);
    pair.a.post(read_from(pair.to_b).remote(remote, 8).sge(local, 8));
    pair.rig.settle();
    EXPECT_EQ(pair.a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH);
  }
}

TEST(Rdma, WriteToADeviceWithoutTheFeatureIsAFeatureMismatch) {
  Topology topology = uniform_topology(2, 1, "efa2");
  topology.hosts[1].generation = "efa1";
  Pair pair(topology);
  const Region local = pair.left().region(4096);
  const Region remote = pair.right().region(4096);
  pair.a.post(write_to(pair.to_b, 1).remote(remote, 8).sge(local, 8));
  pair.a.post(read_from(pair.to_b, 2).remote(remote, 8).sge(local, 8));
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 2u);
  EXPECT_EQ(cqes[0].status(), EFA_COMP_STATUS_REMOTE_ERROR_FEATURE_MISMATCH);
  EXPECT_EQ(cqes[1].status(), EFA_COMP_STATUS_OK);
}

TEST(Rdma, NeedsAnAddressHandleAtTheTarget) {
  FabricRig rig(2);
  Qp& a = rig[0].qp();
  Qp& b = rig[1].qp();
  const Region local = rig[0].region(4096);
  const Region remote = rig[1].region(4096);
  const Address to = rig[0].address_of(b);
  a.post(read_from(to).remote(remote, 8).sge(local, 8));
  rig.settle();
  EXPECT_EQ(a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER);
  const std::uint16_t known = rig[1].ah(rig[0]);
  a.post(read_from(to).remote(remote, 8).sge(local, 8));
  rig.settle();
  EXPECT_EQ(a.send_cq->only().status(), EFA_COMP_STATUS_OK);
  rig[1].rig.destroy_ah(known, rig[1].pd);
  a.post(read_from(to).remote(remote, 8).sge(local, 8));
  rig.settle();
  EXPECT_EQ(a.send_cq->only().status(), EFA_COMP_STATUS_REMOTE_ERROR_UNKNOWN_PEER);
}

}  // namespace
}  // namespace efa::emu::test
