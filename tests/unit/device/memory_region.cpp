// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/memory_region.hpp"

#include <gtest/gtest.h>

#include <set>

#include "device/memory_key.hpp"
#include "device/page_list_builder.hpp"

namespace efa::emu::test {
namespace {

std::vector<DmaAddr> scattered_pages(std::uint64_t count, unsigned shift = 12) {
  std::vector<DmaAddr> pages(count);
  for (std::uint64_t i = 0; i < count; ++i) pages[i] = (2 * (count - i) + 1) << shift;
  return pages;
}

efa_reg_mr_cmd with_direct_list(Rig& rig, efa_reg_mr_cmd cmd, const std::vector<DmaAddr>& pages) {
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
  cmd.pbl.pbl = {};
  cmd.pbl.pbl.length = static_cast<std::uint32_t>(pages.size() * 8);
  efa_mem_addr_set(&cmd.pbl.pbl.address, direct_list(rig.memory, pages));
  return cmd;
}

efa_reg_mr_cmd with_indirect_list(Rig& rig, efa_reg_mr_cmd cmd, const std::vector<DmaAddr>& pages) {
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
  efa_aq_common_desc_set_ctrl_data_indirect(&cmd.aq_common_desc, 1);
  const IndirectList list = indirect_list(rig.memory, pages);
  cmd.pbl.pbl = {};
  cmd.pbl.pbl.length = list.first_length;
  efa_mem_addr_set(&cmd.pbl.pbl.address, list.first);
  return cmd;
}

std::vector<DmaSegment> translated(const MemoryRegion& region, std::uint64_t addr,
                                   std::uint64_t bytes) {
  std::vector<DmaSegment> segments;
  region.translate(addr, bytes, segments);
  return segments;
}

TEST(MemoryRegion, ContainsExactlyItsRange) {
  MemoryRegion region;
  region.iova = 0x1000;
  region.length = 0x2000;
  EXPECT_TRUE(region.contains(0x1000, 0x2000));
  EXPECT_TRUE(region.contains(0x3000, 0));
  EXPECT_FALSE(region.contains(0x3000, 1));
  EXPECT_FALSE(region.contains(0xfff, 1));
  EXPECT_FALSE(region.contains(0x2000, 0x1001));
  EXPECT_FALSE(region.contains(0x1001, ~std::uint64_t{0}));
}

TEST(MemoryRegion, AtTheTopOfTheAddressSpaceContainsItsLastByte) {
  MemoryRegion region;
  region.iova = ~std::uint64_t{0} - 15;
  region.length = 16;
  EXPECT_TRUE(region.contains(~std::uint64_t{0}, 1));
  EXPECT_FALSE(region.contains(~std::uint64_t{0}, 2));
}

TEST(RegMr, TranslatesThroughTheFirstPageEvenWhenTheBufferStartsInsideIt) {
  Rig rig;
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.iova = 0x7f0000000800;
  cmd.mr_length = 0x1000;
  efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
  cmd.pbl.inline_pbl_array[0] = 0x5000;
  cmd.pbl.inline_pbl_array[1] = 0x9000;
  const auto answer = rig.reg_mr(cmd);
  ASSERT_TRUE(answer.ok());
  const MemoryRegion& region = *rig.device.find_mr(answer.body.l_key);
  const auto segments = translated(region, 0x7f0000000c00, 0xc00);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].addr, 0x5c00u);
  EXPECT_EQ(segments[0].length, 0x400u);
  EXPECT_EQ(segments[1].addr, 0x9000u);
  EXPECT_EQ(segments[1].length, 0x800u);
}

TEST(RegMr, MergesAdjacentPages) {
  Rig rig;
  efa_reg_mr_cmd cmd = rig.mr_command(rig.pd(), 0x10000, 4 * 4096);
  const MemoryRegion& region = *rig.device.find_mr(rig.reg_mr(cmd).body.l_key);
  EXPECT_EQ(translated(region, 0x10100, 0x3000).size(), 1u);
}

TEST(RegMr, AcceptsInlineListsOfUpToFourPages) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  for (std::uint64_t pages = 1; pages <= 4; ++pages)
    EXPECT_TRUE(rig.reg_mr(rig.mr_command(pd, 0x10000, pages * 4096)).ok()) << pages;
  EXPECT_EQ(rig.reg_mr(rig.mr_command(pd, 0x10000, 4 * 4096 + 1)).status, kIllegal);
}

