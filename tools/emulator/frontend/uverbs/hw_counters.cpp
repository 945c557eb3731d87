// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/hw_counters.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace efa::emu {

std::span<const DeviceCounter> device_counters() noexcept {
  using C = DriverCounters;
  static constexpr DeviceCounter kCounters[] = {
      {"submitted_cmds", &C::submitted_cmds},
      {"completed_cmds", &C::completed_cmds},
      {"cmds_err", &C::cmds_err},
      {"no_completion_cmds", &C::no_completion_cmds},
      {"keep_alive_rcvd", &C::keep_alive_rcvd},
      {"alloc_pd_err", &C::alloc_pd_err},
      {"create_qp_err", &C::create_qp_err},
      {"create_cq_err", &C::create_cq_err},
      {"reg_mr_err", &C::reg_mr_err},
      {"alloc_ucontext_err", &C::alloc_ucontext_err},
      {"create_ah_err", &C::create_ah_err},
      {"mmap_err", &C::mmap_err},
  };
  return kCounters;
}

std::span<const PortCounter> port_counters() noexcept {
  using S = Statistics;
  static constexpr PortCounter kCounters[] = {
      {"tx_bytes", &S::tx_bytes},
      {"tx_pkts", &S::tx_pkts},
      {"rx_bytes", &S::rx_bytes},
      {"rx_pkts", &S::rx_pkts},
      {"rx_drops", &S::rx_drops},
      {"send_bytes", &S::send_bytes},
      {"send_wrs", &S::send_wrs},
      {"recv_bytes", &S::recv_bytes},
      {"recv_wrs", &S::recv_wrs},
      {"rdma_read_wrs", &S::read_wrs},
      {"rdma_read_bytes", &S::read_bytes},
      {"rdma_read_wr_err", &S::read_wr_err},
      {"rdma_read_resp_bytes", &S::read_resp_bytes},
      {"rdma_write_wrs", &S::write_wrs},
      {"rdma_write_bytes", &S::write_bytes},
      {"rdma_write_wr_err", &S::write_wr_err},
      {"rdma_write_recv_bytes", &S::write_recv_bytes},
      {"retrans_bytes", &S::retrans_bytes},
      {"retrans_pkts", &S::retrans_pkts},
      {"retrans_timeout_events", &S::retrans_timeout_events},
      {"unresponsive_remote_events", &S::unresponsive_remote_events},
      {"impaired_remote_conn_events", &S::impaired_remote_conn_events},
  };
  return kCounters;
}

HwCounterFiles::HwCounterFiles(std::string directory, const DriverCounters& driver,
                               const Statistics& device)
    : directory_(std::move(directory)),
      driver_(driver),
      device_(device),
      shown_(device_counters().size() + port_counters().size()) {}

void HwCounterFiles::refresh() {
  std::uint64_t* shown = shown_.data();
  for (const DeviceCounter& counter : device_counters())
    show("hw_counters", counter.name, driver_.*counter.value, *shown++);
  for (const PortCounter& counter : port_counters())
    show("ports/1/hw_counters", counter.name, device_.*counter.value, *shown++);
}

/// In place, so that readers who keep the file open see it, too. Counters only grow, hence the text
/// never gets shorter; it lies within one cache line, so that a torn read is next to impossible.
void HwCounterFiles::show(const char* folder, const char* name, std::uint64_t value,
                          std::uint64_t& shown) {
  if (value == shown) return;
  const std::string path = fmt::format("{}/{}/{}", directory_, folder, name);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // a program removed it: nobody needs it
  const std::string text = fmt::format("{}\n", value);
  if (::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) shown = value;
  ::close(fd);
}

void CounterRefresh::refreshed(Nanoseconds begin, Nanoseconds end) noexcept {
  constexpr Nanoseconds kShare = 50;
  dirty_ = false;
  last_ = end;
  interval_ = std::max(kLifespan, kShare * (end - begin));
}

}  // namespace efa::emu
