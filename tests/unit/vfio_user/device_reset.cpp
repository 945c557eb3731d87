// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DEVICE_RESET, and the other ways to a reset: a function-level reset by a write to the
/// configuration space, and a client that goes away.
#include "client.hpp"
#include "efa_hw.h"

namespace efa::emu::vfio_user::test {
namespace {

constexpr std::uint64_t kDeviceControl = 0x40 + PCI_EXP_DEVCTL;

class DeviceResetMessage : public Greeted {
 protected:
  void SetUp() override {
    Greeted::SetUp();
    become_bus_master();
    ASSERT_EQ(dma_map(0, 1 << 20, &file_), 0);
    ASSERT_EQ(store<std::uint32_t>(0, EFA_REG_AQ_BASE_LO, 0x1000), 0);
  }
  std::uint16_t control() {
    return load<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, kDeviceControl);
  }
  FileDescriptor file_ = memory_file(1 << 20);
};

TEST_F(DeviceResetMessage, ClearsRegistersAndConfiguration) {
  EXPECT_EQ(error_of(Command::kDeviceReset, {}), 0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0u);
  EXPECT_EQ(load<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND), 0u);
}

TEST_F(DeviceResetMessage, LeavesMemoryAndEventfdsOfTheClient) {
  const FileDescriptor eventfd = event();
  connect_vector(1, eventfd);
  EXPECT_EQ(error_of(Command::kDeviceReset, {}), 0);
  EXPECT_EQ(function_->memory().ranges(), 1u);
  function_->vectors().signal(1);
  EXPECT_EQ(signals_of(eventfd), 1u);
}

TEST_F(DeviceResetMessage, EndsBusMastering) {
  std::uint32_t value;
  EXPECT_TRUE(function_->memory().read(0, &value, sizeof value));
  EXPECT_EQ(error_of(Command::kDeviceReset, {}), 0);
  EXPECT_FALSE(function_->memory().read(0, &value, sizeof value));
}

TEST_F(DeviceResetMessage, ForgetsInterruptsThatNobodyTook) {
  const FileDescriptor eventfd = event();
  function_->vectors().signal(1);
  EXPECT_EQ(error_of(Command::kDeviceReset, {}), 0);
  connect_vector(1, eventfd);
  EXPECT_EQ(signals_of(eventfd), 0u);
}

// Guests reset by this bit (reset_method "flr"); the server has to do it.
TEST_F(DeviceResetMessage, HasATwinInTheConfigurationSpace) {
  EXPECT_EQ(store<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, kDeviceControl,
                                 static_cast<std::uint16_t>(control() | PCI_EXP_DEVCTL_BCR_FLR)),
            0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0u);
  EXPECT_EQ(control() & PCI_EXP_DEVCTL_BCR_FLR, 0) << "the bit reads 0";
}

TEST_F(DeviceResetMessage, IsNotTriggeredByNeighbouringBits) {
  EXPECT_EQ(store<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, kDeviceControl, 0x7fff), 0);
  EXPECT_EQ(store<std::uint8_t>(VFIO_PCI_CONFIG_REGION_INDEX, kDeviceControl, 0x80), 0);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0x1000u);
}

// A pulled device answers all ones and takes nothing; plugged in again, it is a new one.
TEST_F(DeviceResetMessage, HappensWhenTheDeviceIsPulledOut) {
  function_->set_plugged(false);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_VERSION), ~0u);
  EXPECT_EQ(load<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID), 0xffff);
  EXPECT_EQ(store<std::uint32_t>(0, EFA_REG_AQ_BASE_LO, 0x5000), 0);
  function_->set_plugged(true);
  EXPECT_EQ(load<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID), EFA_PCI_VENDOR);
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0u);
}

TEST_F(DeviceResetMessage, HappensWhenTheClientLeaves) {
  const std::size_t before = open_descriptors();
  store<std::uint32_t>(2, 0, 0xffffffff);
  store<std::uint32_t>(4, 0, 0xffffffff);
  session_.reset();
  mine_.reset();
  EXPECT_LT(open_descriptors(), before);
  EXPECT_EQ(function_->memory().ranges(), 0u);
  EXPECT_EQ(function_->device().environment().llq[0], std::byte{0});
  EXPECT_EQ(*function_->device().doorbell_word(0), 0u);

  connect();
  greet();
  EXPECT_EQ(load<std::uint32_t>(0, EFA_REG_AQ_BASE_LO), 0u);
  EXPECT_EQ(load<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID), EFA_PCI_VENDOR);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
