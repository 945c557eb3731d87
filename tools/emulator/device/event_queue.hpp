// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// A completion event queue: 16-byte entries in host memory, one interrupt per arm (A7).
#pragma once

#include <cstdint>

#include "device/dma_space.hpp"
#include "device/interrupt_sink.hpp"
#include "efa_hw.h"

namespace efa::emu {

class EventQueue {
 public:
  EventQueue(std::uint16_t number, std::uint16_t depth, std::uint8_t vector, MappedRange ring,
             InterruptSink& interrupts)
      : number_(number), depth_(depth), vector_(vector), ring_(ring), interrupts_(interrupts) {}

  std::uint16_t number() const noexcept { return number_; }
  std::uint8_t vector() const noexcept { return vector_; }
  std::uint32_t users = 0;  ///< CQs bound to it

  /// Writes a completion event for CQ `cqn` and interrupts if armed.
  void push_completion(std::uint16_t cqn) noexcept;

  /// EQ_DB with the arm bit.
  void arm() noexcept;

  /// DESTROY_EQ: neither memory nor vector is touched any more, whatever CQs still point here.
  void close() noexcept { closed_ = true; }

 private:
  void signal() noexcept;

  std::uint16_t number_;
  std::uint16_t depth_;
  std::uint8_t vector_;
  MappedRange ring_;
  InterruptSink& interrupts_;
  std::uint32_t produced_ = 0;
  std::uint32_t signalled_ = 0;  ///< produced_ at the last interrupt
  bool armed_ = false;
  bool closed_ = false;
};

}  // namespace efa::emu
