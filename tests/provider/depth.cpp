// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// How deep queues can be (spec verbs V114, V115).
#include "station.hpp"

namespace efa::provider_test {
namespace {

class Depth : public ProviderTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(api().get_max_sq_depth != nullptr, level() >= 63);
    ASSERT_EQ(api().get_max_rq_depth != nullptr, level() >= 63);
  }
  bool there() { return api().get_max_sq_depth != nullptr; }
  int send(const efadv_sq_depth_attr& attr, std::uint32_t inlen = sizeof(efadv_sq_depth_attr)) {
    efadv_sq_depth_attr copy = attr;
    return api().get_max_sq_depth(context.get(), &copy, inlen);
  }
  int receive(std::uint32_t sges, std::uint32_t inlen = sizeof(efadv_rq_depth_attr),
              std::uint64_t comp_mask = 0) {
    efadv_rq_depth_attr attr{};
    attr.comp_mask = comp_mask;
    attr.max_recv_sge = sges;
    return api().get_max_rq_depth(context.get(), &attr, inlen);
  }
  /// What a queue pair of these properties really gets.
  bool creatable(std::uint32_t send_wr, std::uint32_t inline_data, std::uint32_t recv_wr,
                 std::uint32_t recv_sge, std::uint16_t flags = 0) {
    const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
    return Qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(),
                        {.send_wr = send_wr,
                         .recv_wr = recv_wr,
                         .recv_sge = recv_sge,
                         .inline_data = inline_data,
                         .flags = flags})) != nullptr;
  }
};

TEST_F(Depth, V114_of_send_queues_can_be_created_and_not_more) {
  if (!there()) return;
  const efadv_device_attr limits = efa_attributes_of(context.get());
  const int narrow = send({0, 0, 1, 1, 0});
  ASSERT_GT(narrow, 0);
  EXPECT_EQ(narrow & (narrow - 1), 0) << "a power of two";
  EXPECT_EQ(send({0, 0, 1, 1, 32}), narrow);
  // Stock libraries think of the LLQ alone, not of max_sq_wr.
  EXPECT_EQ(creatable(static_cast<std::uint32_t>(narrow), 32, 1, 1),
            ours() || static_cast<std::uint32_t>(narrow) <= limits.max_sq_wr);
  EXPECT_FALSE(creatable(static_cast<std::uint32_t>(narrow) + 1, 32, 1, 1));
  if (limits.inline_buf_size_ex <= 32) {
    EXPECT_EQ(send({0, 0, 1, 1, 33}), -EINVAL);
    return;
  }
  const int wide = send({0, 0, 1, 1, 33});
  ASSERT_GT(wide, 0);
  EXPECT_LE(wide, narrow);
  EXPECT_TRUE(creatable(static_cast<std::uint32_t>(wide), 33, 1, 1));
  EXPECT_FALSE(creatable(static_cast<std::uint32_t>(wide) + 1, 33, 1, 1));
  EXPECT_EQ(send({0, 0, 1, 1, limits.inline_buf_size_ex}), wide);
  EXPECT_EQ(send({0, EFADV_SQ_DEPTH_ATTR_INLINE_WRITE, 1, 1, 0}), wide);
}

TEST_F(Depth, V114_of_send_queues_checks_its_attributes) {
  if (!there()) return;
  const efadv_device_attr limits = efa_attributes_of(context.get());
  EXPECT_EQ(send({0, 0, 1, 1, 0}, 20), -EINVAL);
  if (ours()) {
    EXPECT_EQ(send({0, 0, 1, 1, 0}, 23), -EINVAL);
  }
  EXPECT_EQ(send({1, 0, 1, 1, 0}), -EINVAL);
  EXPECT_EQ(send({0, 1 << 1, 1, 1, 0}) == -EINVAL, ours()) << "stock libraries ignore the flag";
  EXPECT_EQ(send({0, 0, limits.max_sq_sge + 1u, 1, 0}), -EINVAL);
  EXPECT_EQ(send({0, 0, 1, 2, 0}), -EINVAL);
  EXPECT_EQ(send({0, 0, 1, 1, limits.inline_buf_size_ex + 1u}), -EINVAL);
}

TEST_F(Depth, V115_of_receive_queues_can_be_created_and_not_more) {
  if (!there()) return;
  const efadv_device_attr limits = efa_attributes_of(context.get());
  for (const std::uint32_t sges : {1u, 2u, std::uint32_t{limits.max_rq_sge}}) {
    const int depth = receive(sges);
    ASSERT_EQ(depth, static_cast<int>(limits.max_rq_wr / sges)) << sges;
    EXPECT_TRUE(creatable(1, 0, static_cast<std::uint32_t>(depth), sges)) << sges;
    EXPECT_FALSE(creatable(1, 0, static_cast<std::uint32_t>(depth) + 1, sges)) << sges;
  }
}

TEST_F(Depth, V115_of_receive_queues_checks_its_attributes) {
  if (!there()) return;
  const efadv_device_attr limits = efa_attributes_of(context.get());
  if (ours())
    EXPECT_EQ(receive(0), -EINVAL);
  else  // B11 P1
    EXPECT_EXIT(receive(0), ::testing::KilledBySignal(SIGFPE), "");
  EXPECT_EQ(receive(limits.max_rq_sge + 1u), -EINVAL);
  if (ours()) {
    EXPECT_EQ(receive(1, 11), -EINVAL);
  }
  EXPECT_EQ(receive(1, 8), -EINVAL);
  EXPECT_EQ(receive(1, sizeof(efadv_rq_depth_attr), 1), -EINVAL);
  EXPECT_GT(receive(1, 12), 0);
}

}  // namespace
}  // namespace efa::provider_test
