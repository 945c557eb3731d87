// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DMA_MAP
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

constexpr DmaAddr kRam = 0x100000;
constexpr std::uint64_t kMiB = 1 << 20;

class DmaMapMessage : public Greeted {
 protected:
  void SetUp() override {
    Greeted::SetUp();
    become_bus_master();
  }
  DmaTable& memory() { return function_->memory(); }
};

TEST_F(DmaMapMessage, MakesMemoryOfTheClientReachable) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, kMiB, &file), 0);
  const std::uint32_t value = 0x12345678;
  EXPECT_TRUE(memory().write(kRam + 8192, &value, sizeof value));
  std::uint32_t seen = 0;
  EXPECT_EQ(::pread(file.get(), &seen, sizeof seen, 8192), static_cast<ssize_t>(sizeof seen));
  EXPECT_EQ(seen, value);
}

TEST_F(DmaMapMessage, HonoursTheOffsetInTheFile) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, 4096, &file, 65536), 0);
  ASSERT_EQ(::pwrite(file.get(), "efa", 3, 65536), 3);
  char seen[3];
  EXPECT_TRUE(memory().read(kRam, seen, sizeof seen));
  EXPECT_EQ(std::string(seen, 3), "efa");
}

// Guest memory arrives in pieces, each with a descriptor of its own for the same file.
TEST_F(DmaMapMessage, MapsTheFileOfSeveralPiecesOnce) {
  const FileDescriptor file = memory_file(4 * kMiB);
  const std::size_t before = open_descriptors();
  EXPECT_EQ(dma_map(0, kMiB / 2, &file), 0);
  EXPECT_EQ(dma_map(kMiB, kMiB, &file, kMiB), 0);
  EXPECT_EQ(dma_map(0x100000000, 2 * kMiB, &file, 2 * kMiB), 0);
  EXPECT_EQ(memory().ranges(), 3u);
  EXPECT_EQ(memory().files(), 1u);
  EXPECT_EQ(open_descriptors(), before + 1);
}

TEST_F(DmaMapMessage, WithoutDescriptorOnlyTakesTheAddresses) {
  EXPECT_EQ(dma_map(kRam, kMiB, nullptr), 0);
  std::uint32_t value = 0;
  EXPECT_FALSE(memory().read(kRam, &value, sizeof value));
  EXPECT_FALSE(memory().write(kRam, &value, sizeof value));
  EXPECT_EQ(memory().map_ring(kRam, 64, Access::kRead), nullptr);
}

TEST_F(DmaMapMessage, OfReadOnlyMemoryKeepsTheDeviceFromWriting) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, kMiB, &file, 0, kDmaReadable), 0);
  std::uint32_t value = 0;
  EXPECT_TRUE(memory().read(kRam, &value, sizeof value));
  EXPECT_FALSE(memory().write(kRam, &value, sizeof value));
  EXPECT_EQ(memory().map(kRam, 64), nullptr);
  EXPECT_NE(memory().map_for_reading(kRam, 64), nullptr);
}

// What an IOMMU driver makes of memory that is only received into.
TEST_F(DmaMapMessage, OfWriteOnlyMemoryKeepsTheDeviceFromReading) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, kMiB, &file, 0, kDmaWritable), 0);
  std::uint32_t value = 0;
  EXPECT_FALSE(memory().read(kRam, &value, sizeof value));
  EXPECT_TRUE(memory().write(kRam, &value, sizeof value));
}

TEST_F(DmaMapMessage, OfAFileThatIsOpenForReadingOnlyWorksForReading) {
  const FileDescriptor file = memory_file(kMiB);
  const std::string name = "/proc/self/fd/" + std::to_string(file.get());
  const FileDescriptor read_only(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(dma_map(kRam, 4096, &read_only, 0, kDmaReadable), 0);
  std::uint32_t value = 0;
  EXPECT_TRUE(memory().read(kRam, &value, sizeof value));
  EXPECT_NE(dma_map(kRam + 4096, 4096, &read_only, 4096), 0) << "not writable";
  EXPECT_EQ(dma_map(kRam + 4096, 4096, &file, 4096), 0);
  EXPECT_TRUE(memory().write(kRam + 4096, &value, sizeof value));
}

TEST_F(DmaMapMessage, OverAnExistingRangeIsRefused) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, 8192, &file), 0);
  EXPECT_EQ(dma_map(kRam, 8192, &file), EEXIST);
  EXPECT_EQ(dma_map(kRam + 4096, 4096, &file), EEXIST);
  EXPECT_EQ(dma_map(kRam - 4096, 4097, &file), EEXIST);
  EXPECT_EQ(dma_map(kRam - 4096, 16384, nullptr), EEXIST);
  EXPECT_EQ(dma_map(kRam - 4096, 4096, &file), 0);
  EXPECT_EQ(dma_map(kRam + 8192, 4096, &file), 0);
}

TEST_F(DmaMapMessage, OfNothingOrBeyondTheAddressSpaceIsRefused) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, 0, &file), EINVAL);
  EXPECT_EQ(dma_map(~DmaAddr{0} - 4095, 4097, &file), EINVAL);
  EXPECT_EQ(dma_map(~DmaAddr{0} - 4095, 4096, &file), 0) << "the last page";
}

TEST_F(DmaMapMessage, BeyondTheFileIsRefused) {
  const FileDescriptor file = memory_file(kMiB);
  EXPECT_EQ(dma_map(kRam, kMiB + 1, &file), EINVAL);
  EXPECT_EQ(dma_map(kRam, 4096, &file, kMiB), EINVAL);
  EXPECT_EQ(dma_map(kRam, 4096, &file, ~std::uint64_t{0} - 100), EINVAL);
  EXPECT_EQ(memory().ranges(), 0u);
}

TEST_F(DmaMapMessage, OfSomethingElseThanAFileIsRefused) {
  const FileDescriptor eventfd = event();
  EXPECT_EQ(dma_map(kRam, 4096, &eventfd), EINVAL);
}

TEST_F(DmaMapMessage, WithTwoDescriptorsIsRefused) {
  const FileDescriptor first = memory_file(4096), second = memory_file(4096);
  const int both[] = {first.get(), second.get()};
  EXPECT_EQ(error_of(Command::kDmaMap, bytes_of(DmaMap{32, 3, 0, kRam, 4096}), both), EINVAL);
}

TEST_F(DmaMapMessage, ThatIsTooShortIsRefused) {
  EXPECT_EQ(error_of(Command::kDmaMap, Bytes(31)), EINVAL);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
