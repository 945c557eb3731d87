// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Native mode against what the kernel offers without it, both sides interleaved in one run:
/// 8-byte SRD ping-pong against TCP loopback. Run under `efa-emu run`. Prints medians in
/// microseconds and their ratio.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "verbs_pair.hpp"

namespace {

using efa::bench::die;
using efa::bench::Endpoint;
using efa::bench::PeerAddress;

constexpr unsigned kRounds = 40;
constexpr unsigned kPingsPerRound = 250;
constexpr std::uint32_t kPing = 8;

double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double median(std::vector<double>& samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

void yield() {
  ::sched_yield();
}

void exchange(int fd, const PeerAddress& mine, PeerAddress& theirs) {
  if (::write(fd, &mine, sizeof(mine)) != sizeof(mine) ||
      ::read(fd, &theirs, sizeof(theirs)) != sizeof(theirs))
    die("address exchange");
}

void turn(int fd, bool first, char (&message)[kPing]) {
  const auto send = [&] {
    if (::write(fd, message, kPing) != kPing) die("write");
  };
  const auto receive = [&] {
    if (::recv(fd, message, kPing, MSG_WAITALL) != kPing) die("recv");
  };
  if (first) {
    send();
    receive();
  } else {
    receive();
    send();
  }
}

/// One side of the benchmark; side 0 measures.
void run_side(int side, int control, int tcp) {
  Endpoint endpoint(4096);
  PeerAddress theirs;
  exchange(control, endpoint.address(), theirs);
  endpoint.connect(theirs);
  for (int i = 0; i < 64; ++i) endpoint.post_recv(kPing);
  char message[kPing] = {};
  turn(control, side == 0, message);  // both have posted

  std::vector<double> srd, socket;
  for (unsigned round = 0; round < kRounds; ++round) {
    for (unsigned i = 0; i < kPingsPerRound; ++i) {
      const double start = now_us();
      if (side == 0) endpoint.post_send_inline(kPing);
      endpoint.await_receive(yield);
      endpoint.post_recv(kPing);
      if (side == 1) endpoint.post_send_inline(kPing);
      endpoint.await_send(yield);
      srd.push_back((now_us() - start) / 2);
    }
    for (unsigned i = 0; i < kPingsPerRound; ++i) {
      const double start = now_us();
      turn(tcp, side == 0, message);
      socket.push_back((now_us() - start) / 2);
    }
    turn(control, side == 0, message);
  }
  if (side != 0) return;
  const double srd_us = median(srd), tcp_us = median(socket);
  std::printf("SRD 8 B half round trip     %8.1f us\n", srd_us);
  std::printf("TCP loopback, the same      %8.1f us   SRD / TCP = %.2f (goal <= 1)\n", tcp_us,
              srd_us / tcp_us);
}

}  // namespace

int main() {
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, control) != 0) die("socketpair");
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listener, 1) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    die("TCP listener");
  const int one = 1;

  const pid_t child = ::fork();
  if (child == 0) {
    const int tcp = ::accept(listener, nullptr, nullptr);
    ::setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    run_side(1, control[1], tcp);
    return 0;
  }
  const int tcp = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(tcp, reinterpret_cast<sockaddr*>(&address), length) != 0) die("connect");
  ::setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  run_side(0, control[0], tcp);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
