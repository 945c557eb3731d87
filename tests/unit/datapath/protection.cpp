// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Keys, domains, ranges and rights of every buffer that an operation names.
#include <gtest/gtest.h>

#include <functional>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// Buffers that the queue pairs of a Pair may not use, by what is wrong with them.
struct BadBuffer {
  const char* name;
  std::function<RecvSge(Node&)> make;
};

std::vector<BadBuffer> bad_buffers() {
  return {
      {"no such key", [](Node&) { return RecvSge(0x1000, 8, 0xfffff); }},
      {"old generation",
       [](Node& n) {
         const Region r = n.region(4096);
         return RecvSge(r.addr, 8, r.key + 0x100000);
       }},
      {"deregistered",
       [](Node& n) {
         const Region r = n.region(4096);
         n.rig.dereg_mr(r.key);
         return RecvSge(r.addr, 8, r.key);
       }},
      {"other domain",
       [](Node& n) {
         const Region r = n.region(4096, 7, n.rig.pd());
         return RecvSge(r, 8);
       }},
      {"begins before",
       [](Node& n) {
         const Region r = n.region(4096);
         return RecvSge(r.addr - 1, 8, r.key);
       }},
      {"ends behind",
       [](Node& n) {
         const Region r = n.region(4096);
         return RecvSge(r.addr + 4089, 8, r.key);
       }},
      {"wraps around",
       [](Node& n) {
         const Region r = n.region(4096);
         return RecvSge(~std::uint64_t{0} - 3, 8, r.key);
       }},
      {"not activated",
       [](Node& n) {
         efa_alloc_mr_cmd cmd{};
         cmd.pd = n.pd;
         cmd.max_pages = 4;
         const auto key = n.rig.execute<efa_alloc_mr_resp>(EFA_AQ_OPCODE_ALLOC_MR, cmd).body.l_key;
         return RecvSge(0, 8, key);
       }},
      {"memory is gone",
       [](Node& n) {
         const Region r = n.region(4096);
         n.rig.memory.hide(r.addr, 4096);
         return RecvSge(r, 8);
       }},
  };
}

class Protection : public testing::Test {
 protected:
  efa_comp_status status(const Wqe& wqe) {
    pair.a.post(wqe);
    pair.rig.settle();
    return pair.a.send_cq->only().status();
  }

  Pair pair;
  Region local = pair.left().region(4096);
  Region remote = pair.right().region(4096);
};

TEST_F(Protection, OfEverySendBuffer) {
  for (const BadBuffer& bad : bad_buffers()) {
    const RecvSge sge = bad.make(pair.left());
    pair.b.post_recv(1, remote, 64);
    EXPECT_EQ(status(send_to(pair.to_b).sge(sge.addr, 8, sge.key)),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY)
        << bad.name;
    EXPECT_EQ(status(send_to(pair.to_b).sge(local, 8).sge(sge.addr, 8, sge.key)),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY)
        << bad.name << ", second";
    EXPECT_EQ(status(send_to(pair.to_b).sge(sge.addr, 8, sge.key).sge(local, 8)),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY)
        << bad.name << ", first";
  }
  EXPECT_TRUE(pair.b.recv_cq->drain().empty());
  EXPECT_EQ(pair.b.device_side().rq.consumed, 0);
}

TEST_F(Protection, OfTheLocalBufferOfRdma) {
  for (const BadBuffer& bad : bad_buffers()) {
    const RecvSge sge = bad.make(pair.left());
    EXPECT_EQ(status(write_to(pair.to_b).remote(remote, 8).sge(sge.addr, 8, sge.key)),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY)
        << bad.name;
    EXPECT_EQ(status(read_from(pair.to_b).remote(remote, 8).sge(sge.addr, 8, sge.key)),
              EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY)
        << bad.name;
  }
}

TEST_F(Protection, OfEveryReceiveBuffer) {
  for (const BadBuffer& bad : bad_buffers()) {
    const RecvSge sge = bad.make(pair.right());
    for (const std::vector<RecvSge>& sges :
         {std::vector<RecvSge>{sge}, {{remote, 64}, sge}, {sge, {remote, 64}}}) {
      // Memory that vanished is noticed only where it is written.
      const bool touched = std::string(bad.name) != "memory is gone" || sges[0].key == sge.key;
      pair.b.post_recv(4, sges);
      EXPECT_EQ(status(send_to(pair.to_b).sge(local, 8)),
                touched ? EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS : EFA_COMP_STATUS_OK)
          << bad.name;
      const Cqe cqe = pair.b.recv_cq->only();
      EXPECT_EQ(cqe.status(),
                touched ? EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY : EFA_COMP_STATUS_OK);
      EXPECT_EQ(cqe.id(), 4);
    }
  }
}

TEST_F(Protection, OfTheRemoteBufferOfRdma) {
  for (const BadBuffer& bad : bad_buffers()) {
    const RecvSge sge = bad.make(pair.right());
    EXPECT_EQ(status(write_to(pair.to_b).remote(sge.addr, 8, sge.key).sge(local, 8)),
              EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS)
        << bad.name;
    EXPECT_EQ(status(read_from(pair.to_b).remote(sge.addr, 8, sge.key).sge(local, 8)),
              EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS)
        << bad.name;
  }
}

