// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What efa.ko is to a real device: brings one emulated device up, turns verbs into its admin
/// commands, and takes the completion events from its event queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "datapath/data_path.hpp"
#include "device/device.hpp"
#include "frontend/uverbs/driver_counters.hpp"
#include "frontend/uverbs/native_dma_space.hpp"
#include "frontend/uverbs/queue_memory.hpp"

namespace efa::emu {

/// Limits and capabilities as the device reports them.
struct DeviceAttributes {
  efa_device_attr device{};
  efa_queue_attr_1 queues{};
  efa_queue_attr_2 queues_2{};
  efa_network_attr network{};
  efa_event_queue_attr events{};
  std::uint16_t inline_buf_size_ex = 0;  ///< of queues_2, or of queues without that feature
  bool has(std::uint32_t cap_mask) const noexcept { return (device.device_caps & cap_mask) != 0; }
};

class NativeDriver final : public InterruptSink {
 public:
  NativeDriver(const Profile& profile, const DeviceIdentity& identity, const DeviceOptions& options,
               Switch& fabric, unsigned host);
  ~NativeDriver() override;
  NativeDriver(const NativeDriver&) = delete;
  NativeDriver& operator=(const NativeDriver&) = delete;

  Device& device() noexcept { return *device_; }
  DataPath& data_path() noexcept { return *data_path_; }
  NativeDmaSpace& memory() noexcept { return memory_; }
  DriverCounters& counters() noexcept { return counters_; }
  const DeviceAttributes& attributes() const noexcept { return attributes_; }

  /// Executes a typed admin command. Returns 0 or the errno of verbs A8.9.
  template <class Command, class Response>
  int execute(efa_aq_opcode opcode, Command& command, Response& response);

  unsigned completion_vectors() const noexcept { return eqs_.empty() ? 1 : eqs_.size(); }
  bool has_events() const noexcept { return !eqs_.empty(); }
  std::uint16_t eq_of_vector(unsigned vector) const noexcept { return eqs_[vector]->number; }

  /// Called once per completion event of CQ `cqn`.
  using EventHandler = std::function<void()>;
  void watch_cq(std::uint16_t cqn, EventHandler handler) { handlers_[cqn] = std::move(handler); }
  void unwatch_cq(std::uint16_t cqn) { handlers_.erase(cqn); }

  /// Takes events that the device signalled and arms its event queues again.
  void handle_interrupts();

  void signal(unsigned vector) noexcept override;

  /// Windows of the BARs that queue memory of a context can be mapped over. Whole pages.
  std::byte* llq_window(std::uint32_t offset) noexcept { return llq_ + offset; }
  std::byte* doorbell_window(std::uint32_t page_offset) noexcept {
    return doorbells_ + page_offset;
  }
  /// Makes a window private zero pages again.
  void clear_window(std::byte* at, std::size_t length) noexcept;

 private:
  struct Eq {
    std::uint16_t number = 0;
    std::uint16_t depth = 0;
    std::uint32_t consumed = 0;
    bool pending = false;
    std::vector<efa_eqe> ring;
    DmaAddr address = 0;
  };

  int run(std::span<const std::byte, kAdminEntrySize> command,
          std::span<std::byte, kAdminEntrySize> response);
  template <class Block>
  int get_feature(efa_feature_id id, Block& out);
  void create_event_queues();
  void drain(Eq& eq);

  NativeDmaSpace memory_;
  std::size_t llq_bytes_;
  std::byte* llq_;
  std::byte* doorbells_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<DataPath> data_path_;
  DeviceAttributes attributes_;
  DriverCounters counters_;
  std::vector<std::unique_ptr<Eq>> eqs_;
  bool interrupted_ = false;
  std::unordered_map<std::uint16_t, EventHandler> handlers_;
};

template <class Command, class Response>
int NativeDriver::execute(efa_aq_opcode opcode, Command& command, Response& response) {
  static_assert(sizeof(Command) <= kAdminEntrySize && sizeof(Response) <= kAdminEntrySize);
  command.aq_common_desc.opcode = static_cast<std::uint8_t>(opcode);
  std::byte in[kAdminEntrySize] = {};
  std::byte out[kAdminEntrySize] = {};
  std::memcpy(in, &command, sizeof(command));
  const int error = run(std::span<const std::byte, kAdminEntrySize>(in),
                        std::span<std::byte, kAdminEntrySize>(out));
  std::memcpy(&response, out, sizeof(response));
  return error;
}

}  // namespace efa::emu
