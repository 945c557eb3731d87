// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_REGION_READ
#include "client.hpp"
#include "efa_hw.h"

namespace efa::emu::vfio_user::test {
namespace {

using RegionReadMessage = Greeted;

int error_in(const Answer& answer) {
  return (answer.header.flags & kError) != 0 ? static_cast<int>(answer.header.error) : 0;
}

TEST_F(RegionReadMessage, EchoesWhatItAnswers) {
  const auto access = read(0, EFA_REG_CAPS, 4).body<RegionAccess>();
  EXPECT_EQ(access.offset, std::uint64_t{EFA_REG_CAPS});
  EXPECT_EQ(access.region, 0u);
  EXPECT_EQ(access.count, 4u);
}

// Drivers use no loads; the debugger of a guest does (device-regs R1).
TEST_F(RegionReadMessage, OfARegisterOfAnyWidthGivesItsBytes) {
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_VERSION), std::uint32_t{EFA_API_VERSION_BASE});
  const auto caps = load<std::uint32_t>(0, EFA_REG_CAPS);
  EXPECT_NE(efa_reg_caps_reset_timeout(caps), 0u);
  EXPECT_EQ(load<std::uint8_t>(0, EFA_REG_CAPS + 1), caps >> 8 & 0xff);
  EXPECT_EQ(load<std::uint16_t>(0, EFA_REG_CAPS + 1), caps >> 8 & 0xffff);
  EXPECT_EQ(load<std::uint64_t>(0, EFA_REG_CONTROLLER_VERSION) >> 32, caps);
}

TEST_F(RegionReadMessage, GivesTheConfigurationSpaceAtOnce) {
  const Answer answer = read(VFIO_PCI_CONFIG_REGION_INDEX, 0, 4096);
  ASSERT_EQ(answer.payload.size(), sizeof(RegionAccess) + 4096);
  std::uint16_t vendor;
  std::memcpy(&vendor, answer.payload.data() + sizeof(RegionAccess), sizeof vendor);
  EXPECT_EQ(vendor, EFA_PCI_VENDOR);
}

TEST_F(RegionReadMessage, OfTheMsixTableGivesZeroes) {
  EXPECT_EQ(load<std::uint64_t>(1, 0), 0u);
}

TEST_F(RegionReadMessage, UpToTheEndOfTheRegionWorks) {
  EXPECT_EQ(error_in(read(0, (16 << 10) - 4, 4)), 0);
  EXPECT_EQ(error_in(read(0, (16 << 10) - 4, 5)), EINVAL);
  EXPECT_EQ(error_in(read(0, 16 << 10, 0)), 0);
  EXPECT_EQ(error_in(read(0, (16 << 10) + 1, 0)), EINVAL);
  EXPECT_EQ(error_in(read(4, ~std::uint64_t{0}, 4)), EINVAL) << "the sum wraps around";
}

TEST_F(RegionReadMessage, OfMoreThanAgreedIsRefused) {
  EXPECT_EQ(error_in(read(2, 0, 4096)), 0);
  EXPECT_EQ(error_in(read(2, 0, 4097)), EINVAL);
  EXPECT_EQ(error_in(read(2, 0, ~0u)), EINVAL);
}

TEST_F(RegionReadMessage, OfNoRegionIsRefused) {
  for (const std::uint32_t region : {3u, 5u, 6u, 8u, 9u, ~0u})
    EXPECT_EQ(error_in(read(region, 0, 4)), EINVAL) << "region " << region;
}

TEST_F(RegionReadMessage, ThatIsTooShortIsRefused) {
  EXPECT_EQ(error_of(Command::kRegionRead, Bytes(15)), EINVAL);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
