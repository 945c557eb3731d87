// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// RDMA read and write of 1 MiB between two processes against process_vm_readv and
/// process_vm_writev alone, interleaved in one run; one at a time, and eight outstanding. Speaks to
/// the device by raw uverbs, because Debian 12's libefa cannot post SRD writes. Run under `efa-emu
/// run`.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "memory.hpp"
#include "rings.hpp"

namespace efa::raw {
namespace {

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

constexpr std::uint32_t kAccess = kLocalWrite | kRemoteWrite | kRemoteRead;

enum class Kind { kOrdinary, kShared, kDmaBuffer };
constexpr const char* kNames[] = {"ordinary memory", "shared memory", "DMA buffer"};

/// A queue pair and a registered buffer.
class Side {
 public:
  explicit Side(Kind kind) {
    if (kind == Kind::kShared) map_over_buffer(MAP_SHARED | MAP_ANONYMOUS, -1);
    if (session.alloc_pd(pd) != 0 || session.create_ah(pd, session.gid(), ah) != 0 ||
        (kind == Kind::kDmaBuffer ? reg_dma_buffer()
                                  : session.reg_mr(pd, buffer, kBulk, kAccess, mr)) != 0)
      die("verbs objects");
    std::memset(buffer, 1, kBulk);
    cq.emplace(session, CqRequest{});
    qp.emplace(session, pd, *cq, *cq);
  }
  Session session;
  Pd pd;
  std::uint8_t* buffer = static_cast<std::uint8_t*>(std::aligned_alloc(4096, kBulk));
  Mr mr;
  AddressHandle ah;
  std::optional<CompletionRing> cq;
  std::optional<QueuePair> qp;

 private:
  void map_over_buffer(int flags, int file) {
    if (::mmap(buffer, kBulk, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0) == MAP_FAILED)
      die("mmap");
  }
  /// A memory file, which native mode takes for one.
  int reg_dma_buffer() {
    const int file = ::memfd_create("buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (::ftruncate(file, kBulk) != 0 || ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
      die("memory file");
    map_over_buffer(MAP_SHARED, file);
    DmabufRequest request;
    request.length = kBulk;
    request.iova = reinterpret_cast<std::uint64_t>(buffer);
    request.fd = file;
    request.access = kAccess;
    return reg_dmabuf_mr(session, pd, request, mr);
  }
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
    wqe.data.rdma_req.local_mem = segment(side_.mr, side_.buffer, kBulk);
    const double start = now_us();
    for (unsigned i = 0; i < count; ++i) side_.qp->post_send(wqe);
    for (unsigned i = 0; i < count; ++i)
      if (const unsigned status = side_.cq->next().status())
        die(("completion with status " + std::to_string(status)).c_str());
    return (now_us() - start) / count;
  }

  /// The same by system calls.
  double copy(efa_send_op_type op, unsigned count) {
    const iovec local{side_.buffer, kBulk}, distant{target_.buffer, kBulk};
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

void compare(Measurement& measurement, const char* kind, efa_send_op_type op, unsigned count) {
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
      "RDMA %-5s 1 MiB, %s, %u outstanding: median %7.1f us, p10 %7.1f; process_vm_%sv median "
      "%7.1f "
      "us, "
      "p10 %7.1f; bandwidth ratio = %.2f (p10: %.2f)\n",
      name, kind, count, device, at(rdma, 0.1), name, call, at(copy, 0.1), call / device,
      at(copy, 0.1) / at(rdma, 0.1));
}

int serve(int control, Kind kind) {
  Side side(kind);
  const Target self{side.qp->number(), side.mr, side.buffer, ::getpid()};
  char end;
  return ::write(control, &self, sizeof(self)) == sizeof(self) && ::read(control, &end, 1) == 0 ? 0
                                                                                                : 1;
}

int measure(int control, Kind kind) {
  Side side(Kind::kOrdinary);
  Target target{};
  if (::read(control, &target, sizeof(target)) != sizeof(target)) die("the other side");
  Measurement measurement(side, target);
  for (const unsigned count : {1u, kOutstanding})
    for (const auto op : {EFA_SEND_OP_TYPE_RDMA_READ, EFA_SEND_OP_TYPE_RDMA_WRITE})
      compare(measurement, kNames[static_cast<int>(kind)], op, count);
  return 0;
}

}  // namespace
}  // namespace efa::raw

/// Measures with a peer process of its own.
int run(efa::raw::Kind kind) {
  using namespace efa::raw;
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, control) != 0) die("socketpair");
  const pid_t child = ::fork();
  ::close(control[child == 0 ? 0 : 1]);
  if (child == 0) ::_exit(serve(control[1], kind));
  const int result = measure(control[0], kind);
  ::close(control[0]);
  ::waitpid(child, nullptr, 0);
  return result;
}

int main() {
  using efa::raw::Kind;
  return run(Kind::kOrdinary) != 0 || run(Kind::kShared) != 0 || run(Kind::kDmaBuffer) != 0;
}
