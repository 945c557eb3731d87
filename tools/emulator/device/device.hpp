// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// One emulated EFA function: registers, admin queue, objects, event queues. No sockets, no
/// threads, no clock of its own. Everything that a driver or a process can choose is untrusted.
///
/// Not thread-safe: all calls come from the engine thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/gid.hpp"
#include "device/address_handle.hpp"
#include "device/completion_queue.hpp"
#include "device/dma_space.hpp"
#include "device/event_counter.hpp"
#include "device/event_queue.hpp"
#include "device/id_table.hpp"
#include "device/interrupt_sink.hpp"
#include "device/memory_region.hpp"
#include "device/profile.hpp"
#include "device/queue_pair.hpp"
#include "device/statistics.hpp"

namespace efa::emu {

/// What distinguishes this function from others of its generation.
struct DeviceIdentity {
  Gid gid;
  std::array<std::uint8_t, 8> guid{};  ///< in the order in which users see it
};

/// Test and policy switches; the defaults are what a faithful device does.
struct DeviceOptions {
  bool strict = false;                 ///< reserved bits, batch limits and the like become errors
  bool fast_reg_from_any_uar = false;  ///< else only QPs of the first allocated UAR (the kernel's)
  std::uint16_t api_version = 0;       ///< 0 = as the profile says
  std::uint8_t admin_timeout = 0;    ///< limit of a command, in 100 ms; 0 = 30 s (device-admin A5)
  std::uint16_t sub_cqs_per_cq = 0;  ///< 0 = as the profile says
};

/// The outside world of a device. All references outlive it.
struct DeviceEnvironment {
  DmaSpace& memory;
  InterruptSink& interrupts;
  const Clock& clock;
  std::span<std::byte> llq;        ///< BAR 2: send queues, written by the host
  std::span<std::byte> doorbells;  ///< BAR 4: 32-bit doorbell words, 4-KiB pages
};

/// A protection domain. It cannot go away while something counts on it.
struct ProtectionDomain {
  std::uint16_t number = 0;
  std::uint32_t users = 0;  ///< QPs and MRs; AHs are counted in the AH table
};

/// A user access region: the owner of doorbell pages.
struct UserAccessRegion {
  std::uint16_t number = 0;
  std::uint32_t users = 0;
};

inline constexpr std::size_t kAdminEntrySize = 64;

class AdminFaults;
class AdminQueue;
class AsyncEventQueue;
class DoorbellPool;
class LlqPool;

class Device {
 public:
  Device(const Profile& profile, const DeviceIdentity& identity, const DeviceOptions& options,
         DeviceEnvironment environment);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Connects the data path; without one, queue pairs exist but move nothing.
  void connect(DataPathHooks* hooks) noexcept { hooks_ = hooks; }

  const Profile& profile() const noexcept { return profile_; }
  const DeviceIdentity& identity() const noexcept { return identity_; }
  const DeviceOptions& options() const noexcept { return options_; }
  DeviceEnvironment& environment() noexcept { return environment_; }
  std::uint16_t api_version() const noexcept;
  std::uint16_t sub_cqs_per_cq() const noexcept;

  // BAR 0 (device-regs). 32-bit, aligned; anything else is ignored.
  void write_register(std::uint32_t offset, std::uint32_t value);
  std::uint32_t read_register(std::uint32_t offset) const;

  /// Executes one admin command given in entry format v1 (60 payload bytes) and fills the 64-byte
  /// completion except command id, phase and checksum. Returns the completion status. This is the
  /// one implementation behind the admin queue and behind native mode.
  efa_aq_completion_status execute(std::span<const std::byte, kAdminEntrySize> command,
                                   std::span<std::byte, kAdminEntrySize> response);

  /// PCI function-level reset, or a front end going away.
  void reset();

  /// Sends what is due on the async event queue (keep-alive). Returns when to call again, in the
  /// clock's time; ~0 when nothing is planned.
  Nanoseconds run_timers();

  /// Test mode: reports an event of `group` if the driver enabled it. True if it was reported.
  bool inject_event(efa_aenq_group group, std::uint16_t syndrome);

  /// Test mode: spoils admin commands. Armed faults survive a reset, so that a probe can be
  /// spoiled.
  AdminFaults& admin_faults();

  /// Test mode: stops the keep-alive, or lets it go on.
  void silence_keep_alive(bool silent) noexcept;

  /// Test mode: the next reset does not end, until this is taken back.
  void hold_reset(bool hold) noexcept;

  /// How many objects of each kind exist.
  struct Population {
    std::size_t pds, uars, eqs, cqs, mrs, qps, ahs, event_counters;
  };
  Population population() const noexcept;

  // Lookups for the data path. Any value is allowed; nullptr when there is no such object.
  QueuePair* find_qp(std::uint32_t number) const noexcept { return qps_.find(number); }
  CompletionQueue* find_cq(std::uint32_t number) const noexcept { return cqs_.find(number); }
  /// Region whose current key is `key` (24 bits for l_keys, 32 for r_keys) and which is valid.
  MemoryRegion* find_mr(std::uint32_t key) const noexcept;
  /// ALLOC_MR region by key index, whatever its generation.
  MemoryRegion* find_mr_index(std::uint32_t key) const noexcept;
  const AddressHandleTable& address_handles() const noexcept { return ahs_; }

  template <class F>
  void for_each_qp(F&& visit) const {
    qps_.for_each(visit);
  }

  /// The doorbell word at `offset` of the doorbell BAR. Precondition: an offset handed out by this
  /// device.
  std::uint32_t* doorbell_word(std::uint32_t offset) const noexcept;

  /// True if `uar` is the first allocated one, the kernel's in a driver that has one.
  bool is_kernel_uar(std::uint16_t uar) const noexcept { return uar == 0; }

  /// What the driver told about itself (SET_FEATURE HOST_INFO); nothing before that.
  const std::optional<efa_host_info>& host_info() const noexcept { return host_info_; }

  Statistics stats;

 private:
  friend class AdminCommands;

  // registers.cpp
  void control(std::uint32_t value);
  void event_queue_doorbell(std::uint32_t value);
  void answer_register_read(std::uint32_t request);

  // device.cpp
  void forget_everything();
  void remember_generations();
  void retire_generation(const MemoryRegion& region);
  void retire_eq(std::uint16_t number);
  void release_eq(EventQueue& eq);

  const Profile& profile_;
  DeviceIdentity identity_;
  DeviceOptions options_;
  DeviceEnvironment environment_;
  DataPathHooks* hooks_ = nullptr;

  IdTable<ProtectionDomain> pds_;
  IdTable<UserAccessRegion> uars_;
  IdTable<EventQueue> eqs_;
  IdTable<CompletionQueue> cqs_;
  IdTable<MemoryRegion> mrs_;
  IdTable<QueuePair> qps_;
  IdTable<EventCounter> counters_;
  AddressHandleTable ahs_;
  std::vector<std::unique_ptr<EventQueue>>
      retired_eqs_;                           ///< destroyed, but CQs still refer to them
  std::vector<std::uint8_t> mr_generations_;  ///< next key generation, by key index
  std::optional<efa_host_info> host_info_;

  struct Registers;
  std::unique_ptr<Registers> registers_;
  std::unique_ptr<AdminFaults> admin_faults_;  ///< nullptr until one is armed
  std::unique_ptr<AdminQueue> admin_queue_;
  std::unique_ptr<AsyncEventQueue> aenq_;
  std::unique_ptr<DoorbellPool> doorbell_pool_;
  std::unique_ptr<LlqPool> llq_pool_;
};

}  // namespace efa::emu