TEST(RegMr, AcceptsDirectAndIndirectListsOfAnySize) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  for (const std::uint64_t count : {1u, 4u, 512u, 513u, 5000u}) {
    const auto pages = scattered_pages(count);
    efa_reg_mr_cmd cmd{};
    cmd.pd = pd;
    cmd.iova = 0x40000000;
    cmd.mr_length = count * 4096;
    efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
    for (const efa_reg_mr_cmd& variant :
         {with_direct_list(rig, cmd, pages), with_indirect_list(rig, cmd, pages)}) {
      const auto answer = rig.reg_mr(variant);
      ASSERT_TRUE(answer.ok()) << count;
      EXPECT_EQ(rig.device.find_mr(answer.body.l_key)->pages, pages) << count;
    }
  }
}

TEST(RegMr, AcceptsExactMultiplesOf510PiecesWhateverTheFirstLengthSays) {
  Rig rig;
  const std::uint64_t count = 510 * 512;
  const auto pages = scattered_pages(count);
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.iova = 0x100000000000;
  cmd.mr_length = count * 4096;
  efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
  cmd = with_indirect_list(rig, cmd, pages);
  for (const std::uint32_t length : {cmd.pbl.pbl.length, 12u, 0u}) {
    cmd.pbl.pbl.length = length;
    const auto answer = rig.reg_mr(cmd);
    ASSERT_TRUE(answer.ok()) << length;
    EXPECT_EQ(rig.device.find_mr(answer.body.l_key)->pages.back(), pages.back());
  }
}

TEST(RegMr, CopiesTheListBeforeItCompletes) {
  Rig rig;
  const auto pages = scattered_pages(10);
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.mr_length = 10 * 4096;
  efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
  cmd = with_direct_list(rig, cmd, pages);
  const auto key = rig.reg_mr(cmd).body.l_key;
  std::memset(&rig.memory.at<std::byte>(efa_mem_addr_get(&cmd.pbl.pbl.address)), 0xff, 80);
  EXPECT_EQ(rig.device.find_mr(key)->pages, pages);
}

TEST(RegMr, AcceptsEveryOfferedPageSizeAndNoOther) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  for (unsigned shift = 0; shift < 64; ++shift) {
    efa_reg_mr_cmd cmd{};
    cmd.pd = pd;
    cmd.mr_length = 1;
    efa_reg_mr_cmd_set_phys_page_size_shift_wide(&cmd, shift);
    const bool offered = shift >= 12 && shift <= 31;
    EXPECT_EQ(rig.reg_mr(cmd).status, offered ? kSuccess : kIllegal) << shift;
  }
}

TEST(RegMr, UsesLargePages) {
  Rig rig;
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.iova = 0x7f0000200000 + 5;
  cmd.mr_length = 0x200000;
  efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 21);
  cmd.pbl.inline_pbl_array[0] = 0x40000000;
  cmd.pbl.inline_pbl_array[1] = 0x80000000;
  const MemoryRegion& region = *rig.device.find_mr(rig.reg_mr(cmd).body.l_key);
  const auto segments = translated(region, cmd.iova, cmd.mr_length);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].addr, 0x40000005u);
  EXPECT_EQ(segments[1].addr, 0x80000000u);
  EXPECT_EQ(segments[1].length, 5u);
}

TEST(RegMr, ChecksOwnerLengthAndAlignment) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const efa_reg_mr_cmd good = rig.mr_command(pd, 0x10000, 8192);
  efa_reg_mr_cmd cmd = good;
  cmd.pd = static_cast<std::uint16_t>(pd + 1);
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal);
  cmd = good;
  cmd.mr_length = 0;
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal);
  cmd = good;
  cmd.pbl.inline_pbl_array[1] += 8;
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal);
  cmd = good;
  cmd.iova = ~std::uint64_t{0} - 4095;
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal) << "the range wraps";
  EXPECT_EQ(rig.reg_mr(good).status, kSuccess);
}

