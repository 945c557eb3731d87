// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_REGION_WRITE
#include "client.hpp"
#include "efa_hw.h"

namespace efa::emu::vfio_user::test {
namespace {

using RegionWriteMessage = Greeted;

TEST_F(RegionWriteMessage, StoresToARegister) {
  EXPECT_EQ(store<std::uint32_t>(0, EFA_REG_AQ_BASE_LO, 0xcafe1000), 0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0xcafe1000u);
}

TEST_F(RegionWriteMessage, OfEightBytesIsTwoRegisters) {
  EXPECT_EQ(store<std::uint64_t>(0, EFA_REG_AQ_BASE_LO, 0x1122334455667788), 0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0x55667788u);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_HI), 0x11223344u);
}

TEST_F(RegionWriteMessage, ThatIsNarrowOrCrookedMeansNothingToRegisters) {
  store<std::uint32_t>(0, EFA_REG_AQ_BASE_LO, 0x1000);
  EXPECT_EQ(store<std::uint16_t>(0, EFA_REG_AQ_BASE_LO, 0xffff), 0);
  EXPECT_EQ(store<std::uint32_t>(0, EFA_REG_AQ_BASE_LO + 2, 0xffffffff), 0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0x1000u);
}

TEST_F(RegionWriteMessage, ReachesTheLlqMemory) {
  EXPECT_EQ(store<std::uint64_t>(2, 4096, 0xa5a5a5a5a5a5a5a5), 0);
  EXPECT_EQ(function_->device().environment().llq[4100], std::byte{0xa5});
}

TEST_F(RegionWriteMessage, ToADoorbellLandsInItsWord) {
  EXPECT_EQ(store<std::uint32_t>(4, 8, 77), 0);
  EXPECT_EQ(*function_->device().doorbell_word(8), 77u);
  EXPECT_EQ(function_->accesses().doorbells, 1u);
  EXPECT_EQ(store<std::uint32_t>(4, 10, 78), 0) << "crooked: ignored";
  EXPECT_EQ(*function_->device().doorbell_word(8), 77u);
}

TEST_F(RegionWriteMessage, ToTheMsixTableMeansNothingHere) {
  EXPECT_EQ(store<std::uint32_t>(1, 0, 1), 0);
}

TEST_F(RegionWriteMessage, BeyondTheRegionIsRefused) {
  EXPECT_EQ(store<std::uint32_t>(0, (16 << 10) - 3, 1), EINVAL);
  EXPECT_EQ(store<std::uint32_t>(4, ~std::uint64_t{0} - 1, 1), EINVAL);
  EXPECT_EQ(store<std::uint32_t>(VFIO_PCI_CONFIG_REGION_INDEX, 4094, 1), EINVAL);
  EXPECT_EQ(store<std::uint32_t>(3, 0, 1), EINVAL);
}

TEST_F(RegionWriteMessage, WithFewerBytesThanItCountsIsRefused) {
  EXPECT_EQ(
      error_of(Command::kRegionWrite, bytes_of(RegionAccess{0, 0, 8}, bytes_of(std::uint32_t{1}))),
      EINVAL);
  EXPECT_EQ(error_of(Command::kRegionWrite, bytes_of(RegionAccess{0, 0, ~0u})), EINVAL);
  EXPECT_EQ(error_of(Command::kRegionWrite, Bytes(15)), EINVAL);
}

TEST_F(RegionWriteMessage, WithoutReplyWantedIsDoneInOrder) {
  const auto write = [this](std::uint32_t value) {
    send(Command::kRegionWrite, bytes_of(RegionAccess{EFA_REG_AQ_BASE_LO, 0, 4}, bytes_of(value)),
         {}, kNoReply);
  };
  write(1);
  write(2);
  write(3);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 3u);  // its reply is the first one
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
