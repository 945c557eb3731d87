// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A completion queue: the ring in host memory, phases per sub-CQ, arming and events (I7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/dma_space.hpp"
#include "efa_hw.h"

namespace efa::emu {

class EventQueue;

class CompletionQueue {
 public:
  struct Config {
    std::uint16_t number = 0;
    std::uint16_t uar = 0;
    std::uint32_t depth = 0;       ///< CQEs per sub-CQ, power of two
    std::uint16_t entry_size = 0;  ///< bytes: 16 or 32
    std::uint16_t sub_cqs = 1;
    bool set_src_addr = false;
    bool req_id_64 = false;
    EventQueue* eq = nullptr;     ///< interrupt mode when not null
    std::uint32_t db_offset = 0;  ///< in the doorbell BAR; meaningful when eq is not null
  };

  CompletionQueue(const Config& config, MappedRange ring);

  const Config& config() const noexcept { return config_; }
  std::uint32_t users = 0;  ///< QPs that complete here (one per direction)

  /// Writes one CQE of entry_size bytes (`cqe` has room for 32), phase last, then raises the event
  /// if armed. The phase bit in `cqe` is set here.
  void push(std::uint16_t sub_cq, efa_rx_cdesc_ex& cqe) noexcept;

  /// One doorbell store, each seen exactly once (trapped doorbells).
  void doorbell(std::uint32_t value) noexcept;

  /// Doorbell word sampled from shared memory: stores may have been overwritten unseen. Fires at
  /// most one event per command sequence number (native-mode 6.1).
  void doorbell_sampled(std::uint32_t value) noexcept;

  std::uint16_t produced() const noexcept { return static_cast<std::uint16_t>(produced_); }
  std::uint64_t cqes() const noexcept { return produced_; }
  std::uint64_t overruns() const noexcept { return overruns_; }

 private:
  void arm(std::uint32_t cmd_sn, std::uint32_t consumer_index) noexcept;
  void send_event() noexcept;
  void write_unmapped(std::size_t slot, const efa_rx_cdesc_ex& cqe) noexcept;
  std::uint32_t unconsumed() const noexcept;

  Config config_;
  MappedRange ring_;
  std::vector<std::uint32_t> produced_in_;  ///< per sub-CQ, free running
  std::uint64_t produced_ = 0;
  std::uint64_t overruns_ = 0;
  std::uint32_t consumer_index_ = 0;  ///< last reported
  std::uint32_t events_sent_ = 0;
  std::uint32_t last_sample_ = 0;
  bool sampled_ = false;  ///< any store was seen in shared memory
  bool consumer_reported_ = false;
  bool armed_ = false;
};

}  // namespace efa::emu
