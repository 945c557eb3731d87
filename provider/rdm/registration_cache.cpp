// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/registration_cache.hpp"

#include <infiniband/verbs.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace efa::rdm {
namespace {

using Guard = std::lock_guard<std::mutex>;

// Attempts that a refused range is refused at once: it costs some hundred microseconds to find out,
// and the address may have other memory by then.
constexpr std::uint32_t kRefusalLasts = 1000;

// Times that others may go first while watched memory is being unmapped. To register memory for one
// operation takes longer.
constexpr int kPatience = 20;

// The pages that have a byte of the buffer; an empty range if there are none.
PageRange pages_of(const void* address, std::size_t length) {
  static const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<std::uintptr_t>(address);
  std::uintptr_t end;
  if (__builtin_add_overflow(first, length, &end) || end > UINTPTR_MAX - size) return {};
  return {first & ~(size - 1), (end + size - 1) & ~(size - 1)};
}

// One of 64.
std::size_t slot_of(const PageRange& range) {
  return (static_cast<std::uint64_t>(range.start) * 0x9e3779b97f4a7c15ULL) >> 58U;
}

}  // namespace

RegistrationCache::RegistrationCache(Registrar& registrar, const Limits& limits, Log log,
                                     std::shared_ptr<MemoryMonitor> monitor)
    : registrar_(registrar),
      limits_(limits),
      log_(std::move(log)),
      monitor_(std::move(monitor)),
      off_(limits.max_count == 0) {}

RegistrationCache::~RegistrationCache() {
  if (!started_ || !monitor_->alive()) return;
  {
    const Guard guard(monitor_->lock());
    for (std::size_t i = 0; i < limits_.max_count; ++i) monitor_->unwatch(all_[i]);
  }
  for (std::size_t i = 0; i < limits_.max_count; ++i) {
    if (all_[i].mr != nullptr) registrar_.deregister_memory(all_[i].mr);
  }
}

bool RegistrationCache::enabled() const {
  return !off_ && (!started_ || monitor_->alive());
}

RegistrationCache::Counters RegistrationCache::counters() const {
  if (!monitor_->alive()) return {};
  const Guard guard(monitor_->lock());
  return counters_;
}

// Opens the monitor and allocates everything, the first time.
bool RegistrationCache::start() {
  if (started_) return monitor_->alive();
  if (off_) return false;
  const Guard guard(start_lock_);
  if (started_ || off_) return started_;
  std::string reason;
  if (!monitor_->start(reason)) {
    off_ = true;
    if (log_ != nullptr) {
      log_("no registration cache: " + reason +
           ". Long transfers from buffers without a descriptor register memory each time; "
           "fi_mr_reg() and descriptors avoid that");
    }
    return false;
  }
  all_ = std::make_unique<Registration[]>(limits_.max_count);
  index_.reserve(limits_.max_count);
  reach_.reserve(limits_.max_count);
  for (std::size_t i = 0; i < limits_.max_count; ++i) free_.push_back(all_[i]);
  started_ = true;
  return true;
}

// ---- For users

Registration* RegistrationCache::acquire(const void* address, std::size_t length, unsigned access) {
  return acquire(address, length, access, Miss::kRegister);
}

Registration* RegistrationCache::acquire_repeated(const void* address, std::size_t length,
                                                  unsigned access) {
  return acquire(address, length, access, Miss::kRegisterRepeated);
}

Registration* RegistrationCache::acquire(const void* address, std::size_t length, unsigned access,
                                         Miss miss) {
  const PageRange range = pages_of(address, length);
  if (length == 0 || range.bytes() == 0 || !start()) return nullptr;
  const Answer answer = look_up(range, access, miss);
  if (answer.any_dead) dispose();
  if (!answer.may_add) return answer.found;

  Registration* added = make_room(range.bytes()) ? begin(range, access) : nullptr;
  if (added != nullptr && fill(*added)) {
    publish(*added);
    return added;
  }
  if (added != nullptr) abandon(*added);
  const Guard guard(monitor_->lock());
  --counters_.registered;
  ++counters_.refused;
  return nullptr;
}