TEST_F(Protection, RemoteKeyCountsWithAll32Bits) {
  EXPECT_EQ(
      status(read_from(pair.to_b).remote(remote.addr, 8, remote.key | 0x01000000).sge(local, 8)),
      EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
}

TEST_F(Protection, ReservedBitsOfLocalKeysDoNotCount) {
  Wqe wqe = write_to(pair.to_b).remote(remote, 8).sge(local, 8);
  wqe.raw.data.rdma_req.local_mem.lkey |= 0x5a000000;
  EXPECT_EQ(status(wqe), EFA_COMP_STATUS_OK);
}

TEST_F(Protection, RightsAreThoseThatTheOperationNeeds) {
  enum : std::uint8_t { kNone = 0 };
  for (std::uint8_t rights = 0; rights < 8; ++rights) {
    const Region at_left = pair.left().region(4096, rights);
    const Region at_right = pair.right().region(4096, rights);
    const auto expect = [&](bool allowed, efa_comp_status otherwise) {
      return allowed ? EFA_COMP_STATUS_OK : otherwise;
    };
    pair.b.post_recv(1, remote, 64);
    EXPECT_EQ(status(send_to(pair.to_b).sge(at_left, 8)), EFA_COMP_STATUS_OK);
    EXPECT_EQ(status(write_to(pair.to_b).remote(remote, 8).sge(at_left, 8)), EFA_COMP_STATUS_OK);
    EXPECT_EQ(status(read_from(pair.to_b).remote(remote, 8).sge(at_left, 8)),
              expect(rights & kLocalWrite, EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY));
    EXPECT_EQ(status(read_from(pair.to_b).remote(at_right, 8).sge(local, 8)),
              expect(rights & kRemoteRead, EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS));
    EXPECT_EQ(status(write_to(pair.to_b).remote(at_right, 8).sge(local, 8)),
              expect(rights & kRemoteWrite, EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS));
    pair.b.post_recv(1, at_right, 64);
    EXPECT_EQ(status(send_to(pair.to_b).sge(local, 8)),
              expect(rights & kLocalWrite, EFA_COMP_STATUS_REMOTE_ERROR_BAD_STATUS));
    pair.b.recv_cq->drain();
  }
}

TEST_F(Protection, RemoteRegionMustBelongToTheDomainOfTheTargetQueuePair) {
  const std::uint16_t other = pair.right().rig.pd();
  Qp& target = pair.right().qp({.pd = other});
  const Region theirs = pair.right().region(4096, 7, other);
  const Address to = pair.left().address_of(target);
  EXPECT_EQ(status(read_from(to).remote(remote, 8).sge(local, 8)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  EXPECT_EQ(status(read_from(to).remote(theirs, 8).sge(local, 8)), EFA_COMP_STATUS_OK);
}

TEST_F(Protection, WholeRangeIsCheckedBeforeAnyByteMoves) {
  local.fill(1);
  EXPECT_EQ(status(write_to(pair.to_b).remote(remote.addr + 96, 4096, remote.key).sge(local, 4096)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  EXPECT_EQ(remote.text(0, 4096), std::string(4096, '\0'));
}

TEST_F(Protection, UnmappedPageInTheMiddleEndsInAnError) {
  const Region large = pair.left().region(3 * 4096);
  const Region target = pair.right().region(3 * 4096);
  pair.left().rig.memory.hide(large.addr + 4096, 4096);
  EXPECT_EQ(status(write_to(pair.to_b).remote(target, 3 * 4096).sge(large, 3 * 4096)),
            EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  pair.left().rig.memory.hide(0, 0);
  pair.right().rig.memory.hide(target.addr + 4096, 4096);
  EXPECT_EQ(status(write_to(pair.to_b).remote(target, 3 * 4096).sge(large, 3 * 4096)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  EXPECT_EQ(status(read_from(pair.to_b).remote(target, 3 * 4096).sge(large, 3 * 4096)),
            EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
}

TEST(ProtectionUnderWay, DeregistrationOfEitherSideEndsALongTransfer) {
  const std::uint32_t length = 16 << 20;
  for (const bool at_requester : {true, false}) {
    for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE}) {
      Pair pair;
      const Region local = pair.left().region(length);
      const Region remote = pair.right().region(length);
      pair.a.post(Wqe(op, pair.to_b).remote(remote, length).sge(local, length));
      pair.rig.pass();
      Node& node = at_requester ? pair.left() : pair.right();
      node.rig.dereg_mr(at_requester ? local.key : remote.key);
      pair.rig.settle();
      EXPECT_EQ(pair.a.send_cq->only().status(), at_requester
                                                     ? EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY
                                                     : EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
    }
  }
}

TEST(ProtectionUnderWay, DeregistrationWhilePacketsAreUnderWay) {
  for (const bool at_requester : {true, false}) {
    Pair pair(impaired({.delay = kMillisecond}));
    const Region local = pair.left().region(100'000);
    const Region remote = pair.right().region(100'000);
    pair.a.post(write_to(pair.to_b).remote(remote, 100'000).sge(local, 100'000));
    pair.rig.settle();
    Node& node = at_requester ? pair.left() : pair.right();
    node.rig.dereg_mr(at_requester ? local.key : remote.key);
    pair.rig.finish();
    EXPECT_EQ(pair.a.send_cq->only().status(), at_requester
                                                   ? EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY
                                                   : EFA_COMP_STATUS_REMOTE_ERROR_BAD_ADDRESS);
  }
}

}  // namespace
}  // namespace efa::emu::test
