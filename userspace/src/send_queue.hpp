// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The send queue: WQEs in write-combining device memory, announced by a doorbell (device-io I4,
/// I6).
///
/// Two ways in, one queue: ibv_post_send builds a WQE in registers and writes it straight to the
/// device; the ibv_wr_* calls stage a session's WQEs in ordinary memory, because it may be aborted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mapping.hpp"
#include "spin_lock.hpp"
#include "wire.hpp"
#include "work_queue.hpp"

namespace efa {

/// Width of a WQE, fixed when the queue is created (V99).
enum class WqeSize : std::uint32_t { k64 = 64, k128 = 128 };

/// Whether completions carry a slot number or the user's whole wr_id (V105).
enum class RequestIds { kSlots, kWide };

struct SendQueue {
  // What every post reads.
  WorkQueue work;
  SpinLock lock;
  std::uint32_t max_sge = 0;
  std::uint32_t max_inline = 0;
  std::uint32_t max_batch = 0;      // WQEs between two doorbells
  std::uint32_t implied_flags = 0;  // IBV_SEND_SIGNALED of a queue with sq_sig_all
  // What all WQEs have in common, with the generation of request ids and the ring's current phase.
  std::uint64_t first_word = meta::kAlways;
  std::byte* ring = nullptr;
  std::uint32_t* doorbell = nullptr;

  // The session of ibv_wr_start.
  std::byte* staging = nullptr;  // of the ring's size
  std::byte* current = nullptr;  // WQE being built
  std::uint32_t building = 0;    // count of posts as if the session were complete
  int error = 0;
  std::uint64_t first_word_at_start = 0;
  bool inline_write = false;

  // What only creation and destruction need.
  std::uint32_t wqe_size = 0;
  Mapping ring_pages;
  Mapping doorbell_page;
  Array<std::byte> staging_memory;

  void set_generation(std::uint32_t generation) {
    first_word = (first_word & ~in_word(meta::kReqId, 0xffff)) | in_word(meta::kReqId, generation);
  }

  /// The phase follows the laps of the ring. The device goes by the doorbell, yet gets it (I2.1).
  void advance_phase(std::uint32_t next) {
    if ((next & work.mask()) == 0) first_word ^= meta::kPhase;
  }

  /// Announces all WQEs before number `posted`.
  void ring_doorbell(std::uint32_t posted) {
    barrier_wc_stores_before_doorbell();
    store_device(doorbell, efa_sq_doorbell_set_pc(0, posted));
  }
};

}  // namespace efa