void RegistrationCache::release(Registration* registration) {
  if (registration == nullptr || !monitor_->alive()) return;
  bool any_dead;
  {
    const Guard guard(monitor_->lock());
    sweep();
    if (--registration->users == 0) {
      if (registration->found) {
        idle_.push_back(*registration);
      } else {
        bury(*registration);
      }
    }
    any_dead = !dead_.empty();
  }
  if (any_dead) dispose();
}

void RegistrationCache::reclaim() {
  if (monitor_->breaks() == breaks_seen_.load(std::memory_order_relaxed)) return;
  if (!started_ || !monitor_->alive()) return;
  {
    const Guard guard(monitor_->lock());
    sweep();
  }
  dispose();
}

// What is there, if the monitor can be believed: waits some time for it, as those who unmap memory
// are about to go on.
RegistrationCache::Answer RegistrationCache::look_up(const PageRange& range, unsigned access,
                                                     Miss miss) {
  for (int attempt = 0;; ++attempt) {
    {
      const Guard guard(monitor_->lock());
      const bool settled = monitor_->settled();
      if (settled || attempt == kPatience) return answer_now(range, access, miss, settled);
    }
    sched_yield();
  }
}

RegistrationCache::Answer RegistrationCache::answer_now(const PageRange& range, unsigned access,
                                                        Miss miss, bool settled) {
  Answer answer;
  sweep();
  if (settled) answer.found = find(range, access);
  if (answer.found != nullptr) use(*answer.found);
  answer.may_add = settled && answer.found == nullptr && !recently_refused(range);
  answer.any_dead = !dead_.empty();
  if (answer.may_add && miss == Miss::kRegisterRepeated && !repeats(range)) {
    answer.may_add = false;
    ++counters_.declined;
    return answer;
  }
  ++(answer.found != nullptr ? counters_.hits
     : answer.may_add        ? counters_.registered
                             : counters_.refused);
  return answer;
}

// ---- Making one

// Evicts what is idle until one more of this size fits. @returns false if it cannot
bool RegistrationCache::make_room(std::size_t bytes) {
  {
    const Guard guard(monitor_->lock());
    if (bytes > limits_.max_bytes) return false;
    const auto full = [&] {
      return bytes_ + bytes > limits_.max_bytes || (free_.empty() && dead_.empty());
    };
    while (full() && !idle_.empty()) evict_oldest();
    if (full()) return false;
  }
  dispose();
  return true;
}

// Watches the range from before it is registered. @returns null if it cannot be watched, or
// another thread took the room
Registration* RegistrationCache::begin(const PageRange& range, unsigned access) {
  const Guard guard(monitor_->lock());
  Registration* registration = free_.front();
  if (registration == nullptr) return nullptr;
  registration->range = range;
  if (!monitor_->watch(*registration)) {
    remember_refusal(range);
    return nullptr;
  }
  registration->by_use.remove();
  registration->access = access;
  registration->users = 1;
  registration->found = false;
  bytes_ += range.bytes();
  return registration;
}

// Registers the memory, if it is of a kind of which all changes are reported.
bool RegistrationCache::fill(Registration& registration) {
  const PageRange& range = registration.range;
  if (!is_private_anonymous(range)) {
    const Guard guard(monitor_->lock());
    remember_refusal(range);
    return false;
  }
  const auto attempt = [&] {
    return registrar_.register_memory(reinterpret_cast<void*>(range.start), range.bytes(),
                                      registration.access);
  };
  ibv_mr* mr = attempt();
  if (mr == nullptr && errno == ENOMEM) {
    // Locked memory, or the device's own limit: give back what nobody uses.
    {
      const Guard guard(monitor_->lock());
      while (!idle_.empty()) evict_oldest();
    }
    dispose();
    mr = attempt();
  }
  registration.mr = mr;
  if (mr == nullptr) return false;
  registration.region.lkey = mr->lkey;
  registration.region.rkey = mr->rkey;
  registration.region.start = range.start;
  registration.region.length = range.bytes();
  registration.region.remote_readable = (registration.access & IBV_ACCESS_REMOTE_READ) != 0;
  return true;
}

void RegistrationCache::abandon(Registration& registration) {
  const Guard guard(monitor_->lock());
  bytes_ -= registration.range.bytes();
  monitor_->unwatch(registration);
  free_.push_back(registration);
}

