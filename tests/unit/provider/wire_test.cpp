// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Words as the provider puts them together, against structures filled by the accessors of
/// kernel/hw.
#include "wire.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>
#include <tuple>

#include "cq.hpp"

namespace efa {
namespace {

template <class T>
std::array<std::uint64_t, sizeof(T) / 8> words_of(const T& structure) {
  std::array<std::uint64_t, sizeof(T) / 8> words;
  std::memcpy(words.data(), &structure, sizeof(structure));
  return words;
}

TEST(Wire, WordsOfASendAreThoseOfItsStructure) {
  efa_tx_meta_desc meta{};
  efa_tx_meta_desc_set_meta_desc(&meta, 1);
  efa_tx_meta_desc_set_first(&meta, 1);
  efa_tx_meta_desc_set_last(&meta, 1);
  efa_tx_meta_desc_set_comp_req(&meta, 1);
  EXPECT_EQ(words_of(meta)[0], meta::kAlways);
  efa_tx_meta_desc_set_phase(&meta, 1);
  EXPECT_EQ(words_of(meta)[0], meta::kAlways | meta::kPhase);
  efa_tx_meta_desc_set_has_imm(&meta, 1);
  efa_tx_meta_desc_set_inline_msg(&meta, 1);
  efa_tx_meta_desc_set_op_type(&meta, EFA_SEND_OP_TYPE_RDMA_WRITE);
  efa_tx_meta_desc_set_processing_hints(&meta, EFA_PROCESSING_HINT_BURST_PPS_SENSITIVE);
  efa_tx_meta_desc_set_req_id64(&meta, 0x1122334455667788);
  meta.dest_qp_num = 0xabcd;
  meta.length = 0x0123;
  meta.immediate_data = 0x89abcdef;
  meta.ah = 0x4321;
  meta.qkey = 0x13579bdf;
  const auto words = words_of(meta);
  EXPECT_EQ(words[0], meta::kAlways | meta::kPhase | meta::kHasImm | meta::kInline |
                          in_word(meta::kCtrl1,
                                  EFA_SEND_OP_TYPE_RDMA_WRITE << EFA_TX_META_DESC_OP_TYPE_SHIFT) |
                          in_word(meta::kReqId, 0x7788) | in_word(meta::kDestQpNum, 0xabcd) |
                          in_word(meta::kLength, 0x0123));
  EXPECT_EQ(words[1], in_word(meta::kImmediate, 0x89abcdef) | in_word(meta::kAh, 0x4321) |
                          in_word(meta::kCtrl3, EFA_PROCESSING_HINT_BURST_PPS_SENSITIVE));
  EXPECT_EQ(words[2], in_word(meta::kQkey, 0x13579bdf));
  EXPECT_EQ(words[3], in_word(meta::kReqIdEx, 0x112233445566));
  EXPECT_EQ(words[3], std::uint64_t{0x1122334455667788} >> 16 << 16) << "as posts write it";
}

TEST(Wire, WordsOfASegmentAreThoseOfItsStructure) {
  efa_tx_buf_desc segment{};
  segment.length = 0xdeadbeef;
  efa_tx_buf_desc_set_lkey(&segment, 0xabcdef);
  efa_tx_buf_desc_set_addr(&segment, 0x123456789abcdef0);
  EXPECT_EQ(words_of(segment)[0], segment_word(0xabcdef, 0xdeadbeef));
  EXPECT_EQ(words_of(segment)[1], 0x123456789abcdef0u);
}

TEST(Wire, WordsOfAReceiveDescriptorAreThoseOfItsStructure) {
  efa_rx_desc descriptor{};
  efa_rx_desc_set_addr(&descriptor, 0xfedcba9876543210);
  descriptor.req_id = 0x1357;
  descriptor.length = 0x2468;
  efa_rx_desc_set_lkey(&descriptor, 0x99aabb);
  efa_rx_desc_set_first(&descriptor, 1);
  efa_rx_desc_set_last(&descriptor, 1);
  EXPECT_EQ(words_of(descriptor)[0], 0xfedcba9876543210);
  EXPECT_EQ(
      words_of(descriptor)[1],
      descriptor_word(0x1357, 0x2468, 0x99aabb | EFA_RX_DESC_FIRST_MASK | EFA_RX_DESC_LAST_MASK));
}

TEST(Wire, FieldsOfACompletionAreReadFromItsWords) {
  efa_rx_cdesc_ex entry{};
  entry.base.common.req_id = 0x1122;
  entry.base.common.status = 17;
  efa_cdesc_common_set_phase(&entry.base.common, 1);
  efa_cdesc_common_set_has_imm(&entry.base.common, 1);
  entry.base.common.qp_num = 0x3344;
  entry.base.length = 0x5566;
  entry.base.ah = 0x7788;
  entry.base.src_qp_num = 0x99aa;
  entry.base.imm = 0xbbccddee;
  entry.u.rdma_write.length_hi = 0x0f0e;
  const auto words = words_of(entry);
  EXPECT_EQ(cqe::request_id(words[0]), 0x1122);
  EXPECT_EQ(cqe::status(words[0]), 17);
  EXPECT_FALSE(cqe::is_ok(words[0]));
  EXPECT_EQ(cqe::flags(words[0]), entry.base.common.flags);
  EXPECT_EQ(words[0] & kPhase, kPhase);
  EXPECT_EQ(cqe::qp_number(words[0]), 0x3344);
  EXPECT_EQ(cqe::length(words[0]), 0x5566);
  EXPECT_EQ(cqe::ah(words[1]), 0x7788);
  EXPECT_EQ(cqe::source_qp(words[1]), 0x99aa);
  EXPECT_EQ(cqe::immediate(words[1]), 0xbbccddee);
  EXPECT_EQ(cqe::length_high(words[2]), 0x0f0e);
  entry.base.common.status = EFA_COMP_STATUS_OK;
  EXPECT_TRUE(cqe::is_ok(words_of(entry)[0]));
}

TEST(Wire, ASendCompletionCarriesSixtyFourBits) {
  efa_tx_cdesc entry{};
  efa_tx_cdesc_set_req_id64(&entry, 0x0123456789abcdef);
  entry.common.qp_num = 0xffff;
  entry.common.status = 0xff;
  const auto words = words_of(entry);
  EXPECT_EQ(cqe::wide_request_id(words[0], words[1]), 0x0123456789abcdefu);
}

TEST(Wire, EveryKindOfCompletionHasItsOpcode) {
  // Spec verbs V76, by queue and operation; what is not here is invalid.
  const std::map<std::tuple<unsigned, bool>, unsigned> specified = {
      {{EFA_QUEUE_TYPE_SEND_QUEUE, false}, IBV_WC_SEND},
      {{EFA_QUEUE_TYPE_SEND_QUEUE, true}, IBV_WC_RDMA_WRITE},
      {{EFA_QUEUE_TYPE_RECV_QUEUE, false}, IBV_WC_RECV},
      {{EFA_QUEUE_TYPE_RECV_QUEUE, true}, IBV_WC_RECV_RDMA_WITH_IMM},
  };
  for (unsigned flags = 0; flags < 256; ++flags) {
    efa_rx_cdesc_ex entry{};
    entry.base.common.flags = static_cast<std::uint8_t>(flags);
    const bool write = efa_cdesc_common_op_type(&entry.base.common) == EFA_SEND_OP_TYPE_RDMA_WRITE;
    const auto found = specified.find({efa_cdesc_common_q_type(&entry.base.common), write});
    const unsigned expected = found == specified.end() ? cqe::kInvalid : found->second;
    EXPECT_EQ(cqe::kOpcodes[cqe::kind(words_of(entry)[0])], expected) << "flags " << flags;
  }
}

TEST(Wire, CopiesToTheDeviceAreComplete) {
  alignas(64) std::byte from[128], to[128 + 16];
  for (std::size_t i = 0; i < sizeof(from); ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
  std::memset(to, 0, sizeof(to));
  copy_to_device<128>(to, from);
  EXPECT_EQ(std::memcmp(to, from, 128), 0);
  EXPECT_EQ(to[128], std::byte{0});
}

}  // namespace
}  // namespace efa
