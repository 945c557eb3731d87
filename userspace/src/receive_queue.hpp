// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The receive queue: descriptors in ordinary memory, announced by a doorbell (device-io I5, I6).
#pragma once

#include <cstdint>

#include "mapping.hpp"
#include "spin_lock.hpp"
#include "wire.hpp"
#include "work_queue.hpp"

namespace efa {

struct ReceiveQueue {
  WorkQueue work;
  SpinLock lock;
  std::uint32_t max_sge = 0;
  std::uint32_t descriptors_posted = 0;
  std::uint32_t descriptor_mask = 0;
  std::uint64_t* ring = nullptr;  // two words a descriptor
  std::uint32_t* doorbell = nullptr;

  Mapping ring_pages;
  Mapping doorbell_page;

  void ring_doorbell() {
    barrier_memory_before_doorbell();
    store_device(doorbell, efa_rq_doorbell_set_pc(0, descriptors_posted));
  }
};

}  // namespace efa
