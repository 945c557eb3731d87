// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// VFIO_USER_DMA_UNMAP
#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

constexpr DmaAddr kRam = 0x100000;

class DmaUnmapMessage : public Greeted {
 protected:
  void SetUp() override {
    Greeted::SetUp();
    become_bus_master();
    ASSERT_EQ(dma_map(kRam, 8192, &file_), 0);
  }
  DmaTable& memory() { return function_->memory(); }
  FileDescriptor file_ = memory_file(1 << 20);
};

TEST_F(DmaUnmapMessage, TakesTheMemoryAway) {
  MappedRange ring(memory(), kRam, 4096);
  ASSERT_NE(ring.get(), nullptr);
  EXPECT_EQ(dma_unmap(kRam, 8192), 0);
  EXPECT_EQ(ring.get(), nullptr);
  std::uint32_t value;
  EXPECT_FALSE(memory().read(kRam, &value, sizeof value));
  EXPECT_EQ(memory().files(), 0u);
}

TEST_F(DmaUnmapMessage, RepliesWithTheRange) {
  const DmaUnmap request{sizeof request, 0, kRam, 8192};
  const auto reply = ask(Command::kDmaUnmap, bytes_of(request)).body<DmaUnmap>();
  EXPECT_EQ(reply.address, kRam);
  EXPECT_EQ(reply.size, 8192u);
}

TEST_F(DmaUnmapMessage, OfARangeOverSeveralTakesAllOfThem) {
  ASSERT_EQ(dma_map(kRam + 8192, 4096, &file_), 0);
  ASSERT_EQ(dma_map(kRam + 65536, 4096, nullptr), 0);
  ASSERT_EQ(dma_map(kRam + 0x200000, 4096, &file_), 0);
  EXPECT_EQ(dma_unmap(kRam - 4096, 0x100000), 0);
  EXPECT_EQ(memory().ranges(), 1u);
}

TEST_F(DmaUnmapMessage, ThatCutsARangeIsRefused) {
  EXPECT_EQ(dma_unmap(kRam, 4096), EINVAL);
  EXPECT_EQ(dma_unmap(kRam + 4096, 4096), EINVAL);
  EXPECT_EQ(memory().ranges(), 1u);
}

// A guest's IOMMU driver flushes address spaces without knowing what is in them.
TEST_F(DmaUnmapMessage, OfNothingIsNoError) {
  EXPECT_EQ(dma_unmap(0x40000000, 4096), 0);
  EXPECT_EQ(memory().ranges(), 1u);
}

TEST_F(DmaUnmapMessage, OfAllIsAFlag) {
  EXPECT_EQ(error_of(Command::kDmaUnmap,
                     bytes_of(DmaUnmap{sizeof(DmaUnmap), VFIO_DMA_UNMAP_FLAG_ALL, 0, 0})),
            0);
  EXPECT_EQ(memory().ranges(), 0u);
}

TEST_F(DmaUnmapMessage, OfNoOrTooManyBytesIsRefused) {
  EXPECT_EQ(dma_unmap(kRam, 0), EINVAL);
  EXPECT_EQ(dma_unmap(kRam, ~std::uint64_t{0}), EINVAL);
  EXPECT_EQ(error_of(Command::kDmaUnmap, Bytes(23)), EINVAL);
}

TEST_F(DmaUnmapMessage, FreesTheAddressesForSomethingElse) {
  EXPECT_EQ(dma_unmap(kRam, 8192), 0);
  EXPECT_EQ(dma_map(kRam + 4096, 8192, &file_), 0);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
