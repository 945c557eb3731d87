// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// RDMA read and write of 1 MiB between two processes against process_vm_readv and
/// process_vm_writev alone, interleaved in one run; one at a time, and eight outstanding. Speaks to
/// the device by raw uverbs, because Debian 12's libefa cannot post SRD writes. Run under `efa-emu
/// run`.
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::uint32_t kLocalWrite = 1, kRemoteWrite = 2, kRemoteRead = 4;
constexpr unsigned kWarmUp = 5, kRounds = 40;
constexpr unsigned kOutstanding = 8;
constexpr std::uint32_t kBulk = 1 << 20;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A queue pair and a registered buffer.
class Side {
 public:
  Side() {
    if (session.alloc_pd(pd) != 0 ||
        session.reg_mr(pd, buffer.data(), buffer.size(), kLocalWrite | kRemoteWrite | kRemoteRead,
                       mr) != 0 ||
        session.create_ah(pd, session.gid(), ah) != 0)
      die("verbs objects");
    cq.emplace(session, CqRequest{});
    qp.emplace(session, pd, *cq, *cq);
  }
  Session session;
  Pd pd;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kBulk, 1);
  Mr mr;
  AddressHandle ah;
  std::optional<CompletionRing> cq;
  std::optional<QueuePair> qp;
};

/// What the measuring side needs to know of the other.
struct Target {
  std::uint32_t qpn;
  Mr mr;
  std::uint8_t* buffer;
  pid_t pid;
};

class Measurement {
 public:
  Measurement(Side& side, const Target& target) : side_(side), target_(target) {}

  /// Microseconds per transfer, `count` of them posted at once.
  double rdma(efa_send_op_type op, unsigned count) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(op, {side_.ah.number, target_.qpn}, 1, 1);
    wqe.data.rdma_req.remote_mem = remote(target_.mr, target_.buffer, kBulk);
    wqe.data.rdma_req.local_mem = segment(side_.mr, side_.buffer.data(), kBulk);
    const double start = now_us();
    for (unsigned i = 0; i < count; ++i) side_.qp->post_send(wqe);
    for (unsigned i = 0; i < count; ++i)
      if (const unsigned status = side_.cq->next().status())
        die(("completion with status " + std::to_string(status)).c_str());
    return (now_us() - start) / count;
  }

  /// The same by system calls.
  double copy(efa_send_op_type op, unsigned count) {
    const iovec local{side_.buffer.data(), kBulk}, distant{target_.buffer, kBulk};
    const bool read = op == EFA_SEND_OP_TYPE_RDMA_READ;
    const double start = now_us();
    for (unsigned i = 0; i < count; ++i) {
      const ssize_t moved = read ? ::process_vm_readv(target_.pid, &local, 1, &distant, 1, 0)
                                 : ::process_vm_writev(target_.pid, &local, 1, &distant, 1, 0);
      if (moved != kBulk) die("process_vm_readv or process_vm_writev");
    }
    return (now_us() - start) / count;
  }

 private:
  Side& side_;
  const Target& target_;
};

double at(std::vector<double>& samples, double quantile) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(quantile * static_cast<double>(samples.size() - 1))];
}

void compare(Measurement& measurement, efa_send_op_type op, unsigned count) {
  const char* name = op == EFA_SEND_OP_TYPE_RDMA_READ ? "read" : "write";
  std::vector<double> rdma, copy;
  for (unsigned round = 0; round < kWarmUp + kRounds; ++round) {
    const double by_device = measurement.rdma(op, count), by_call = measurement.copy(op, count);
    if (round < kWarmUp) continue;
    rdma.push_back(by_device);
    copy.push_back(by_call);
  }
  const double device = at(rdma, 0.5), call = at(copy, 0.5);
  std::printf(
      "RDMA %-5s 1 MiB, %u outstanding  median %7.1f us, p10 %7.1f; process_vm_%sv median %7.1f "
      "us, "
      "p10 %7.1f; bandwidth ratio = %.2f (p10: %.2f)\n",
      name, count, device, at(rdma, 0.1), name, call, at(copy, 0.1), call / device,
      at(copy, 0.1) / at(rdma, 0.1));
}

int serve(int control) {
  Side side;
  const Target self{side.qp->number(), side.mr, side.buffer.data(), ::getpid()};
  char end;
  return ::write(control, &self, sizeof(self)) == sizeof(self) && ::read(control, &end, 1) == 0 ? 0
                                                                                                : 1;
}

int measure(int control) {
  Side side;
  Target target{};
  if (::read(control, &target, sizeof(target)) != sizeof(target)) die("the other side");
  Measurement measurement(side, target);
  for (const unsigned count : {1u, kOutstanding})
    for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE})
      compare(measurement, op, count);
  return 0;
}

}  // namespace
}  // namespace efa::raw

int main() {
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, control) != 0) efa::raw::die("socketpair");
  const pid_t child = ::fork();
  ::close(control[child == 0 ? 0 : 1]);
  if (child == 0) return efa::raw::serve(control[1]);
  const int result = efa::raw::measure(control[0]);
  ::close(control[0]);
  ::waitpid(child, nullptr, 0);
  return result;
}
