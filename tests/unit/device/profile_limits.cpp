// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/profile_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "efa_hw.h"

namespace efa::emu {
namespace {

using ::testing::HasSubstr;

Profile changed(std::string_view name, std::uint64_t value) {
  Profile profile = *find_profile("efa2");
  EXPECT_TRUE(set_limit(profile, name, value)) << name;
  return profile;
}

TEST(ProfileLimits, ChangeNumbersAndCapabilities) {
  EXPECT_EQ(changed("sub_cqs_per_cq", 2).sub_cqs_per_cq, 2);
  EXPECT_EQ(changed("max_tx_batch", 4).max_tx_batch, 4);
  EXPECT_EQ(changed("max_eq", 0).max_eq, 0u);
  EXPECT_FALSE(changed("rdma_write", 0).has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK));
  EXPECT_TRUE(changed("rdma_write", 0).has(EFA_DEVICE_ATTR_RDMA_READ_MASK));
  EXPECT_TRUE(changed("sq_64_bit_req_id", 1).has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK));
}

TEST(ProfileLimits, BringTheFeatureThatTellsThem) {
  EXPECT_FALSE(changed("max_qp", 16).queue_attr_2);
  EXPECT_TRUE(changed("inline_buf_size_ex", EFA_INLINE_128).queue_attr_2);
}

TEST(ProfileLimits, RefuseWhatNoDeviceCanHave) {
  Profile profile = *find_profile("efa2");
  EXPECT_THAT(set_limit(profile, "sub_cqs_per_cq", 0).error().cure, HasSubstr("give 1 to 8"));
  EXPECT_THAT(set_limit(profile, "max_sq_depth", 65536).error().what, HasSubstr("65536"));
  EXPECT_THAT(set_limit(profile, "speed", 1).error().cure, HasSubstr("max_tx_batch"));
}

TEST(ProfileLimits, LeaveTheGenerationItselfAlone) {
  const auto profile = adjusted_profile("efa3", {{"max_qp", 7}, {"rdma_read", 0}});
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->max_qp, 7u);
  EXPECT_NE(find_profile("efa3")->max_qp, 7u);
  EXPECT_FALSE(adjusted_profile("efa9", {}));
}

}  // namespace
}  // namespace efa::emu
