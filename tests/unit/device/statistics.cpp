// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/statistics.hpp"

#include <gtest/gtest.h>

#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

Answer<efa_get_stats_resp> get(Rig& rig, unsigned type, unsigned scope = EFA_GET_STATS_SCOPE_ALL) {
  efa_get_stats_cmd cmd{};
  cmd.type = static_cast<std::uint8_t>(type);
  cmd.scope = static_cast<std::uint8_t>(scope);
  return rig.execute<efa_get_stats_resp>(EFA_AQ_OPCODE_GET_STATS, cmd);
}

/// A rig whose counters hold 1, 2, 3 and so on, in the order of their declaration.
struct Counted : Rig {
  explicit Counted(std::string_view name = "efa2") : Rig(name) {
    Statistics& s = device.stats;
    std::uint64_t next = 1;
    for (std::uint64_t* field : {&s.tx_bytes,
                                 &s.tx_pkts,
                                 &s.rx_bytes,
                                 &s.rx_pkts,
                                 &s.rx_drops,
                                 &s.qkey_viol,
                                 &s.send_bytes,
                                 &s.send_wrs,
                                 &s.recv_bytes,
                                 &s.recv_wrs,
                                 &s.read_wrs,
                                 &s.read_bytes,
                                 &s.read_wr_err,
                                 &s.read_resp_bytes,
                                 &s.write_wrs,
                                 &s.write_bytes,
                                 &s.write_wr_err,
                                 &s.write_recv_bytes,
                                 &s.retrans_bytes,
                                 &s.retrans_pkts,
                                 &s.retrans_timeout_events,
                                 &s.unresponsive_remote_events,
                                 &s.impaired_remote_conn_events})
      *field = next++;
  }
};

TEST(GetStats, BasicCountsTraffic) {
  Counted rig;
  const auto s = get(rig, EFA_GET_STATS_TYPE_BASIC).body.stats.basic_stats;
  EXPECT_EQ(s.tx_bytes, 1u);
  EXPECT_EQ(s.tx_pkts, 2u);
  EXPECT_EQ(s.rx_bytes, 3u);
  EXPECT_EQ(s.rx_pkts, 4u);
  EXPECT_EQ(s.rx_drops, 5u);
  EXPECT_EQ(s.qkey_viol, 6u);
}

TEST(GetStats, MessagesCountsSendsAndReceives) {
  Counted rig;
  const auto s = get(rig, EFA_GET_STATS_TYPE_MESSAGES).body.stats.messages_stats;
  EXPECT_EQ(s.send_bytes, 7u);
  EXPECT_EQ(s.send_wrs, 8u);
  EXPECT_EQ(s.recv_bytes, 9u);
  EXPECT_EQ(s.recv_wrs, 10u);
}

TEST(GetStats, RdmaReadCountsBothSides) {
  Counted rig;
  const auto s = get(rig, EFA_GET_STATS_TYPE_RDMA_READ).body.stats.rdma_read_stats;
  EXPECT_EQ(s.read_wrs, 11u);
  EXPECT_EQ(s.read_bytes, 12u);
  EXPECT_EQ(s.read_wr_err, 13u);
  EXPECT_EQ(s.read_resp_bytes, 14u);
}

TEST(GetStats, RdmaWriteExistsOnlyWithTheCapability) {
  Counted rig;
  const auto s = get(rig, EFA_GET_STATS_TYPE_RDMA_WRITE).body.stats.rdma_write_stats;
  EXPECT_EQ(s.write_wrs, 15u);
  EXPECT_EQ(s.write_bytes, 16u);
  EXPECT_EQ(s.write_wr_err, 17u);
  EXPECT_EQ(s.write_recv_bytes, 18u);
  Counted old("efa1");
  EXPECT_EQ(get(old, EFA_GET_STATS_TYPE_RDMA_WRITE).status, kUnsupported);
}

TEST(GetStats, NetworkCountsRetransmissions) {
  Counted rig;
  const auto s = get(rig, EFA_GET_STATS_TYPE_NETWORK).body.stats.network_stats;
  EXPECT_EQ(s.retrans_bytes, 19u);
  EXPECT_EQ(s.retrans_pkts, 20u);
  EXPECT_EQ(s.retrans_timeout_events, 21u);
  EXPECT_EQ(s.unresponsive_remote_events, 22u);
  EXPECT_EQ(s.impaired_remote_conn_events, 23u);
}

TEST(GetStats, RefusesUnknownTypesAndScopes) {
  Rig rig;
  EXPECT_EQ(get(rig, 5).status, kIllegal);
  EXPECT_EQ(get(rig, 255).status, kIllegal);
  EXPECT_EQ(get(rig, 0, EFA_GET_STATS_SCOPE_QUEUE).status, kUnsupported);
  EXPECT_EQ(get(rig, 0, 2).status, kIllegal);
}

TEST(Statistics, CountAdminCommandsAndTheirErrors) {
  Rig rig;
  rig.pd();
  rig.dealloc_pd(55);
  EXPECT_EQ(rig.device.stats.admin_commands, 2u);
  EXPECT_EQ(rig.device.stats.admin_errors, 1u);
}

}  // namespace
}  // namespace efa::emu::test
