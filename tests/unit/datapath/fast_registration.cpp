// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Fast registration and invalidation by WQE (device-io I3.4).
#include <gtest/gtest.h>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

constexpr std::uint32_t kGeneration = 1u << EFA_FRWR_KEY_GEN_SHIFT;
constexpr std::uint64_t kIova = 0x7000'0000;

class FastRegistration : public testing::Test {
 protected:
  FastRegistration() : key(allocate(pair.left().pd)), page(pair.left().rig.memory.allocate(4096)) {}

  std::uint32_t allocate(std::uint16_t pd, std::uint32_t pages = 4) {
    efa_alloc_mr_cmd cmd{};
    cmd.pd = pd;
    cmd.max_pages = pages;
    const auto answer = pair.left().rig.execute<efa_alloc_mr_resp>(EFA_AQ_OPCODE_ALLOC_MR, cmd);
    EXPECT_TRUE(answer.ok());
    return answer.body.l_key;
  }

  static efa_fast_mr_reg_req body(std::uint32_t key, std::uint64_t length = 4096) {
    efa_fast_mr_reg_req req{};
    req.lkey = key;
    req.permissions = kLocalWrite | kRemoteWrite | kRemoteRead;
    efa_fast_mr_reg_req_set_phys_page_size_shift(&req, 12);
    req.iova = kIova;
    req.mr_length = length;
    return req;
  }
  static Wqe reg(const efa_fast_mr_reg_req& req, std::uint16_t id = 0) {
    Wqe wqe(EFA_SEND_OP_TYPE_FAST_REG, {}, id);
    std::memcpy(wqe.raw.data.inline_data, &req, sizeof req);
    return wqe;
  }
  Wqe inline_reg(std::uint32_t as, std::uint16_t id = 0) const {
    efa_fast_mr_reg_req req = body(as);
    req.pbl.inline_array[0] = page;
    return reg(req, id);
  }
  static Wqe inv(std::uint32_t key, std::uint16_t id = 0) {
    Wqe wqe(EFA_SEND_OP_TYPE_FAST_INV, {}, id);
    efa_fast_mr_inv_req req{};
    req.lkey = key;
    std::memcpy(wqe.raw.data.inline_data, &req, sizeof req);
    return wqe;
  }
  Wqe use(std::uint32_t as, std::uint16_t id = 0) const {
    return send_to(pair.to_b, id).sge(kIova + 8, 4, as);
  }
  efa_comp_status status(const Wqe& wqe) {
    pair.a.post(wqe);
    pair.rig.settle();
    const Cqe cqe = pair.a.send_cq->only();
    EXPECT_EQ(cqe.op(), efa_tx_meta_desc_op_type(&wqe.raw.meta));
    return cqe.status();
  }

  Pair pair;
  Region to = pair.right().region(4096);
  std::uint32_t key;
  DmaAddr page;
};

