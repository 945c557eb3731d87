// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/pacing.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace efa::emu {

namespace {

struct Patience {
  Nanoseconds idle_for;
  Nanoseconds wait;
};
constexpr Patience kPatience[] = {
    {10'000'000'000, 5'000'000}, {1'000'000'000, 1'000'000}, {20'000'000, 200'000},
    {2'000'000, 50'000},         {200'000, 20'000},          {0, 0},
};

Nanoseconds wait_after(Nanoseconds idle) noexcept {
  return std::find_if(std::begin(kPatience), std::end(kPatience),
                      [idle](const Patience& p) { return idle >= p.idle_for; })
      ->wait;
}

// Without a spare core, giving up the processor costs a whole turn of a client that polls, while a
// short sleep brings the engine back in front of it. A yield that took this long tells; then the
// engine sleeps between passes for a while before it tries to spin again.
constexpr Nanoseconds kLongYield = 100'000;
constexpr Nanoseconds kNoSpareCoreFor = 20'000'000;
constexpr Nanoseconds kShortSleep = 20'000;

}  // namespace

Nanoseconds Pacing::waiting_time(bool watching, Nanoseconds due) const noexcept {
  const Nanoseconds now = clock_.now();
  const Nanoseconds until_due = due == kForever ? due : due > now ? due - now : 0;
  if (!watching) return until_due;
  const Nanoseconds wait = wait_after(now - last_work_);
  return std::min(until_due, now < crowded_until_ ? std::max(wait, kShortSleep) : wait);
}

void Pacing::yield() noexcept {
  const Nanoseconds before = clock_.now();
  ::sched_yield();
  const Nanoseconds back = clock_.now();
  if (back - before >= kLongYield) crowded_until_ = back + kNoSpareCoreFor;
}

void prefer_short_turns() noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  struct {
    std::uint32_t size = 48, policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = ::getpriority(PRIO_PROCESS, 0);  // what the user chose stays
    std::uint32_t priority = 0;
    std::uint64_t runtime = 100'000, deadline = 0, period = 0;
  } attributes;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);  // older kernels refuse it: no harm
}

}  // namespace efa::emu
