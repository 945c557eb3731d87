// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Tells when an address got other pages than it had: what a cache of registrations must know before
// it uses one again (spec libfabric-api 7.1, choice C2; docs/registration-cache.md has the proof).
//
// The kernel reports by userfaultfd: a thread that unmaps, moves or discards watched memory waits
// in its system call until the report has been read. It is read under the lock of the monitor, by a
// thread that sleeps otherwise, or by whoever asks first.
//
// Who holds the lock must do nothing that could give memory back to the kernel: no malloc, no free,
// no registration. It would wait for itself.
#ifndef EFA_PROVIDER_RDM_MEMORY_MONITOR_HPP
#define EFA_PROVIDER_RDM_MEMORY_MONITOR_HPP

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "rdm/intrusive_list.hpp"
#include "rdm/private_memory.hpp"

struct uffd_msg;

namespace efa::rdm {

// Base of what depends on the pages of a range.
struct Watch {
  PageRange range;
  bool intact = false;  // watched, and each address has had the same page since then

  Link by_monitor;  // the monitor's
};

class MemoryMonitor {
 public:
  // The one of this process: a range can be watched by one userfaultfd only. Ends with its last
  // user. In a child of fork() it is another than in the parent.
  static std::shared_ptr<MemoryMonitor> shared();

  MemoryMonitor();
  // No watch is left, or this is a child of fork().
  ~MemoryMonitor();
  MemoryMonitor(const MemoryMonitor&) = delete;
  MemoryMonitor& operator=(const MemoryMonitor&) = delete;

  // Opens the userfaultfd and starts the thread, the first time. Not with the lock.
  // @returns false if memory cannot be watched here; REASON says why
  bool start(std::string& reason);

  // False in a child of fork(): nothing is watched there, and no other function may be called, as
  // the lock may be held by a thread that does not exist.
  bool alive() const { return alive_->load(std::memory_order_relaxed) != 0; }

  // How often watches were broken; may be read without the lock.
  std::uint64_t breaks() const { return breaks_.load(std::memory_order_relaxed); }

  // ---- The rest is for who holds this lock, after `start`.

  std::mutex& lock() { return lock_; }

  // Takes note of all reports that there are. @returns true if `intact` can be believed now: no
  // watched memory is being changed. Else there is a change of which the report is to come; its
  // address may have been given to somebody new already.
  bool settled();

  // From now on WATCH is intact until its pages change. @returns false if the kernel does not watch
  // this kind of memory (files, huge pages), or somebody else does.
  bool watch(Watch& watch);

  // Ends it; nothing happens to one that was broken.
  void unwatch(Watch& watch);

 private:
  std::string open();
  std::string check();
  static void* read_reports(void* monitor);
  void serve();
  void drain();
  void take(const uffd_msg& report);
  void break_watches(const PageRange& changed, bool unmapped);
  bool changing() const;
  void forget(const PageRange& range);
  void forget_uncovered(const PageRange& range);

  std::atomic<std::uint32_t>* alive_;  // in a page that is zero in children
  std::atomic<std::uint64_t> breaks_{0};

  std::mutex start_lock_;
  bool started_ = false;
  std::string refusal_;  // empty: none
  pthread_t reader_{};
  bool reader_runs_ = false;
  int userfault_ = -1;
  int stop_ = -1;  // eventfd

  // The check of `start`, by the reader.
  bool report_came_ = false;
  bool change_was_visible_ = false;

  std::mutex lock_;
  List<Watch, &Watch::by_monitor> watches_;  // the intact ones
};

}  // namespace efa::rdm

#endif
