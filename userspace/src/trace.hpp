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
[[gnu::visibility("hidden")]] extern volatile unsigned short rdma_core_efa_post_send_semaphore;
[[gnu::visibility("hidden")]] extern volatile unsigned short rdma_core_efa_post_recv_semaphore;
[[gnu::visibility(
    "hidden")]] extern volatile unsigned short rdma_core_efa_process_completion_semaphore;
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

// A comparison with memory and a jump: what a compiler makes of a volatile load is longer.
#if !EFA_USDT
#define EFA_WATCHED(semaphore) false
#elif defined(__x86_64__)
#define EFA_WATCHED(semaphore)                                        \
  ({                                                                  \
    bool nonzero;                                                     \
    asm volatile("cmpw $0, %1" : "=@ccne"(nonzero) : "m"(semaphore)); \
    nonzero;                                                          \
  })
#else
#define EFA_WATCHED(semaphore) ((semaphore) != 0)
#endif

[[gnu::always_inline]] inline bool post_send_watched() {
  return EFA_WATCHED(rdma_core_efa_post_send_semaphore);
}
[[gnu::always_inline]] inline bool post_recv_watched() {
  return EFA_WATCHED(rdma_core_efa_post_recv_semaphore);
}
[[gnu::always_inline]] inline bool completion_watched() {
  return EFA_WATCHED(rdma_core_efa_process_completion_semaphore);
}
#undef EFA_WATCHED

}  // namespace efa::trace
