// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/page_list.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "device/harness.hpp"
#include "device/page_list_builder.hpp"

namespace efa::emu::test {
namespace {

constexpr std::uint64_t kPerPiece = 512;
constexpr std::uint64_t kPerChunk = EFA_PBL_PTRS_PER_CHUNK * kPerPiece;

std::vector<DmaAddr> numbered_pages(std::uint64_t count) {
  std::vector<DmaAddr> pages(count);
  for (std::uint64_t i = 0; i < count; ++i) pages[i] = (i + 1) << 12;
  return pages;
}

TEST(PageCount, CountsEveryPageTheRangeTouches) {
  EXPECT_EQ(page_count(0x1000, 1, 12), 1u);
  EXPECT_EQ(page_count(0x1000, 0x1000, 12), 1u);
  EXPECT_EQ(page_count(0x1000, 0x1001, 12), 2u);
  EXPECT_EQ(page_count(0x1fff, 2, 12), 2u);
  EXPECT_EQ(page_count(0x1fff, 0x1002, 12), 3u);
  EXPECT_EQ(page_count(0, std::uint64_t{1} << 32, 31), 2u);
}

TEST(PageCount, RefusesEmptyRangesAndRangesThatWrap) {
  EXPECT_EQ(page_count(0x1000, 0, 12), std::nullopt);
  EXPECT_EQ(page_count(~std::uint64_t{0}, 2, 12), std::nullopt);
  EXPECT_EQ(page_count(1, ~std::uint64_t{0} + 0, 12), std::uint64_t{1} << 52);
  EXPECT_EQ(page_count(2, ~std::uint64_t{0}, 12), std::nullopt);
  EXPECT_EQ(page_count(~std::uint64_t{0}, 1, 12), 1u);
}

TEST(DirectPageList, IsReadInFull) {
  ArrayMemory memory;
  for (const std::uint64_t count : {1u, 4u, 511u, 512u, 513u, 100000u}) {
    const auto pages = numbered_pages(count);
    EXPECT_EQ(read_direct_page_list(memory, direct_list(memory, pages), count), pages) << count;
  }
}

TEST(DirectPageList, MustBeReachableToItsEnd) {
  ArrayMemory memory;
  const auto pages = numbered_pages(600);
  const DmaAddr list = direct_list(memory, pages);
  memory.hide(list + 599 * 8, 8);
  EXPECT_EQ(read_direct_page_list(memory, list, 600), std::nullopt);
  EXPECT_TRUE(read_direct_page_list(memory, list, 599));
  EXPECT_EQ(read_direct_page_list(memory, ArrayMemory::kUnmapped, 1), std::nullopt);
  EXPECT_EQ(read_direct_page_list(memory, ~std::uint64_t{0} - 7, 2), std::nullopt);
}

TEST(DirectPageList, OfAnAbsurdSizeFailsWithoutAllocatingIt) {
  ArrayMemory memory(1 << 20);
  const DmaAddr list = memory.allocate(4096);
  EXPECT_EQ(read_direct_page_list(memory, list, std::uint64_t{1} << 52), std::nullopt);
}

TEST(IndirectPageList, IsReadForEverySizeAroundPieceAndChunkBoundaries) {
  for (const std::uint64_t count :
       {std::uint64_t{1}, kPerPiece - 1, kPerPiece, kPerPiece + 1, kPerChunk - 1, kPerChunk,
        kPerChunk + 1, 2 * kPerChunk - kPerPiece, 2 * kPerChunk, 2 * kPerChunk + 1}) {
    ArrayMemory memory;
    const auto pages = numbered_pages(count);
    const IndirectList list = indirect_list(memory, pages);
    EXPECT_EQ(read_indirect_page_list(memory, list.first, count), pages) << count;
  }
}

TEST(IndirectPageList, IgnoresTheLengthsOfTheLinks) {
  for (const std::uint32_t length : {0u, 1u, 12u, 4092u, 0xffffffffu}) {
    ArrayMemory memory;
    const auto pages = numbered_pages(2 * kPerChunk);
    const IndirectList list = indirect_list(memory, pages);
    for (const DmaAddr chunk : list.chunks) memory.at<efa_pbl_chunk>(chunk).next.length = length;
    EXPECT_EQ(read_indirect_page_list(memory, list.first, 2 * kPerChunk), pages) << length;
  }
}

TEST(IndirectPageList, NeedsNoLinkBehindAnExactMultipleOf510Pieces) {
  ArrayMemory memory;
  const auto pages = numbered_pages(kPerChunk);
  const IndirectList list = indirect_list(memory, pages);
  // The driver maps no more of the last chunk than it used.
  memory.hide(list.first + offsetof(efa_pbl_chunk, next), sizeof(efa_ctrl_buff_info));
  EXPECT_EQ(read_indirect_page_list(memory, list.first, kPerChunk), pages);
}

TEST(IndirectPageList, EndsAtTheCountEvenIfTheChainIsACircle) {
  ArrayMemory memory;
  const auto pages = numbered_pages(kPerChunk);
  const IndirectList list = indirect_list(memory, pages);
  efa_mem_addr_set(&memory.at<efa_pbl_chunk>(list.first).next.address, list.first);
  const auto read = read_indirect_page_list(memory, list.first, 3 * kPerChunk);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), 3 * kPerChunk);
  EXPECT_EQ((*read)[2 * kPerChunk], pages[0]);
}

TEST(IndirectPageList, MustBeReachableInAllItsParts) {
  const auto pages = numbered_pages(kPerChunk + kPerPiece);
  for (const int part : {0, 1, 2, 3}) {
    ArrayMemory memory;
    const IndirectList list = indirect_list(memory, pages);
    const DmaAddr victims[] = {list.first, list.chunks[1], list.pieces.front(), list.pieces.back()};
    memory.hide(victims[part], 8);
    EXPECT_EQ(read_indirect_page_list(memory, list.first, pages.size()), std::nullopt) << part;
  }
}

TEST(IndirectPageList, AcceptsChunksAndPiecesAtAnyAlignment) {
  ArrayMemory memory;
  const auto pages = numbered_pages(kPerPiece + 3);
  const IndirectList list = indirect_list(memory, pages, 12);
  EXPECT_EQ(read_indirect_page_list(memory, list.first, pages.size()), pages);
}

}  // namespace
}  // namespace efa::emu::test
