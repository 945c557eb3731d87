// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// GET_STATS (A9.14).
#include "device/admin_commands.hpp"

namespace efa::emu {

namespace {

efa_basic_stats basic(const Statistics& s) {
  return {s.tx_bytes, s.tx_pkts, s.rx_bytes, s.rx_pkts, s.rx_drops, s.qkey_viol};
}

efa_messages_stats messages(const Statistics& s) {
  return {s.send_bytes, s.send_wrs, s.recv_bytes, s.recv_wrs};
}

efa_rdma_read_stats rdma_read(const Statistics& s) {
  return {s.read_wrs, s.read_bytes, s.read_wr_err, s.read_resp_bytes};
}

efa_rdma_write_stats rdma_write(const Statistics& s) {
  return {s.write_wrs, s.write_bytes, s.write_wr_err, s.write_recv_bytes};
}

efa_network_stats network(const Statistics& s) {
  return {s.retrans_bytes, s.retrans_pkts, s.retrans_timeout_events, s.unresponsive_remote_events,
          s.impaired_remote_conn_events};
}

}  // namespace

AdminCommands::Status AdminCommands::get_stats(const efa_get_stats_cmd& cmd,
                                               efa_get_stats_resp& resp) {
  if (cmd.scope == EFA_GET_STATS_SCOPE_QUEUE) return kUnsupported;
  if (cmd.scope != EFA_GET_STATS_SCOPE_ALL) return kIllegal;
  const Statistics& stats = device_.stats;
  switch (cmd.type) {
    case EFA_GET_STATS_TYPE_BASIC:
      resp.stats.basic_stats = basic(stats);
      return kSuccess;
    case EFA_GET_STATS_TYPE_MESSAGES:
      resp.stats.messages_stats = messages(stats);
      return kSuccess;
    case EFA_GET_STATS_TYPE_RDMA_READ:
      resp.stats.rdma_read_stats = rdma_read(stats);
      return kSuccess;
    case EFA_GET_STATS_TYPE_RDMA_WRITE:
      if (!profile().has(EFA_DEVICE_ATTR_RDMA_WRITE_MASK)) return kUnsupported;
      resp.stats.rdma_write_stats = rdma_write(stats);
      return kSuccess;
    case EFA_GET_STATS_TYPE_NETWORK:
      resp.stats.network_stats = network(stats);
      return kSuccess;
    default:
      return kIllegal;
  }
}

}  // namespace efa::emu
