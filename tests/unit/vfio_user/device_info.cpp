// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DEVICE_GET_INFO
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

using DeviceInfoMessage = Greeted;

TEST_F(DeviceInfoMessage, DescribesAPciDeviceThatCanBeReset) {
  const Answer answer =
      ask(Command::kDeviceGetInfo, bytes_of(DeviceInfo{sizeof(DeviceInfo), 0, 0, 0}));
  const auto info = answer.body<DeviceInfo>();
  EXPECT_EQ(answer.payload.size(), sizeof info);
  EXPECT_EQ(info.argsz, sizeof info);
  EXPECT_EQ(info.flags, std::uint32_t{VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI});
  EXPECT_EQ(info.regions, std::uint32_t{VFIO_PCI_NUM_REGIONS});
  EXPECT_EQ(info.irqs, std::uint32_t{VFIO_PCI_NUM_IRQS});
}

TEST_F(DeviceInfoMessage, ThatIsTooShortIsRefused) {
  EXPECT_EQ(error_of(Command::kDeviceGetInfo, Bytes(15)), EINVAL);
  EXPECT_EQ(error_of(Command::kDeviceGetInfo, {}), EINVAL);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
