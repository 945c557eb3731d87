// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/dma_table.hpp"

#include <random>

#include "client.hpp"

namespace efa::emu::vfio_user::test {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr DmaAddr kBus = 0xf0000000;

FileDescriptor again(const FileDescriptor& file) {
  return FileDescriptor(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
}

/// Bus addresses as an IOMMU makes them: pages in any order, at neighbouring addresses.
class Table : public ::testing::Test {
 protected:
  Table() { table_.set_bus_master(true); }

  void add(DmaAddr address, std::uint64_t file_page, std::uint64_t pages = 1, bool readable = true,
           bool writable = true) {
    ASSERT_EQ(
        table_.add({address, pages * kPage, file_page * kPage, readable, writable}, again(file_)),
        0);
  }
  std::byte at(std::uint64_t offset) const {
    std::byte value{};
    EXPECT_EQ(::pread(file_.get(), &value, 1, static_cast<off_t>(offset)), 1);
    return value;
  }

  FileDescriptor file_ = memory_file(64 * kPage);
  DmaTable table_;
};

TEST_F(Table, FindsEveryByteOfManyRanges) {
  for (std::uint64_t i = 0; i < 30; ++i) add(kBus + i * 3 * kPage, i, 1);
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t range = random() % 30, offset = random() % kPage;
    const auto value = static_cast<std::byte>(random());
    ASSERT_TRUE(table_.write(kBus + range * 3 * kPage + offset, &value, 1));
    ASSERT_EQ(at(range * kPage + offset), value);
    std::byte none;
    ASSERT_FALSE(table_.read(kBus + range * 3 * kPage + kPage + offset, &none, 1));
  }
}

TEST_F(Table, RefusesAnythingThatLeavesARange) {
  add(kBus, 0, 2);
  EXPECT_NE(table_.map(kBus, 2 * kPage), nullptr);
  EXPECT_EQ(table_.map(kBus, 2 * kPage + 1), nullptr);
  EXPECT_EQ(table_.map(kBus - 1, 2), nullptr);
  EXPECT_EQ(table_.map(kBus + kPage, ~std::size_t{0}), nullptr);
  EXPECT_EQ(table_.map_ring(kBus + kPage, ~std::size_t{0}, Access::kRead), nullptr);
  EXPECT_EQ(table_.map_ring(kBus + kPage, 2 * kPage, Access::kRead), nullptr);
}

TEST_F(Table, TakesNeighboursForOneWhereTheirMemoryIs) {
  add(kBus, 5, 1);
  add(kBus + kPage, 6, 1);
  add(kBus + 2 * kPage, 20, 1);
  EXPECT_NE(table_.map(kBus, 2 * kPage), nullptr);
  EXPECT_EQ(table_.map(kBus, 3 * kPage), nullptr);
}

TEST_F(Table, CopiesAcrossScatteredPages) {
  add(kBus, 9);
  add(kBus + kPage, 3);
  const std::string text(kPage, 'q');
  EXPECT_TRUE(table_.write(kBus + 100, text.data(), text.size()));
  EXPECT_EQ(at(9 * kPage + 99), std::byte{0});
  EXPECT_EQ(at(9 * kPage + 100), std::byte{'q'});
  EXPECT_EQ(at(3 * kPage + 99), std::byte{'q'});
  EXPECT_EQ(at(3 * kPage + 100), std::byte{0});
  std::string seen(kPage, 0);
  EXPECT_TRUE(table_.read(kBus + 100, seen.data(), seen.size()));
  EXPECT_EQ(seen, text);
}

// An admin ring of a driver behind an IOMMU: contiguous for the device, scattered in memory.
TEST_F(Table, MakesARingOfScatteredPagesContiguous) {
  const std::uint64_t pages[] = {9, 3, 40, 41, 7};
  for (std::uint64_t i = 0; i < 5; ++i) add(kBus + i * kPage, pages[i]);
  std::byte* ring = table_.map_ring(kBus + 64, 4 * kPage, Access::kWrite);
  ASSERT_NE(ring, nullptr);
  for (std::uint64_t i = 0; i < 4; ++i) {
    ring[i * kPage] = static_cast<std::byte>('a' + i);
    EXPECT_EQ(at(pages[i] * kPage + 64), static_cast<std::byte>('a' + i));
  }
  EXPECT_EQ(table_.map_ring(kBus + 64, 4 * kPage, Access::kWrite), ring) << "made once";
}

TEST_F(Table, GivesARingBackWithOneOfItsPages) {
  add(kBus, 9);
  add(kBus + kPage, 3);
  MappedRange ring(table_, kBus, 2 * kPage);
  ASSERT_NE(ring.get(), nullptr);
  ASSERT_EQ(table_.remove(kBus + kPage, kPage), 0);
  EXPECT_EQ(ring.get(), nullptr);
  add(kBus + kPage, 12);
  ASSERT_NE(ring.get(), nullptr);
  ring.get()[kPage] = std::byte{'n'};
  EXPECT_EQ(at(12 * kPage), std::byte{'n'});
}

TEST_F(Table, HonoursWhatEachPageOfARingAllows) {
  add(kBus, 9);
  add(kBus + kPage, 3, 1, true, false);
  EXPECT_EQ(table_.map_ring(kBus, 2 * kPage, Access::kWrite), nullptr);
  EXPECT_NE(table_.map_ring(kBus, 2 * kPage, Access::kRead), nullptr);
}

TEST_F(Table, KeepsAnUnchangedRingAcrossChangesElsewhere) {
  add(kBus, 9);
  add(kBus + kPage, 3);
  add(kBus + 10 * kPage, 20);
  MappedRange ring(table_, kBus, 2 * kPage);
  std::byte* const before = ring.get();
  ASSERT_EQ(table_.remove(kBus + 10 * kPage, kPage), 0);
  EXPECT_EQ(ring.get(), before);
}

TEST_F(Table, ReachesNothingWithoutBusMastering) {
  add(kBus, 0);
  MappedRange ring(table_, kBus, kPage);
  ASSERT_NE(ring.get(), nullptr);
  table_.set_bus_master(false);
  EXPECT_EQ(ring.get(), nullptr);
  std::byte value;
  EXPECT_FALSE(table_.read(kBus, &value, 1));
  table_.set_bus_master(true);
  EXPECT_NE(ring.get(), nullptr);
}

TEST_F(Table, HasALimit) {
  DmaTable table;
  for (std::uint64_t i = 0; i < kMaxDmaRegions; ++i)
    ASSERT_EQ(table.add({i * kPage, kPage, 0, true, true}, FileDescriptor()), 0);
  EXPECT_EQ(table.add({kMaxDmaRegions * kPage, kPage, 0, true, true}, FileDescriptor()), ENOSPC);
}

TEST_F(Table, FollowsAFileThatGrew) {
  add(kBus, 0);
  ASSERT_EQ(::ftruncate(file_.get(), 128 * kPage), 0);
  add(kBus + 0x100000, 100);
  const std::byte value{7};
  EXPECT_TRUE(table_.write(kBus + 0x100000, &value, 1));
  EXPECT_EQ(at(100 * kPage), value);
}

}  // namespace
}  // namespace efa::emu::vfio_user::test
