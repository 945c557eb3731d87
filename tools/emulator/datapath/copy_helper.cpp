// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/copy_helper.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace efa::emu {

namespace {

constexpr unsigned kPartBits = 16;
constexpr std::uint64_t kPartMask = (1u << kPartBits) - 1;

constexpr std::uint64_t ticket(std::uint32_t job, unsigned parts) noexcept {
  return std::uint64_t{job} << 2 * kPartBits | std::uint64_t{parts} << kPartBits;
}
constexpr unsigned parts_of(std::uint64_t value) noexcept {
  return static_cast<unsigned>(value >> kPartBits & kPartMask);
}
constexpr unsigned next_of(std::uint64_t value) noexcept {
  return static_cast<unsigned>(value & kPartMask);
}

std::chrono::nanoseconds monotonic() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch();
}

// Waking a thread on a sleeping core takes about half as long as a part. So the helper stays awake
// for as long as the next transfer of a stream takes to come, unless others want its core: then a
// yield takes long, and sleepers are put in front of them anyway.
constexpr std::chrono::microseconds kLinger{50};
constexpr std::chrono::microseconds kLongYield{20};

}  // namespace

/// The fourth field of /proc/loadavg begins with the number of threads that run or want to.
bool core_is_free() noexcept {
  const int fd = ::open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[128];
  const ssize_t got = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  text[got < 0 ? 0 : got] = '\0';
  long running = 0;
  return std::sscanf(text, "%*s %*s %*s %ld/", &running) == 1 &&
         running <= ::sysconf(_SC_NPROCESSORS_ONLN);
}

bool SharingPolicy::share_next() noexcept {
  if (cost_[0] == 0) return false;
  const bool shared_wins = cost_[1] != 0 && cost_[1] < cost_[0];
  if (--until_trial_ != 0) return shared_wins;
  until_trial_ = interval_;
  if (!shared_wins && !core_free_()) return false;
  interval_ = std::min(2 * interval_, kLongest);
  until_trial_ = interval_;
  return !shared_wins;
}

void SharingPolicy::took(bool shared, std::uint64_t bytes, Nanoseconds time) noexcept {
  if (bytes == 0) return;
  const std::uint64_t sample = std::max<std::uint64_t>((time << 20) / bytes, 1);
  const bool shared_won = cost_[1] != 0 && cost_[1] < cost_[0];
  std::uint64_t& cost = cost_[shared];
  // What was measured of the loser is old; of the winner one interrupted transfer does not decide.
  const bool trial = cost == 0 || shared != shared_won;
  cost = trial ? sample : (3 * cost + std::min(sample, 4 * cost)) / 4;
  if ((cost_[1] != 0 && cost_[1] < cost_[0]) != shared_won) until_trial_ = interval_ = kShortest;
}

CopyHelper::~CopyHelper() {
  if (!thread_.joinable()) return;
  ending_.store(true, std::memory_order_relaxed);
  call_.fetch_add(1, std::memory_order_release);
  call_.notify_one();
  thread_.join();
}

void CopyHelper::run_call(unsigned parts, const Call& job) {
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  job_ = job;
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(ticket(++jobs_, parts), std::memory_order_release);
  call_.fetch_add(1, std::memory_order_release);
  call_.notify_one();  // a system call only if the helper sleeps
  work(0);
  await_end();
}

/// Takes parts of the current job until none is left.
void CopyHelper::work(unsigned worker) {
  std::uint64_t current = ticket_.load(std::memory_order_acquire);
  while (next_of(current) < parts_of(current)) {
    if (!ticket_.compare_exchange_weak(current, current + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire))
      continue;
    job_.function(job_.context, next_of(current), worker);
    // Acquire as well: whoever sees the last part done sees all parts.
    done_.fetch_add(1, std::memory_order_acq_rel);
    current = ticket_.load(std::memory_order_acquire);
  }
}

/// The helper may still be at its last part. It needs a core for that: perhaps this one.
void CopyHelper::await_end() {
  const unsigned parts = parts_of(ticket_.load(std::memory_order_relaxed));
  for (unsigned spins = 0; done_.load(std::memory_order_acquire) != parts; ++spins)
    if (spins % 64 == 63) ::sched_yield();
}

void CopyHelper::serve() {
  begin_();
  std::uint32_t seen = 0;
  while (!ending_.load(std::memory_order_relaxed)) {
    call_.wait(seen, std::memory_order_acquire);
    do {
      seen = call_.load(std::memory_order_acquire);
      work(1);
    } while (linger() && !ending_.load(std::memory_order_relaxed));
  }
}

/// Waits a little for the next job. True if there is one.
bool CopyHelper::linger() {
  const std::uint32_t seen = call_.load(std::memory_order_relaxed);
  const auto start = monotonic();
  for (auto now = start; now - start < kLinger;) {
    if (call_.load(std::memory_order_acquire) != seen) return true;
    ::sched_yield();
    const auto back = monotonic();
    if (back - now > kLongYield) return false;
    now = back;
  }
  return false;
}

}  // namespace efa::emu