TEST(RegMr, RefusesUnreachableListsButNotUnreachablePages) {
  Rig rig;
  efa_reg_mr_cmd cmd = rig.mr_command(rig.pd(), ArrayMemory::kUnmapped, 4096);
  EXPECT_EQ(rig.reg_mr(cmd).status, kSuccess);
  cmd.pbl.pbl = {};
  efa_mem_addr_set(&cmd.pbl.pbl.address, ArrayMemory::kUnmapped);
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal);
  efa_aq_common_desc_set_ctrl_data_indirect(&cmd.aq_common_desc, 1);
  EXPECT_EQ(rig.reg_mr(cmd).status, kIllegal);
}

TEST(RegMr, LimitsThePagesOfOneRegion) {
  Rig rig;
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.mr_length = (std::uint64_t{rig.device.profile().max_mr_pages} + 1) * 4096;
  efa_reg_mr_cmd_set_phys_page_size_shift(&cmd, 12);
  efa_aq_common_desc_set_ctrl_data(&cmd.aq_common_desc, 1);
  EXPECT_EQ(rig.reg_mr(cmd).status, kNoResources);
  cmd.mr_length = ~std::uint64_t{0};
  EXPECT_EQ(rig.reg_mr(cmd).status, kNoResources);
}

TEST(RegMr, InPhysicalModeTranslatesNothing) {
  Rig rig;
  efa_reg_mr_cmd cmd{};
  cmd.pd = rig.pd();
  cmd.mr_length = std::uint64_t{1} << 48;
  cmd.permissions = kLocalWrite;
  efa_reg_mr_cmd_set_mem_addr_phy_mode_en(&cmd, 1);
  const auto answer = rig.reg_mr(cmd);
  ASSERT_TRUE(answer.ok());
  const MemoryRegion& region = *rig.device.find_mr(answer.body.l_key);
  EXPECT_TRUE(region.physical);
  const auto segments = translated(region, 0x123456789, 5000);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].addr, 0x123456789u);
}

TEST(RegMr, KeepsThePermissions) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  for (std::uint8_t bits = 0; bits < 8; ++bits) {
    const auto answer = rig.reg_mr(rig.mr_command(pd, 0x10000, 4096, bits));
    EXPECT_EQ(rig.device.find_mr(answer.body.l_key)->permissions, bits);
  }
}

TEST(RegMr, ReportsNoInterconnectIds) {
  Rig rig;
  EXPECT_EQ(rig.reg_mr(rig.mr_command(rig.pd(), 0x10000, 4096)).body.validity, 0);
}

TEST(MemoryKey, HasTwentyFourBitsAndIsTheSameForBothSides) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  std::set<std::uint32_t> keys;
  for (int i = 0; i < 1000; ++i) {
    const auto answer = rig.reg_mr(rig.mr_command(pd, 0x10000, 4096));
    EXPECT_EQ(answer.body.l_key, answer.body.r_key);
    EXPECT_LT(answer.body.l_key, 1u << 24);
    keys.insert(answer.body.l_key);
  }
  EXPECT_EQ(keys.size(), 1000u);
}

TEST(MemoryKey, OfAnyOtherValueFindsNothing) {
  Rig rig;
  const auto key = rig.reg_mr(rig.mr_command(rig.pd(), 0x10000, 4096)).body.r_key;
  EXPECT_NE(rig.device.find_mr(key), nullptr);
  for (unsigned bit = 0; bit < 32; ++bit)
    EXPECT_EQ(rig.device.find_mr(key ^ 1u << bit), nullptr) << bit;
}

TEST(MemoryKey, GetsAFreshGenerationWhenItsIndexIsReused) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const efa_reg_mr_cmd cmd = rig.mr_command(pd, 0x10000, 4096);
  const std::uint32_t limit = rig.device.profile().max_mr;
  const std::uint32_t stale = rig.reg_mr(cmd).body.l_key;
  for (std::uint32_t i = 1; i < limit; ++i) rig.reg_mr(cmd);
  EXPECT_EQ(rig.reg_mr(cmd).status, kNoResources);
  EXPECT_EQ(rig.dereg_mr(stale), kSuccess);
  const std::uint32_t fresh = rig.reg_mr(cmd).body.l_key;
  EXPECT_EQ(memory_key_index(fresh), memory_key_index(stale));
  EXPECT_NE(fresh, stale);
  EXPECT_EQ(rig.device.find_mr(stale), nullptr);
  EXPECT_EQ(rig.dereg_mr(stale), kIllegal);
  EXPECT_EQ(rig.dereg_mr(fresh), kSuccess);
}

