// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

TEST(Send, ArrivesWithItsBytesAndCompletesOnBothSides) {
  Pair pair;
  const Region from = pair.left().region(4096);
  const Region to = pair.right().region(4096);
  from.put("hello");
  pair.b.post_recv(7, to, 4096);
  pair.a.post(send_to(pair.to_b, 3).sge(from, 5));
  pair.rig.settle();

  const Cqe sent = pair.a.send_cq->only();
  EXPECT_EQ(sent.status(), EFA_COMP_STATUS_OK);
  EXPECT_TRUE(sent.is_send());
  EXPECT_EQ(sent.op(), EFA_SEND_OP_TYPE_SEND);
  EXPECT_EQ(sent.id(), 3);
  EXPECT_EQ(sent.qp(), pair.a.number);
  EXPECT_FALSE(sent.has_imm());
  EXPECT_FALSE(sent.unsolicited());

  const Cqe received = pair.b.recv_cq->only();
  EXPECT_EQ(received.status(), EFA_COMP_STATUS_OK);
  EXPECT_FALSE(received.is_send());
  EXPECT_EQ(received.op(), EFA_SEND_OP_TYPE_SEND);
  EXPECT_EQ(received.id(), 7);
  EXPECT_EQ(received.qp(), pair.b.number);
  EXPECT_EQ(received.length(), 5u);
  EXPECT_EQ(received.source_qp(), pair.a.number);
  EXPECT_FALSE(received.has_imm());
  EXPECT_EQ(to.text(0, 5), "hello");
}

}  // namespace
}  // namespace efa::emu::test
