// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DEVICE_GET_REGION_INFO
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

constexpr std::uint32_t kReadWrite = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
constexpr std::uint32_t kMappable = kReadWrite | VFIO_REGION_INFO_FLAG_MMAP;

class RegionInfoMessage : public Greeted {
 protected:
  using Greeted::Greeted;
  Answer info(std::uint32_t index, std::uint32_t argsz = sizeof(RegionInfo)) {
    return ask(Command::kDeviceGetRegionInfo, bytes_of(RegionInfo{argsz, 0, index, 0, 0, 0}));
  }
};

class RegionInfoMessageMapped : public RegionInfoMessage {
 protected:
  RegionInfoMessageMapped() : RegionInfoMessage(Doorbells::kShared) {}
};

struct Expected {
  std::uint32_t index;
  std::uint64_t size;
  std::uint32_t flags;
};

TEST_F(RegionInfoMessage, HasTheSizesOfTheBarsAndOfTheConfigurationSpace) {
  const Expected expected[] = {
      {0, 16 << 10, kReadWrite},         {1, 8 << 10, kReadWrite},
      {2, 64 << 20, kMappable},          {3, 0, 0},
      {4, 4 << 20, kReadWrite},          {5, 0, 0},
      {VFIO_PCI_ROM_REGION_INDEX, 0, 0}, {VFIO_PCI_CONFIG_REGION_INDEX, 4096, kReadWrite},
      {VFIO_PCI_VGA_REGION_INDEX, 0, 0},
  };
  for (const Expected& e : expected) {
    const Answer answer = info(e.index);
    const auto region = answer.body<RegionInfo>();
    EXPECT_EQ(region.index, e.index);
    EXPECT_EQ(region.size, e.size) << "region " << e.index;
    EXPECT_EQ(region.flags, e.flags) << "region " << e.index;
    EXPECT_EQ(static_cast<bool>(answer.descriptor), (e.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0);
  }
}

// QEMU asks with room for the fixed part first. Its "failed to get region info: Invalid argument"
// comes from replies that announce more than they have.
TEST_F(RegionInfoMessage, FitsTheShortRequestOfQemu) {
  for (std::uint32_t index = 0; index < VFIO_PCI_NUM_REGIONS; ++index) {
    const Answer answer = info(index, sizeof(RegionInfo));
    const auto region = answer.body<RegionInfo>();
    EXPECT_EQ(answer.payload.size(), sizeof(RegionInfo));
    EXPECT_EQ(region.argsz, sizeof(RegionInfo));
    EXPECT_EQ(region.flags & VFIO_REGION_INFO_FLAG_CAPS, 0u);
    EXPECT_EQ(region.cap_offset, 0u);
  }
}

TEST_F(RegionInfoMessage, GivesTheMemoryOfTheLlqBar) {
  const Answer answer = info(2);
  void* at =
      ::mmap(nullptr, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, answer.descriptor.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  static_cast<char*>(at)[12345] = 'x';
  EXPECT_EQ(load<std::uint8_t>(2, 12345), 'x');
  EXPECT_EQ(function_->device().environment().llq[12345], std::byte{'x'});
  ::munmap(at, 64 << 20);
}

// A client that cuts the file off would make the emulator fault.
TEST_F(RegionInfoMessage, GivesMemoryThatCannotShrink) {
  const Answer answer = info(2);
  EXPECT_NE(::ftruncate(answer.descriptor.get(), 0), 0);
}

TEST_F(RegionInfoMessageMapped, GivesTheMemoryOfTheDoorbellBarWhereThatIsWanted) {
  const Answer answer = info(4);
  EXPECT_EQ(answer.body<RegionInfo>().flags, kMappable);
  EXPECT_TRUE(answer.descriptor);
}

TEST_F(RegionInfoMessage, OfAnUnknownRegionIsRefused) {
  EXPECT_EQ(error_of(Command::kDeviceGetRegionInfo,
                     bytes_of(RegionInfo{sizeof(RegionInfo), 0, VFIO_PCI_NUM_REGIONS, 0, 0, 0})),
            EINVAL);
  EXPECT_EQ(error_of(Command::kDeviceGetRegionInfo,
                     bytes_of(RegionInfo{sizeof(RegionInfo), 0, ~0u, 0, 0, 0})),
            EINVAL);
}

TEST_F(RegionInfoMessage, WithoutRoomForTheReplyIsRefused) {
  EXPECT_EQ(error_of(Command::kDeviceGetRegionInfo, bytes_of(RegionInfo{31, 0, 2, 0, 0, 0})),
            EINVAL);
  EXPECT_EQ(error_of(Command::kDeviceGetRegionInfo, Bytes(31)), EINVAL);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
