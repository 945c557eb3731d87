// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Device-wide counters behind GET_STATS (A9.14). They survive reset.
#pragma once

#include <array>
#include <cstdint>

namespace efa::emu {

struct Statistics {
  // BASIC: payload bytes and MTU-sized packets on the wire
  std::uint64_t tx_bytes = 0, tx_pkts = 0, rx_bytes = 0, rx_pkts = 0, rx_drops = 0, qkey_viol = 0;
  // MESSAGES
  std::uint64_t send_bytes = 0, send_wrs = 0, recv_bytes = 0, recv_wrs = 0;
  // RDMA_READ
  std::uint64_t read_wrs = 0, read_bytes = 0, read_wr_err = 0, read_resp_bytes = 0;
  // RDMA_WRITE
  std::uint64_t write_wrs = 0, write_bytes = 0, write_wr_err = 0, write_recv_bytes = 0;
  // NETWORK
  std::uint64_t retrans_bytes = 0, retrans_pkts = 0, retrans_timeout_events = 0;
  std::uint64_t unresponsive_remote_events = 0, impaired_remote_conn_events = 0;
  // Management, not part of GET_STATS
  std::uint64_t admin_commands = 0, admin_errors = 0, admin_crc_errors = 0;
  std::uint64_t aenq_dropped = 0;
  std::array<std::uint64_t, 32> admin_by_opcode{};  ///< the last one also counts all beyond it
};

}  // namespace efa::emu
