// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Registrations of buffers that the application gave without a descriptor, kept for the next time
// (spec libfabric-api 7.1). Never gives one whose pages are no longer those of the address:
// docs/registration-cache.md says why, and what is not cached.
#ifndef EFA_PROVIDER_RDM_REGISTRATION_CACHE_HPP
#define EFA_PROVIDER_RDM_REGISTRATION_CACHE_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rdm/intrusive_list.hpp"
#include "rdm/memory_monitor.hpp"
#include "rdm/region.hpp"

struct ibv_mr;

namespace efa::rdm {

// Who registers memory. Called by any thread, without locks held.
class Registrar {
 public:
  virtual ~Registrar() = default;
  // @param access  ibv_access_flags
  // @returns null if it cannot be registered, with errno
  virtual ibv_mr* register_memory(void* address, std::size_t length, unsigned access) = 0;
  virtual void deregister_memory(ibv_mr* mr) = 0;
};

// What `acquire` gives. Covers at least the range that was asked for.
struct Registration : Watch {
  ibv_mr* mr = nullptr;
  unsigned access = 0;
  Region region;  // of `mr`, for those who send from it

  // The cache's.
  std::uint32_t users = 0;
  bool found = false;  // by `acquire`; else its last user is the end of it
  Link by_use;
};

class RegistrationCache {
 public:
  struct Limits {
    std::size_t max_count = 1024;                   // registrations
    std::size_t max_bytes = std::size_t{1} << 30U;  // registered, idle and in use
  };
  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t registered = 0;
    std::uint64_t refused = 0;   // acquire gave null
    std::uint64_t declined = 0;  // the same as the buffer came for the first time
    std::uint64_t evicted = 0;   // for the limits
    std::uint64_t broken = 0;    // their memory changed
  };
  using Log = std::function<void(const std::string&)>;

  // @param registrar  outlives the cache
  // @param log        gets one line if nothing can be cached here
  RegistrationCache(Registrar& registrar, const Limits& limits, Log log,
                    std::shared_ptr<MemoryMonitor> monitor = MemoryMonitor::shared());
  // Nothing is in use any more. In a child of fork() nothing is deregistered: it is the parent's.
  ~RegistrationCache();
  RegistrationCache(const RegistrationCache&) = delete;
  RegistrationCache& operator=(const RegistrationCache&) = delete;

  // A registration of this buffer with at least this access, to be released. The buffer must stay
  // mapped until then, and nobody may discard its contents (madvise).
  // @param access  ibv_access_flags
  // @returns null if it is not to be had from here: register it for this operation. So it is for
  //          memory that cannot be watched, beyond the limits, while memory is being unmapped, and
  //          in children of fork().
  Registration* acquire(const void* address, std::size_t length, unsigned access);

  // The same, or null, which costs little, the first time that the buffer comes: for those who can
  // copy it instead, which is less than a registration and more than to find one.
  Registration* acquire_repeated(const void* address, std::size_t length, unsigned access);

  // Once for each `acquire`. Does nothing with null.
  void release(Registration* registration);

  // Deregisters what was unmapped since the last call of any function here, as far as that is
  // known. Costs a few instructions if nothing was: for those who make progress without sending.
  void reclaim();

  // False once it is known that nothing will be cached: no userfaultfd, or a child of fork().
  bool enabled() const;

  Counters counters() const;

 private:
  // A range that cannot be cached: not tried again for some time.
  struct Refusal {
    PageRange range;
    std::uint32_t times_left = 0;
  };

  struct Answer {
    Registration* found = nullptr;
    bool may_add = false;
    bool any_dead = false;
  };

  enum class Miss { kRegister, kRegisterRepeated };

  bool start();
  Registration* acquire(const void* address, std::size_t length, unsigned access, Miss miss);
  Answer look_up(const PageRange& range, unsigned access, Miss miss);
  bool make_room(std::size_t bytes);
  Registration* begin(const PageRange& range, unsigned access);
  bool fill(Registration& registration);
  void abandon(Registration& registration);
  void publish(Registration& registration);
  void dispose();

  // With the monitor's lock:
  Answer answer_now(const PageRange& range, unsigned access, Miss miss, bool settled);
  bool repeats(const PageRange& range);
  Registration* find(const PageRange& range, unsigned access) const;
  void use(Registration& registration);
  void evict_oldest();
  void bury(Registration& registration);
  void sweep();
  void update_reach(std::size_t first);
  void remember_refusal(const PageRange& range);
  bool recently_refused(const PageRange& range);
  Refusal& refusal_of(const PageRange& range);

  Registrar& registrar_;
  const Limits limits_;
  const Log log_;
  const std::shared_ptr<MemoryMonitor> monitor_;

  std::mutex start_lock_;
  std::atomic<bool> started_{false};
  std::atomic<bool> off_{false};

  // What follows belongs to the monitor's lock. Nothing of it grows after `start`.
  std::unique_ptr<Registration[]> all_;
  // Those that can be found, by start; reach_[i] is the highest end of the first i + 1 of them.
  std::vector<Registration*> index_;
  std::vector<std::uintptr_t> reach_;
  List<Registration, &Registration::by_use> free_;
  List<Registration, &Registration::by_use> idle_;  // found, used by nobody, oldest first
  List<Registration, &Registration::by_use> dead_;  // to be deregistered
  std::size_t bytes_ = 0;                           // of all that are neither free nor dead
  std::atomic<std::uint64_t> breaks_seen_{0};
  std::array<Refusal, 64> refusals_{};
  std::array<PageRange, 64> declined_{};  // the last ones that came for the first time
  Counters counters_;
};

}  // namespace efa::rdm

#endif