TEST_F(FastRegistration, MakesTheKeyUsableForLaterWqesAtOnce) {
  std::memcpy(&pair.left().rig.memory.at<char>(page + 8), "fast", 4);
  pair.b.post_recv(1, to, 64);
  pair.a.stage(inline_reg(key + kGeneration, 1));
  pair.a.stage(use(key + kGeneration, 2));
  pair.a.ring_sq();
  pair.rig.settle();
  for (const Cqe& cqe : pair.a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(to.text(0, 4), "fast");
}

TEST_F(FastRegistration, MakesEarlierGenerationsInvalid) {
  EXPECT_EQ(status(inline_reg(key + kGeneration)), EFA_COMP_STATUS_OK);
  EXPECT_EQ(status(inline_reg(key + 2 * kGeneration)), EFA_COMP_STATUS_OK);
  pair.b.post_recv(1, to, 64);
  EXPECT_EQ(status(use(key + kGeneration)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  EXPECT_EQ(status(use(key + 2 * kGeneration)), EFA_COMP_STATUS_OK);
}

TEST_F(FastRegistration, TakesAListThatMayChangeAfterwards) {
  Rig& rig = pair.left().rig;
  const DmaAddr pages = rig.memory.allocate(3 * 4096);
  const DmaAddr list = rig.memory.allocate(4096);
  for (int i = 0; i < 3; ++i) rig.memory.at<std::uint64_t>(list + 8 * i) = pages + 4096 * (2 - i);
  efa_fast_mr_reg_req req = body(key, 3 * 4096);
  efa_fast_mr_reg_req_set_pbl_mode(&req, EFA_FRWR_PBL_MODE_DIRECT_PBL);
  req.pbl.dma_addr = list;
  EXPECT_EQ(status(reg(req)), EFA_COMP_STATUS_OK);
  std::memset(&rig.memory.at<std::byte>(list), 0, 24);
  std::memcpy(&rig.memory.at<char>(pages + 4096), "middle", 6);
  pair.b.post_recv(1, to, 64);
  EXPECT_EQ(status(send_to(pair.to_b).sge(kIova + 4096, 6, key)), EFA_COMP_STATUS_OK);
  EXPECT_EQ(to.text(0, 6), "middle");
}

TEST_F(FastRegistration, RightsAndRangeCount) {
  efa_fast_mr_reg_req req = body(key, 100);
  req.permissions = kRemoteRead;
  req.pbl.inline_array[0] = page;
  EXPECT_EQ(status(reg(req)), EFA_COMP_STATUS_OK);
  const Region remote = pair.right().region(4096);
  const auto read = [&](std::uint32_t length) {
    return read_from(pair.to_b).remote(remote, length).sge(kIova, length, key);
  };
  EXPECT_EQ(status(read(4)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  pair.b.post_recv(1, to, 256);
  EXPECT_EQ(status(send_to(pair.to_b).sge(kIova, 101, key)),
            EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  EXPECT_EQ(status(send_to(pair.to_b).sge(kIova, 100, key)), EFA_COMP_STATUS_OK);
}

TEST_F(FastRegistration, RefusesWhatDoesNotFitTheAllocation) {
  efa_fast_mr_reg_req req = body(key, 5 * 4096);
  efa_fast_mr_reg_req_set_pbl_mode(&req, EFA_FRWR_PBL_MODE_DIRECT_PBL);
  req.pbl.dma_addr = page;
  EXPECT_EQ(status(reg(req)), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_EQ(status(reg(body(key, 2 * 4096))), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_EQ(status(reg(body(key, 0))), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  EXPECT_EQ(status(reg(body(key, ~std::uint64_t{0}))), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  efa_fast_mr_reg_req tiny = body(key);
  efa_fast_mr_reg_req_set_phys_page_size_shift(&tiny, 3);
  EXPECT_EQ(status(reg(tiny)), EFA_COMP_STATUS_LOCAL_ERROR_BAD_LENGTH);
  req = body(key, 4 * 4096);
  efa_fast_mr_reg_req_set_pbl_mode(&req, EFA_FRWR_PBL_MODE_DIRECT_PBL);
  req.pbl.dma_addr = ArrayMemory::kUnmapped;
  EXPECT_EQ(status(reg(req)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(FastRegistration, RefusesKeysThatAreNotOfThisKindOrDomain) {
  const Region ordinary = pair.left().region(4096);
  const std::uint32_t foreign = allocate(pair.left().rig.pd());
  for (const std::uint32_t bad : {ordinary.key, foreign, 0xfffffu}) {
    EXPECT_EQ(status(inline_reg(bad)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
    EXPECT_EQ(status(inv(bad)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
  }
}

TEST_F(FastRegistration, IsNotForProcesses) {
  Node& node = pair.left();
  const std::uint16_t process = node.rig.uar();
  const std::uint16_t cq = node.rig.create_cq(node.rig.cq_command(process)).body.cq_idx;
  const efa_create_qp_cmd cmd = node.rig.qp_command(node.pd, process, cq);
  const auto made = node.rig.create_qp(cmd);
  node.rig.bring_up(made.body.qp_handle);
  const Wqe wqe = inline_reg(key);
  std::memcpy(node.rig.llq.data() + made.body.llq_descriptors_offset, &wqe.raw, 64);
  *node.rig.device.doorbell_word(made.body.sq_db_offset) = 1;
  pair.rig.settle();
  EXPECT_EQ(node.rig.device.find_qp(made.body.qp_num)->stats.errors, 1u);
  EXPECT_EQ(node.rig.device.find_mr(key), nullptr);
}

TEST_F(FastRegistration, InvalidationEndsTheUseOfTheKey) {
  EXPECT_EQ(status(inline_reg(key)), EFA_COMP_STATUS_OK);
  EXPECT_EQ(status(inv(key)), EFA_COMP_STATUS_OK);
  EXPECT_EQ(status(use(key)), EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY);
}

TEST_F(FastRegistration, InvalidationWaitsForEarlierWork) {
  EXPECT_EQ(status(inline_reg(key)), EFA_COMP_STATUS_OK);
  pair.a.post(use(key, 1));  // waits for a receive
  pair.a.post(inv(key, 2));
  pair.a.post(send_to({0x99, 0, 0}, 3));
  pair.rig.settle();
  EXPECT_TRUE(pair.a.send_cq->drain().empty());
  pair.b.post_recv(1, to, 64);
  pair.rig.settle();
  const auto cqes = pair.a.send_cq->drain();
  ASSERT_EQ(cqes.size(), 3u);
  for (std::uint16_t i = 0; i < 3; ++i) EXPECT_EQ(cqes[i].id(), i + 1);
  EXPECT_EQ(cqes[0].status(), EFA_COMP_STATUS_OK);
  EXPECT_EQ(cqes[1].status(), EFA_COMP_STATUS_OK);
}

TEST_F(FastRegistration, WaitingInvalidationIsFlushedWithTheRest) {
  EXPECT_EQ(status(inline_reg(key)), EFA_COMP_STATUS_OK);
  pair.a.post(use(key, 1));
  pair.a.post(inv(key, 2));
  pair.rig.settle();
  pair.a.modify(EFA_QP_STATE_ERR);
  for (const Cqe& cqe : pair.a.send_cq->drain()) EXPECT_EQ(cqe.status(), EFA_COMP_STATUS_FLUSHED);
  EXPECT_NE(pair.left().rig.device.find_mr(key), nullptr);
}

}  // namespace
}  // namespace efa::emu::test
