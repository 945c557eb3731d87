// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/config_space.hpp"

#include <gtest/gtest.h>
#include <linux/pci_regs.h>

#include <cstring>
#include <set>

#include "efa_hw.h"

namespace efa::emu::vfio_user {
namespace {

class Config : public ::testing::TestWithParam<std::string_view> {
 protected:
  template <class Word>
  Word load(std::size_t offset) const {
    Word word;
    space_.read(offset, std::as_writable_bytes(std::span<Word, 1>(&word, 1)));
    return word;
  }
  template <class Word>
  ConfigSpace::Effects store(std::size_t offset, Word word) {
    return space_.write(offset, std::as_bytes(std::span<const Word, 1>(&word, 1)));
  }
  std::uint8_t capability(std::uint8_t id) const {
    std::set<std::uint8_t> seen;
    for (std::uint8_t at = load<std::uint8_t>(PCI_CAPABILITY_LIST); at != 0;
         at = load<std::uint8_t>(at + PCI_CAP_LIST_NEXT)) {
      EXPECT_TRUE(seen.insert(at).second) << "the list is a circle";
      EXPECT_EQ(at % 4, 0);
      if (load<std::uint8_t>(at) == id) return at;
    }
    return 0;
  }

  const Profile& profile_ = *find_profile(GetParam());
  ConfigSpace space_{profile_};
};

TEST_P(Config, IdentifiesTheGeneration) {
  EXPECT_EQ(load<std::uint16_t>(PCI_VENDOR_ID), 0x1d0f);
  EXPECT_EQ(load<std::uint16_t>(PCI_DEVICE_ID), profile_.pci_device);
  EXPECT_EQ(load<std::uint16_t>(PCI_SUBSYSTEM_ID), profile_.pci_device);
  EXPECT_EQ(load<std::uint32_t>(PCI_CLASS_REVISION), 0x02000000u);
  EXPECT_EQ(load<std::uint8_t>(PCI_HEADER_TYPE), PCI_HEADER_TYPE_NORMAL);
  EXPECT_EQ(load<std::uint8_t>(PCI_INTERRUPT_PIN), 0);
}

// Firmware and kernels write all ones and look which bits stay.
TEST_P(Config, LetsBarsBeSized) {
  for (int bar = 0; bar < 6; ++bar) store<std::uint32_t>(PCI_BASE_ADDRESS_0 + 4 * bar, ~0u);
  const auto low = [&](int bar) { return load<std::uint32_t>(PCI_BASE_ADDRESS_0 + 4 * bar); };
  EXPECT_EQ(low(0), ~((16u << 10) - 1));
  EXPECT_EQ(low(1), ~((8u << 10) - 1));
  const std::uint64_t llq = load<std::uint64_t>(PCI_BASE_ADDRESS_2);
  EXPECT_EQ(llq & 0xf, std::uint64_t{PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH});
  EXPECT_EQ(~(llq & ~0xfull) + 1, std::uint64_t{profile_.max_qp} * profile_.max_llq_size);
  const std::uint64_t doorbells = load<std::uint64_t>(PCI_BASE_ADDRESS_4);
  EXPECT_EQ(doorbells & 0xf, std::uint64_t{PCI_BASE_ADDRESS_MEM_TYPE_64});
  EXPECT_EQ(~(doorbells & ~0xfull) + 1, 4u << 20);
}

TEST_P(Config, KeepsAddressesInBars) {
  store<std::uint32_t>(PCI_BASE_ADDRESS_0, 0xfe404000);
  EXPECT_EQ(load<std::uint32_t>(PCI_BASE_ADDRESS_0), 0xfe404000u);
}

TEST_P(Config, LetsNothingElseBeWritten) {
  ConfigSpace before = space_;
  for (std::size_t at = 0; at < ConfigSpace::kBytes; ++at)
    if (at != 0x40u + PCI_EXP_DEVCTL + 1) store<std::uint8_t>(at, 0xff);
  const std::pair<std::size_t, std::size_t> fixed[] = {
      {PCI_VENDOR_ID, 4},
      {PCI_STATUS, 2},
      {PCI_CLASS_REVISION, 4},
      {PCI_HEADER_TYPE, 2},
      {PCI_SUBSYSTEM_VENDOR_ID, 4},
      {PCI_CAPABILITY_LIST, 1},
      {PCI_INTERRUPT_PIN, 3},
      {0x40, 8},
      {0x80, 2},
      {0x84, 8},
      {0x100, 4096 - 0x100},
  };
  for (const auto& [offset, size] : fixed)
    for (std::size_t at = offset; at < offset + size; ++at) {
      std::byte old, now;
      before.read(at, {&old, 1});
      space_.read(at, {&now, 1});
      EXPECT_EQ(old, now) << "byte " << at;
    }
  EXPECT_EQ(load<std::uint16_t>(PCI_COMMAND) & PCI_COMMAND_IO, 0);
}

TEST_P(Config, HasAnExpressEndpointWithFunctionLevelReset) {
  const std::uint8_t express = capability(PCI_CAP_ID_EXP);
  ASSERT_NE(express, 0);
  EXPECT_EQ(load<std::uint16_t>(express + PCI_EXP_FLAGS), 2);
  EXPECT_NE(load<std::uint32_t>(express + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR, 0u);
  EXPECT_TRUE(store<std::uint16_t>(express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR).reset);
  EXPECT_TRUE(store<std::uint32_t>(express + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR).reset);
  EXPECT_TRUE(store<std::uint8_t>(express + PCI_EXP_DEVCTL + 1, 0x80).reset);
  EXPECT_FALSE(store<std::uint16_t>(express + PCI_EXP_DEVCTL, 0x7fff).reset);
}

TEST_P(Config, HasMsixInABarOfItsOwn) {
  const std::uint8_t msix = capability(PCI_CAP_ID_MSIX);
  ASSERT_NE(msix, 0);
  EXPECT_EQ(load<std::uint16_t>(msix + PCI_MSIX_FLAGS), profile_.msix_vectors - 1);
  const std::uint32_t table = load<std::uint32_t>(msix + PCI_MSIX_TABLE);
  const std::uint32_t pending = load<std::uint32_t>(msix + PCI_MSIX_PBA);
  EXPECT_EQ(table & PCI_MSIX_TABLE_BIR, 1u);
  EXPECT_EQ(pending & PCI_MSIX_PBA_BIR, 1u);
  EXPECT_GE(pending & PCI_MSIX_PBA_OFFSET, profile_.msix_vectors * 16u) << "they overlap";
  EXPECT_LT(pending & PCI_MSIX_PBA_OFFSET, 8u << 10);
}

TEST_P(Config, KnowsTheBusMaster) {
  EXPECT_FALSE(space_.bus_master());
  store<std::uint16_t>(PCI_COMMAND, PCI_COMMAND_MASTER);
  EXPECT_TRUE(space_.bus_master());
  space_.reset();
  EXPECT_FALSE(space_.bus_master());
}

INSTANTIATE_TEST_SUITE_P(Generations, Config,
                         ::testing::Values("efa0", "efa1", "efa2", "efa3", "efa4"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace efa::emu::vfio_user
