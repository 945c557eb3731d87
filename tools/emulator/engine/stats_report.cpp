// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/stats_report.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace efa::emu {

namespace {

using Json = nlohmann::ordered_json;

const char* type_name(efa_qp_type type) {
  return type == EFA_QP_TYPE_UD ? "UD" : "SRD";
}

Json queue_pair_json(const QpRecord& qp) {
  const QueuePairStats& s = qp.stats;
  return Json{{"qp", qp.number},
              {"type", type_name(qp.type)},
              {"sent_messages", s.sent_messages},
              {"sent_bytes", s.sent_bytes},
              {"received_messages", s.received_messages},
              {"received_bytes", s.received_bytes},
              {"read_messages", s.read_messages},
              {"read_bytes", s.read_bytes},
              {"written_messages", s.written_messages},
              {"written_bytes", s.written_bytes},
              {"retransmissions", s.retransmissions},
              {"rnr_retries", s.rnr_retries},
              {"errors", s.errors}};
}

Json device_json(const ReportedDevice& device) {
  const Statistics& s = device.data_path->device().stats;
  const DropCounters& d = device.data_path->drops();
  Json json{{"host", device.host},
            {"device", device.name},
            {"gid", device.data_path->gid().text()},
            {"tx_bytes", s.tx_bytes},
            {"tx_pkts", s.tx_pkts},
            {"rx_bytes", s.rx_bytes},
            {"rx_pkts", s.rx_pkts},
            {"send_wrs", s.send_wrs},
            {"send_bytes", s.send_bytes},
            {"recv_wrs", s.recv_wrs},
            {"recv_bytes", s.recv_bytes},
            {"rdma_read_wrs", s.read_wrs},
            {"rdma_read_bytes", s.read_bytes},
            {"rdma_read_wr_err", s.read_wr_err},
            {"rdma_read_resp_bytes", s.read_resp_bytes},
            {"rdma_write_wrs", s.write_wrs},
            {"rdma_write_bytes", s.write_bytes},
            {"rdma_write_wr_err", s.write_wr_err},
            {"rdma_write_recv_bytes", s.write_recv_bytes},
            {"retrans_pkts", s.retrans_pkts},
            {"retrans_bytes", s.retrans_bytes},
            {"unresponsive_remote_events", s.unresponsive_remote_events},
            {"drops",
             {{"no_receive", d.no_receive},
              {"receive_too_small", d.receive_too_small},
              {"bad_qkey", d.bad_qkey},
              {"no_queue_pair", d.no_queue_pair},
              {"bad_receive_buffer", d.bad_receive_buffer},
              {"duplicates", d.duplicates},
              {"unreachable", d.unreachable}}}};
  Json qps = Json::array();
  for (const QpRecord& qp : device.data_path->queue_pairs()) qps.push_back(queue_pair_json(qp));
  json["queue_pairs"] = std::move(qps);
  return json;
}

void append_drops(std::string& out, const DropCounters& d) {
  const std::pair<const char*, std::uint64_t> reasons[] = {
      {"no receive posted", d.no_receive},
      {"receive too small", d.receive_too_small},
      {"wrong Q_Key", d.bad_qkey},
      {"no such queue pair", d.no_queue_pair},
      {"bad receive buffer", d.bad_receive_buffer},
      {"duplicates", d.duplicates},
      {"unreachable", d.unreachable},
  };
  for (const auto& [reason, count] : reasons)
    if (count != 0) out += fmt::format("  drops, {}: {}\n", reason, count);
}

}  // namespace

std::string stats_text(const std::vector<ReportedDevice>& devices, const Switch& fabric) {
  std::string out = "efa-emu: traffic per device and queue pair\n";
  for (const ReportedDevice& device : devices) {
    const Statistics& s = device.data_path->device().stats;
    const auto qps = device.data_path->queue_pairs();
    if (qps.empty()) continue;
    out += fmt::format("{} {}: sent {} packets, {} bytes; received {} packets, {} bytes",
                       device.host, device.name, s.tx_pkts, s.tx_bytes, s.rx_pkts, s.rx_bytes);
    if (s.retrans_pkts != 0) out += fmt::format("; {} retransmitted", s.retrans_pkts);
    out += '\n';
    append_drops(out, device.data_path->drops());
    for (const QpRecord& qp : qps) {
      const QueuePairStats& q = qp.stats;
      out += fmt::format(
          "  QP {:<5} {:<3} send {}/{} B  recv {}/{} B  read {}/{} B  write {}/{} B  "
          "retrans {}  rnr {}  errors {}\n",
          qp.number, type_name(qp.type), q.sent_messages, q.sent_bytes, q.received_messages,
          q.received_bytes, q.read_messages, q.read_bytes, q.written_messages, q.written_bytes,
          q.retransmissions, q.rnr_retries, q.errors);
    }
  }
  if (fabric.packets_lost + fabric.packets_denied + fabric.packets_duplicated != 0)
    out += fmt::format("fabric: {} packets lost, {} denied by security groups, {} duplicated\n",
                       fabric.packets_lost, fabric.packets_denied, fabric.packets_duplicated);
  return out;
}

std::string stats_json(const std::vector<ReportedDevice>& devices, const Switch& fabric) {
  Json json{{"fabric",
             {{"packets_lost", fabric.packets_lost},
              {"packets_denied", fabric.packets_denied},
              {"packets_duplicated", fabric.packets_duplicated}}}};
  Json list = Json::array();
  for (const ReportedDevice& device : devices) list.push_back(device_json(device));
  json["devices"] = std::move(list);
  return json.dump(2) + "\n";
}

void write_stats(StatsFormat format, const std::string& file,
                 const std::vector<ReportedDevice>& devices, const Switch& fabric) {
  if (format == StatsFormat::kNone) return;
  const std::string text =
      format == StatsFormat::kJson ? stats_json(devices, fabric) : stats_text(devices, fabric);
  if (file.empty()) {
    std::fputs(text.c_str(), stderr);
    return;
  }
  std::ofstream out(file);
  if (!(out << text << std::flush))
    fmt::print(stderr, "efa-emu: cannot write statistics to {}: {}\n", file, std::strerror(errno));
}

}  // namespace efa::emu
