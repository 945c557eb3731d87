// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/config_space.hpp"

#include <linux/pci_regs.h>

#include <bit>
#include <cstring>

#include "efa_hw.h"

namespace efa::emu::vfio_user {

namespace {

constexpr std::size_t kExpress = 0x40;
constexpr std::size_t kMsix = 0x80;
constexpr std::uint32_t kClassEthernet = 0x020000;
constexpr std::uint16_t kCommandBits = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                                       PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
                                       PCI_COMMAND_INTX_DISABLE;

// A link of 16 lanes at 8 GT/s; nobody trains it.
constexpr std::uint32_t kLink = PCI_EXP_LNKCAP_SLS_8_0GB | 16u << 4;

}  // namespace

std::uint64_t llq_bytes(const Profile& profile) noexcept {
  return std::bit_ceil(std::uint64_t{profile.max_qp} * profile.max_llq_size);
}

ConfigSpace::ConfigSpace(const Profile& profile) {
  place_header(profile);
  place_bars(profile);
  place_express_capability();
  place_msix_capability(profile);
  initial_ = bytes_;
}

template <class Word>
void ConfigSpace::place(std::size_t offset, Word value, Word writable) noexcept {
  std::memcpy(bytes_.data() + offset, &value, sizeof value);
  std::memcpy(writable_.data() + offset, &writable, sizeof writable);
}

void ConfigSpace::place_header(const Profile& profile) noexcept {
  place<std::uint16_t>(PCI_VENDOR_ID, EFA_PCI_VENDOR);
  place<std::uint16_t>(PCI_DEVICE_ID, profile.pci_device);
  place<std::uint16_t>(PCI_COMMAND, 0, kCommandBits);
  place<std::uint16_t>(PCI_STATUS, PCI_STATUS_CAP_LIST);
  place<std::uint32_t>(PCI_CLASS_REVISION, kClassEthernet << 8);
  place<std::uint8_t>(PCI_CACHE_LINE_SIZE, 0, 0xff);
  place<std::uint16_t>(PCI_SUBSYSTEM_VENDOR_ID, EFA_PCI_VENDOR);
  place<std::uint16_t>(PCI_SUBSYSTEM_ID, profile.pci_device);
  place<std::uint8_t>(PCI_CAPABILITY_LIST, kExpress);
  place<std::uint8_t>(PCI_INTERRUPT_LINE, 0, 0xff);
}

/// The writable bits of a BAR say its size.
void ConfigSpace::place_bars(const Profile& profile) noexcept {
  const auto bar = [](unsigned index) { return PCI_BASE_ADDRESS_0 + 4 * index; };
  const auto size32 = [](std::uint64_t bytes) { return static_cast<std::uint32_t>(~(bytes - 1)); };
  place<std::uint32_t>(bar(kRegisterBar), 0, size32(kRegisterBytes));
  place<std::uint32_t>(bar(kMsixBar), 0, size32(kMsixBytes));
  place<std::uint64_t>(bar(kLlqBar), PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
                       ~(llq_bytes(profile) - 1));
  place<std::uint64_t>(bar(kDoorbellBar), PCI_BASE_ADDRESS_MEM_TYPE_64, ~(kDoorbellBytes - 1));
}

void ConfigSpace::place_express_capability() noexcept {
  constexpr std::uint16_t kVersion2 = 2;
  place<std::uint8_t>(kExpress, PCI_CAP_ID_EXP);
  place<std::uint8_t>(kExpress + PCI_CAP_LIST_NEXT, kMsix);
  place<std::uint16_t>(kExpress + PCI_EXP_FLAGS, kVersion2 | PCI_EXP_TYPE_ENDPOINT << 4);
  place<std::uint32_t>(kExpress + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR | 1);
  // Bit 15 starts a function-level reset and always reads 0.
  place<std::uint16_t>(kExpress + PCI_EXP_DEVCTL,
                       PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN,
                       static_cast<std::uint16_t>(~PCI_EXP_DEVCTL_BCR_FLR));
  place<std::uint32_t>(kExpress + PCI_EXP_LNKCAP, kLink);
  place<std::uint16_t>(kExpress + PCI_EXP_LNKCTL, 0,
                       PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC);
  place<std::uint16_t>(kExpress + PCI_EXP_LNKSTA, static_cast<std::uint16_t>(kLink));
  place<std::uint32_t>(kExpress + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS);
  place<std::uint16_t>(kExpress + PCI_EXP_DEVCTL2, 0,
                       PCI_EXP_DEVCTL2_COMP_TIMEOUT | PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
}

void ConfigSpace::place_msix_capability(const Profile& profile) noexcept {
  place<std::uint8_t>(kMsix, PCI_CAP_ID_MSIX);
  place<std::uint16_t>(kMsix + PCI_MSIX_FLAGS, static_cast<std::uint16_t>(profile.msix_vectors - 1),
                       PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
  place<std::uint32_t>(kMsix + PCI_MSIX_TABLE, kMsixBar);
  place<std::uint32_t>(kMsix + PCI_MSIX_PBA, static_cast<std::uint32_t>(kMsixPbaOffset) | kMsixBar);
}

void ConfigSpace::read(std::size_t offset, std::span<std::byte> out) const noexcept {
  std::memcpy(out.data(), bytes_.data() + offset, out.size());
}

ConfigSpace::Effects ConfigSpace::write(std::size_t offset,
                                        std::span<const std::byte> in) noexcept {
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::byte writable = writable_[offset + i];
    bytes_[offset + i] = (bytes_[offset + i] & ~writable) | (in[i] & writable);
  }
  constexpr std::size_t kResetByte = kExpress + PCI_EXP_DEVCTL + 1;
  constexpr auto kResetBit = static_cast<std::byte>(PCI_EXP_DEVCTL_BCR_FLR >> 8);
  const bool covered = offset <= kResetByte && kResetByte - offset < in.size();
  return {covered && (in[kResetByte - offset] & kResetBit) != std::byte{0}};
}

bool ConfigSpace::bus_master() const noexcept {
  return (bytes_[PCI_COMMAND] & std::byte{PCI_COMMAND_MASTER}) != std::byte{0};
}

}  // namespace efa::emu::vfio_user