TEST(DeregMr, RefusesUnknownKeys) {
  Rig rig;
  EXPECT_EQ(rig.dereg_mr(0), kIllegal);
  const auto key = rig.reg_mr(rig.mr_command(rig.pd(), 0x10000, 4096)).body.l_key;
  EXPECT_EQ(rig.dereg_mr(key ^ 0x00100000), kIllegal);
  EXPECT_EQ(rig.dereg_mr(key ^ 0x01000000), kIllegal);
  EXPECT_EQ(rig.dereg_mr(key), kSuccess);
  EXPECT_EQ(rig.dereg_mr(key), kIllegal);
}

Answer<efa_alloc_mr_resp> alloc_mr(Rig& rig, std::uint16_t pd, std::uint32_t max_pages) {
  efa_alloc_mr_cmd cmd{};
  cmd.pd = pd;
  cmd.max_pages = max_pages;
  return rig.execute<efa_alloc_mr_resp>(EFA_AQ_OPCODE_ALLOC_MR, cmd);
}

TEST(AllocMr, GivesAnInactiveRegionWithEqualKeys) {
  Rig rig;
  const auto answer = alloc_mr(rig, rig.pd(), 16);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.body.l_key, answer.body.r_key);
  EXPECT_EQ(rig.device.find_mr(answer.body.l_key), nullptr);
  const MemoryRegion* region = rig.device.find_mr_index(answer.body.l_key ^ 0x00300000);
  ASSERT_NE(region, nullptr);
  EXPECT_EQ(region->max_pages, 16u);
  EXPECT_TRUE(region->fast_reg);
  EXPECT_TRUE(region->pages.empty());
}

TEST(AllocMr, ChecksOwnerAndPages) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  EXPECT_EQ(alloc_mr(rig, static_cast<std::uint16_t>(pd + 1), 1).status, kIllegal);
  EXPECT_EQ(alloc_mr(rig, pd, 0).status, kIllegal);
  EXPECT_EQ(alloc_mr(rig, pd, rig.device.profile().max_mr_pages).status, kSuccess);
  EXPECT_EQ(alloc_mr(rig, pd, rig.device.profile().max_mr_pages + 1).status, kNoResources);
}

TEST(AllocMr, IsUnsupportedByTheFirstGenerations) {
  for (const char* name : {"efa0", "efa1"}) {
    Rig rig(name);
    EXPECT_EQ(alloc_mr(rig, rig.pd(), 1).status, kUnsupported) << name;
  }
}

TEST(AllocMr, KeysAreDeregisteredByIndexWhateverTheirGeneration) {
  Rig rig;
  const auto key = alloc_mr(rig, rig.pd(), 1).body.l_key;
  EXPECT_EQ(rig.dereg_mr((key ^ 0x00700000) | 0xff000000), kSuccess);
  EXPECT_EQ(rig.dereg_mr(key), kIllegal);
}

TEST(AllocMr, RegionsOfRegMrAreNotFoundByIndex) {
  Rig rig;
  const auto key = rig.reg_mr(rig.mr_command(rig.pd(), 0x10000, 4096)).body.l_key;
  EXPECT_EQ(rig.device.find_mr_index(key), nullptr);
}

TEST(MemoryRegions, KeepTheirPdBusy) {
  Rig rig;
  const std::uint16_t pd = rig.pd();
  const auto key = rig.reg_mr(rig.mr_command(pd, 0x10000, 4096)).body.l_key;
  const auto fast = alloc_mr(rig, pd, 1).body.l_key;
  EXPECT_EQ(rig.dealloc_pd(pd), kBusy);
  rig.dereg_mr(key);
  EXPECT_EQ(rig.dealloc_pd(pd), kBusy);
  rig.dereg_mr(fast);
  EXPECT_EQ(rig.dealloc_pd(pd), kSuccess);
}

}  // namespace
}  // namespace efa::emu::test
