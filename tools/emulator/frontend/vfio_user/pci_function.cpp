// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/vfio_user/pci_function.hpp"

#include <linux/vfio.h>

#include <cstring>

namespace efa::emu::vfio_user {

static_assert(VFIO_PCI_BAR0_REGION_INDEX == 0 && VFIO_PCI_BAR5_REGION_INDEX == kBars - 1);

Result<std::unique_ptr<PciFunction>> PciFunction::create(const Profile& profile,
                                                         const DeviceIdentity& identity,
                                                         const DeviceOptions& options,
                                                         Switch& fabric, unsigned host,
                                                         Doorbells doorbells) {
  auto llq = BarMemory::create("efa-llq", llq_bytes(profile));
  if (!llq) return tl::unexpected(llq.error());
  auto words = BarMemory::create("efa-doorbells", kDoorbellBytes);
  if (!words) return tl::unexpected(words.error());
  return std::unique_ptr<PciFunction>(new PciFunction(
      profile, identity, options, fabric, host, doorbells, std::move(*llq), std::move(*words)));
}

PciFunction::PciFunction(const Profile& profile, const DeviceIdentity& identity,
                         const DeviceOptions& options, Switch& fabric, unsigned host,
                         Doorbells doorbells, BarMemory llq, BarMemory doorbell_words)
    : vectors_(profile.msix_vectors),
      config_(profile),
      doorbells_(doorbells),
      llq_(std::move(llq)),
      doorbell_words_(std::move(doorbell_words)) {
  device_ = std::make_unique<Device>(
      profile, identity, options,
      DeviceEnvironment{memory_, vectors_, fabric.clock(), llq_.bytes(), doorbell_words_.bytes()});
  data_path_ = std::make_unique<DataPath>(*device_, fabric, host, doorbells);
}

Region PciFunction::region(unsigned index) const noexcept {
  switch (index) {
    case kRegisterBar:
      return {kRegisterBytes, -1};
    case kMsixBar:
      return {kMsixBytes, -1};
    case kLlqBar:
      return {llq_.bytes().size(), llq_.fd()};
    case kDoorbellBar:
      return {kDoorbellBytes, doorbells_ == Doorbells::kShared ? doorbell_words_.fd() : -1};
    case VFIO_PCI_CONFIG_REGION_INDEX:
      return {ConfigSpace::kBytes, -1};
    default:
      return {};
  }
}

bool PciFunction::read(unsigned index, std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t size = region(index).size;
  if (offset > size || out.size() > size - offset) return false;
  if (!plugged_) {
    std::memset(out.data(), 0xff, out.size());
    return true;
  }
  switch (index) {
    case kRegisterBar:
      read_registers(offset, out);
      break;
    case kLlqBar:
      std::memcpy(out.data(), llq_.bytes().data() + offset, out.size());
      break;
    case kDoorbellBar:
      std::memcpy(out.data(), doorbell_words_.bytes().data() + offset, out.size());
      break;
    case VFIO_PCI_CONFIG_REGION_INDEX:
      ++accesses_.config_reads;
      config_.read(offset, out);
      break;
    default:  // table and pending bits of MSI-X: the client keeps them
      std::memset(out.data(), 0, out.size());
      break;
  }
  return true;
}

/// Loads of any size: the bytes of the words that they touch.
void PciFunction::read_registers(std::uint64_t offset, std::span<std::byte> out) {
  ++accesses_.register_reads;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = static_cast<std::uint32_t>(offset + i);
    const std::uint32_t word = device_->read_register(at & ~3u);
    out[i] = static_cast<std::byte>(word >> 8 * (at & 3));
  }
}

/// Registers and doorbells take aligned 32-bit stores (device-regs R1); a longer store is several,
/// anything else is ignored.
template <class Store>
void PciFunction::for_each_word(std::uint64_t offset, std::span<const std::byte> in,
                                Store&& store) {
  if ((offset | in.size()) % sizeof(std::uint32_t) != 0) return;
  for (std::size_t i = 0; i < in.size(); i += sizeof(std::uint32_t)) {
    std::uint32_t value;
    std::memcpy(&value, in.data() + i, sizeof value);
    store(static_cast<std::uint32_t>(offset + i), value);
  }
}

bool PciFunction::write(unsigned index, std::uint64_t offset, std::span<const std::byte> in) {
  const std::uint64_t size = region(index).size;
  if (offset > size || in.size() > size - offset) return false;
  if (!plugged_) return true;
  switch (index) {
    case kRegisterBar:
      for_each_word(offset, in, [this](std::uint32_t at, std::uint32_t value) {
        ++accesses_.register_writes;
        device_->write_register(at, value);
      });
      break;
    case kLlqBar:
      std::memcpy(llq_.bytes().data() + offset, in.data(), in.size());
      break;
    case kDoorbellBar:
      for_each_word(offset, in, [this](std::uint32_t at, std::uint32_t value) {
        ++accesses_.doorbells;
        data_path_->doorbell(at, value);
      });
      break;
    case VFIO_PCI_CONFIG_REGION_INDEX:
      write_config(offset, in);
      break;
    default:
      break;
  }
  return true;
}

void PciFunction::write_config(std::size_t offset, std::span<const std::byte> in) {
  ++accesses_.config_writes;
  const ConfigSpace::Effects effects = config_.write(offset, in);
  memory_.set_bus_master(config_.bus_master());
  if (effects.reset) reset();
}

void PciFunction::reset() {
  ++accesses_.resets;
  device_->reset();
  vectors_.forget_pending();
  config_.reset();
  memory_.set_bus_master(config_.bus_master());
}

void PciFunction::set_plugged(bool plugged) {
  if (plugged == plugged_) return;
  reset();
  plugged_ = plugged;
}

void PciFunction::disconnect() {
  plugged_ = true;
  reset();
  vectors_.disconnect();
  memory_.remove_all();
  llq_.clear();
  doorbell_words_.clear();
}

}  // namespace efa::emu::vfio_user
