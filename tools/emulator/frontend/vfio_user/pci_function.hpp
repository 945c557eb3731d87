// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One emulated device as a PCI function: BARs, configuration space, MSI-X, resets. Knows nothing
/// of sockets and messages.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "datapath/data_path.hpp"
#include "device/device.hpp"
#include "frontend/vfio_user/bar_memory.hpp"
#include "frontend/vfio_user/config_space.hpp"
#include "frontend/vfio_user/dma_table.hpp"
#include "frontend/vfio_user/msix_vectors.hpp"

namespace efa::emu::vfio_user {

/// A region as the client is told of it.
struct Region {
  std::uint64_t size = 0;  ///< bytes; 0 = there is none
  int fd = -1;             ///< of memory that the client may map instead of asking; -1 = none
};

/// Accesses of the client that were answered one by one.
struct AccessCounters {
  std::uint64_t register_reads = 0, register_writes = 0;
  std::uint64_t doorbells = 0;
  std::uint64_t config_reads = 0, config_writes = 0;
  std::uint64_t resets = 0;  ///< FLR and DEVICE_RESET
};

class PciFunction {
 public:
  static Result<std::unique_ptr<PciFunction>> create(const Profile& profile,
                                                     const DeviceIdentity& identity,
                                                     const DeviceOptions& options, Switch& fabric,
                                                     unsigned host, Doorbells doorbells);

  Device& device() noexcept { return *device_; }
  DataPath& data_path() noexcept { return *data_path_; }
  DmaTable& memory() noexcept { return memory_; }
  MsixVectors& vectors() noexcept { return vectors_; }
  const AccessCounters& accesses() const noexcept { return accesses_; }

  /// Region by VFIO index (linux/vfio.h).
  Region region(unsigned index) const noexcept;

  /// Access to a region. False if there is no such region or the range is not inside it.
  bool read(unsigned region, std::uint64_t offset, std::span<std::byte> out);
  bool write(unsigned region, std::uint64_t offset, std::span<const std::byte> in);

  /// Function-level reset: objects, rings and configuration go, the client's memory and eventfds
  /// stay.
  void reset();

  /// Pulled out of its slot: it forgets everything and answers all ones, until it is plugged in
  /// again as a new device. The client does not learn of it, as a root port without hot-plug
  /// interrupts would not.
  void set_plugged(bool plugged);
  bool plugged() const noexcept { return plugged_; }

  /// The client has gone: nothing of it is left.
  void disconnect();

 private:
  PciFunction(const Profile& profile, const DeviceIdentity& identity, const DeviceOptions& options,
              Switch& fabric, unsigned host, Doorbells doorbells, BarMemory llq,
              BarMemory doorbell_words);

  void read_registers(std::uint64_t offset, std::span<std::byte> out);
  template <class Store>
  void for_each_word(std::uint64_t offset, std::span<const std::byte> in, Store&& store);
  void write_config(std::size_t offset, std::span<const std::byte> in);

  DmaTable memory_;
  MsixVectors vectors_;
  ConfigSpace config_;
  Doorbells doorbells_;
  BarMemory llq_;
  BarMemory doorbell_words_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<DataPath> data_path_;
  AccessCounters accesses_;
  bool plugged_ = true;
};

}  // namespace efa::emu::vfio_user