// Others may find it, unless its memory changed meanwhile: then it ends with its user.
void RegistrationCache::publish(Registration& registration) {
  const Guard guard(monitor_->lock());
  if (!registration.intact) return;
  const auto place = std::upper_bound(
      index_.begin(), index_.end(), registration.range.start,
      [](std::uintptr_t start, const Registration* other) { return start < other->range.start; });
  const auto position = static_cast<std::size_t>(place - index_.begin());
  index_.insert(place, &registration);
  registration.found = true;
  update_reach(position);
}

// Deregisters the dead. Not under the lock: memory may be freed by it.
void RegistrationCache::dispose() {
  for (;;) {
    Registration* registration;
    {
      const Guard guard(monitor_->lock());
      registration = dead_.front();
      if (registration == nullptr) return;
      registration->by_use.remove();
    }
    registrar_.deregister_memory(registration->mr);
    const Guard guard(monitor_->lock());
    registration->mr = nullptr;
    free_.push_back(*registration);
  }
}

// ---- The index

// The first hit going down from the last one that starts early enough; none below reaches far
// enough once `reach_` does not.
Registration* RegistrationCache::find(const PageRange& range, unsigned access) const {
  const auto place = std::upper_bound(
      index_.begin(), index_.end(), range.start,
      [](std::uintptr_t start, const Registration* other) { return start < other->range.start; });
  for (auto i = static_cast<std::size_t>(place - index_.begin()); i-- > 0;) {
    if (reach_[i] < range.end) return nullptr;
    Registration& candidate = *index_[i];
    if (candidate.range.end >= range.end && (access & ~candidate.access) == 0) return &candidate;
  }
  return nullptr;
}

void RegistrationCache::use(Registration& registration) {
  if (registration.users++ == 0) registration.by_use.remove();
}

void RegistrationCache::update_reach(std::size_t first) {
  reach_.resize(index_.size());
  for (std::size_t i = first; i < index_.size(); ++i) {
    reach_[i] = std::max(i > 0 ? reach_[i - 1] : 0, index_[i]->range.end);
  }
}

void RegistrationCache::evict_oldest() {
  Registration& oldest = *idle_.front();
  const auto place = std::find(index_.begin(), index_.end(), &oldest);
  const auto position = static_cast<std::size_t>(place - index_.begin());
  index_.erase(place);
  update_reach(position);
  bury(oldest);
  ++counters_.evicted;
}

// Nobody uses it, and nobody can find it any more.
void RegistrationCache::bury(Registration& registration) {
  registration.found = false;
  registration.by_use.remove();
  monitor_->unwatch(registration);
  bytes_ -= registration.range.bytes();
  dead_.push_back(registration);
}

// Takes those out of the index whose memory has changed.
void RegistrationCache::sweep() {
  const std::uint64_t breaks = monitor_->breaks();
  if (breaks == breaks_seen_.load(std::memory_order_relaxed)) return;
  breaks_seen_.store(breaks, std::memory_order_relaxed);
  const auto broken = [&](Registration* registration) {
    if (registration->intact) return false;
    registration->found = false;
    if (registration->users == 0) bury(*registration);
    ++counters_.broken;
    return true;
  };
  index_.erase(std::remove_if(index_.begin(), index_.end(), broken), index_.end());
  update_reach(0);
}

// ---- Refusals, and those that were declined: one for each of some hash values

RegistrationCache::Refusal& RegistrationCache::refusal_of(const PageRange& range) {
  return refusals_[slot_of(range)];
}

// Whether it is the last one of its hash value that was declined; else it is from now on.
bool RegistrationCache::repeats(const PageRange& range) {
  return std::exchange(declined_[slot_of(range)], range) == range;
}

void RegistrationCache::remember_refusal(const PageRange& range) {
  refusal_of(range) = {range, kRefusalLasts};
}

bool RegistrationCache::recently_refused(const PageRange& range) {
  Refusal& refusal = refusal_of(range);
  if (refusal.times_left == 0 || !refusal.range.contains(range)) return false;
  --refusal.times_left;
  return true;
}

}  // namespace efa::rdm
