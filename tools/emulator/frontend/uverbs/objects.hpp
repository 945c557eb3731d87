// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What the handles of a context name.
#pragma once

#include <rdma/ib_user_verbs.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "device/dma_space.hpp"
#include "efa_hw.h"
#include "frontend/uverbs/dma_buffer.hpp"
#include "frontend/uverbs/queue_memory.hpp"
#include "frontend/uverbs/shared_window.hpp"

namespace efa::emu {

/// Anything a handle can name.
struct UverbsObject {
  virtual ~UverbsObject() = default;
  /// True if the device may still access `space` on its behalf.
  virtual bool refers_to(DmaAddr) const noexcept { return false; }
};

/// Memory of a client in the eyes of the device.
struct CallerMemory {
  DmaAddr address = 0;
  std::uint64_t length = 0;               ///< bytes
  DmaAddr space = 0;                      ///< where it lies; 0 = nothing is held
  std::unique_ptr<DmaBuffer> dma_buffer;  ///< by descriptor; else a range of a process
  std::unique_ptr<SharedWindow> window;   ///< of such a range, if it is shared memory
};

struct PdObject final : UverbsObject {
  std::uint16_t number = 0;
  std::uint32_t users = 0;
};

struct MrObject final : UverbsObject {
  std::uint32_t lkey = 0;
  PdObject* pd = nullptr;
  CallerMemory memory;
  efa_reg_mr_resp response{};

  bool refers_to(DmaAddr space) const noexcept override { return memory.space == space; }
};

struct AhObject final : UverbsObject {
  std::uint16_t number = 0;
  PdObject* pd = nullptr;
};

/// A completion channel: a pipe whose read end the client has.
struct Channel {
  int write_end = -1;
  ino_t inode = 0;
  std::uint32_t users = 0;  ///< completion queues
};

struct CqObject final : UverbsObject {
  std::uint16_t number = 0;
  std::uint64_t user_handle = 0;
  std::uint32_t users = 0;
  Channel* channel = nullptr;
  std::uint32_t events_sent = 0;
  QueueMemory::Range ring;  ///< empty if the client brought the memory
  CallerMemory caller_ring;

  bool refers_to(DmaAddr space) const noexcept override { return caller_ring.space == space; }
};

/// A completion counter: two counters of the device (A9.16).
struct CounterObject final : UverbsObject {
  struct Entry {
    std::uint32_t number = 0;  ///< of the device
    CallerMemory memory;
  };
  Entry completions, errors;
  std::uint32_t users = 0;  ///< attachments to queue pairs

  bool refers_to(DmaAddr space) const noexcept override {
    return completions.memory.space == space || errors.memory.space == space;
  }
};

struct QpObject final : UverbsObject {
  std::uint32_t handle = 0;
  std::uint16_t number = 0;
  std::uint32_t verbs_type = 0;
  std::uint32_t state = 0;
  ib_uverbs_qp_cap cap{};
  PdObject* pd = nullptr;
  CqObject* send_cq = nullptr;
  CqObject* recv_cq = nullptr;
  QueueMemory::Range llq;
  QueueMemory::Range rq;
  std::byte* llq_window = nullptr;
  std::uint32_t counted_ops = 0;  ///< that have a counter; one bit each, as in ATTACH
  std::vector<CounterObject*> counters;
};

}  // namespace efa::emu
