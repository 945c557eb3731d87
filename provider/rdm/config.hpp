// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What an engine is made with: the device's limits, the user's settings, the queues.
#ifndef EFA_PROVIDER_RDM_CONFIG_HPP
#define EFA_PROVIDER_RDM_CONFIG_HPP

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>

#include "rdm/completion.hpp"
#include "rdm/host.hpp"
#include "wire/choose.hpp"
#include "wire/layout.hpp"

namespace efa::rdm {

// Queues of verbs that nobody else uses at the same time, and where completions go. Null rings and
// tallies: the application does not look.
struct Queues {
  ibv_qp* qp = nullptr;       // for receives
  ibv_qp_ex* send = nullptr;  // the same QP
  ibv_cq_ex* send_cq = nullptr;
  ibv_cq_ex* receive_cq = nullptr;  // may be the same
  CompletionRing* tx = nullptr;
  CompletionRing* rx = nullptr;
  Tally* sends = nullptr;
  Tally* receives = nullptr;
  Tally* reads = nullptr;
  Tally* writes = nullptr;
  Tally* remote_reads = nullptr;
  Tally* remote_writes = nullptr;
};

struct Config {
  RawAddress own{};
  Side side;                  // features and device that the handshake announces
  std::uint64_t host_id = 0;  // 0: not announced

  std::size_t mtu = 0;  // bytes of a packet
  std::uint32_t tx_depth = 0;
  std::uint32_t rx_depth = 0;
  std::size_t max_sge = 1;      // of a send
  std::size_t inline_size = 0;  // bytes
  std::uint64_t max_rdma = 0;   // bytes of one RDMA request
  bool use_rdma_read = false;
  bool use_rdma_write = false;

  MemoryLimits limits;  // for host memory
  // Bytes without a descriptor that are not copied if a registration is kept of them: to find it
  // asks the kernel (600 cycles), to copy 16 KiB takes 250, and what the caches lose.
  std::size_t pin_from = 32768;
  std::uint32_t cts_packets = 32;  // of a window
  std::size_t poll_batch = 50;
  std::size_t refill_at = 8;                                        // receives that are missing
  std::uint64_t first_backoff = 0;                                  // microseconds, 0: random
  std::uint64_t max_backoff = 1000000;                              // microseconds
  std::size_t max_implicit_peers = 0;                               // 0: no limit
  std::size_t min_multi_recv = 0;                                   // bytes
  std::size_t max_message[2] = {~std::size_t{0}, ~std::size_t{0}};  // bytes, untagged and tagged
  std::size_t prefix = 0;          // FI_MSG_PREFIX: bytes that the length of a receive includes
  bool retries = true;             // false: FI_RM_DISABLED, who finds no receive gets FI_ENORX
  bool takes_immediate = false;    // writes with data may arrive
  bool tells_unsolicited = false;  // the CQ does: some may have taken no receive
  bool homogeneous = false;        // peers have our features: nobody waits for handshakes
};

}  // namespace efa::rdm

#endif
