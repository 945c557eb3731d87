// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// USDT probes of the provider rdma_core_efa, the names and arguments that scripts for the stock
/// library use (V186): post_recv, post_send, process_completion.
///
/// A probe that nobody watches costs the test of its semaphore; its arguments are only collected
/// when somebody does.
#pragma once

#include <cstdint>

#include "qp.hpp"

#if EFA_USDT
// The semaphores are counted up by whoever watches, in this process' memory.
extern "C" {
extern volatile unsigned short rdma_core_efa_post_send_semaphore;
extern volatile unsigned short rdma_core_efa_post_recv_semaphore;
extern volatile unsigned short rdma_core_efa_process_completion_semaphore;
}
#endif

namespace efa::trace {

[[gnu::cold, gnu::noinline]] void fire_post_send(Qp& qp, std::uint64_t wr_id, std::uint32_t op,
                                                 std::uint32_t dest_qpn, std::uint32_t ah,
                                                 std::uint64_t bytes);
[[gnu::cold, gnu::noinline]] void fire_post_recv(Qp& qp, std::uint64_t wr_id, int num_sge);
[[gnu::cold, gnu::noinline]] void fire_completion(Qp& qp, std::uint64_t wr_id, std::uint32_t status,
                                                  std::uint32_t opcode, std::uint64_t word0,
                                                  std::uint64_t word1);

inline bool post_send_watched() {
#if EFA_USDT
  return rdma_core_efa_post_send_semaphore != 0;
#else
  return false;
#endif
}

inline bool post_recv_watched() {
#if EFA_USDT
  return rdma_core_efa_post_recv_semaphore != 0;
#else
  return false;
#endif
}

inline bool completion_watched() {
#if EFA_USDT
  return rdma_core_efa_process_completion_semaphore != 0;
#else
  return false;
#endif
}

}  // namespace efa::trace
