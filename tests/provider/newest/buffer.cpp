// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What libibverbs 65 does itself on top of the provider: buffers, extended registration, port
/// speed (spec verbs V9, V38).
#include "../station.hpp"

namespace efa::provider_test {
namespace {

class Buffer : public ProviderTest {};

TEST_F(Buffer, V9_the_port_has_a_speed) {
  std::uint64_t speed = 0;
  ASSERT_EQ(ibv_query_port_speed(context.get(), 1, &speed), 0);
  const std::uint32_t part = generation().part_id;
  EXPECT_EQ(speed, part >= 0xefa4 ? 4000u : part >= 0xefa3 ? 2000u : 1000u);
}

TEST_F(Buffer, V9_what_an_older_kernel_says_is_passed_on) {
  for (const int error : {EPROTONOSUPPORT, ENOTTY}) {
    const Interception old([&](const VerbsCall&) { return error; });
    std::uint64_t speed = 0;
    EXPECT_EQ(ibv_query_port_speed(context.get(), 1, &speed), error)
        << "as stock libraries pass it on";
  }
}

TEST_F(Buffer, V38_of_libibverbs_can_be_registered_and_used) {
  ibv_buf* buffer = nullptr;
  void* at = ibv_alloc_buf(pd.get(), 8192, &buffer);
  ASSERT_NE(at, nullptr) << std::strerror(errno);
  const Mr mr(ibv_reg_buf_mr(pd.get(), buffer, at, 8192, IBV_ACCESS_LOCAL_WRITE));
  ASSERT_TRUE(mr) << std::strerror(errno);
  Station self = station();
  const Destination to = self.from(self);
  self.fill(0, 64, 5);
  ibv_sge segment{reinterpret_cast<std::uint64_t>(at), 64, mr->lkey};
  ibv_recv_wr wr{1, nullptr, &segment, 1};
  ibv_recv_wr* bad = nullptr;
  ASSERT_EQ(ibv_post_recv(self.qp(), &wr, &bad), 0);
  ASSERT_EQ(self.post_send(2, to, 0, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
  EXPECT_SUCCESS(self.next_received(), 1u);
  EXPECT_EQ(std::memcmp(at, self.at(0), 64), 0);
  ibv_mr* registered = const_cast<Mr&>(mr).release();
  EXPECT_EQ(ibv_dereg_mr(registered), 0);
  ibv_free_buf(buffer);
}

TEST_F(Buffer, V38_extended_registration_takes_plain_memory_and_no_DMA_handle) {
  std::vector<std::uint8_t> memory(8192);
  ibv_mr_init_attr attr{};
  attr.length = memory.size();
  attr.access = IBV_ACCESS_LOCAL_WRITE;
  attr.addr = memory.data();
  attr.comp_mask = IBV_REG_MR_MASK_ADDR;
  EXPECT_TRUE(Mr(ibv_reg_mr_ex(pd.get(), &attr))) << std::strerror(errno);
  attr.comp_mask |= IBV_REG_MR_MASK_DMAH;
  EXPECT_EQ(ibv_reg_mr_ex(pd.get(), &attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

}  // namespace
}  // namespace efa::provider_test
