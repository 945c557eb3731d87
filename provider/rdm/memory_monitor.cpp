// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/memory_monitor.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

namespace efa::rdm {
namespace {

// In headers since Linux 5.11 and 5.18.
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_EXACT_ADDRESS
#define UFFD_FEATURE_EXACT_ADDRESS (1 << 11)
#endif

constexpr std::uint64_t kReports =
    UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_REMAP;

// What the kernel must be able to do. Watching in the mode "write protect" without ever protecting
// a page leaves all faults alone. Exact addresses are not used, they stand for Linux 5.18: before
// 5.15, a kernel with two changes at once called the second one finished with the first.
constexpr std::uint64_t kNeeded =
    kReports | UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EXACT_ADDRESS;

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

std::string failure(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

// A page with a 1 in its first word that becomes 0 in children.
std::atomic<std::uint32_t>* make_alive_page() {
  void* page =
      mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, page_size(), MADV_WIPEONFORK) != 0) {
    munmap(page, page_size());
    return nullptr;
  }
  return new (page) std::atomic<std::uint32_t>(1);  // NOLINT: the page's, not the heap's
}

// Stands in where there is no such page: nothing is ever alive.
std::atomic<std::uint32_t>* dead_word() {
  static std::atomic<std::uint32_t> word{0};
  return &word;
}

// A userfaultfd that reports, or -1 and why.
int open_userfault(std::string& reason) {
  // User mode only: all that an unprivileged process may have, and faults are not wanted anyway.
  const int fd =
      static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) {
    reason = failure("userfaultfd");
    if (errno == EPERM) reason += " (containers: allow the system call in the seccomp profile)";
    return -1;
  }
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = kReports;
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    reason = failure("userfaultfd without reports of unmapped memory");
  } else if ((api.features & kNeeded) != kNeeded) {
    reason = "userfaultfd of this kernel is too old: x86-64 needs Linux 5.18, arm64 6.10";
  } else {
    return fd;
  }
  close(fd);
  return -1;
}

}  // namespace

// ---- Begin and end

std::shared_ptr<MemoryMonitor> MemoryMonitor::shared() {
  static std::mutex lock;
  static std::weak_ptr<MemoryMonitor> existing;
  const std::lock_guard<std::mutex> guard(lock);
  std::shared_ptr<MemoryMonitor> monitor = existing.lock();
  if (monitor == nullptr || !monitor->alive()) {
    monitor = std::make_shared<MemoryMonitor>();
    existing = monitor;
  }
  return monitor;
}

MemoryMonitor::MemoryMonitor() : alive_(make_alive_page()) {
  if (alive_ == nullptr) alive_ = dead_word();
}

MemoryMonitor::~MemoryMonitor() {
  const bool here = alive();
  if (here && reader_runs_) {
    const std::uint64_t one = 1;
    // Cannot fail: it is the only write.
    if (write(stop_, &one, sizeof(one)) == sizeof(one)) pthread_join(reader_, nullptr);
  } else if (userfault_ >= 0) {
    close(userfault_);
  }
  if (stop_ >= 0) close(stop_);
  if (alive_ != dead_word()) munmap(alive_, page_size());
}

bool MemoryMonitor::start(std::string& reason) {
  if (!alive()) {
    reason = alive_ == dead_word() ? "no memory that children see as zero (MADV_WIPEONFORK)"
                                   : "this is a child of fork()";
    return false;
  }
  const std::lock_guard<std::mutex> guard(start_lock_);
  if (!started_) {
    started_ = true;
    refusal_ = open();
    if (refusal_.empty()) refusal_ = check();
  }
  reason = refusal_;
  return refusal_.empty();
}

std::string MemoryMonitor::open() {
  std::string reason;
  userfault_ = open_userfault(reason);
  if (userfault_ < 0) return reason;
  stop_ = eventfd(0, EFD_CLOEXEC);
  if (stop_ < 0) return failure("eventfd");

  // The application's signals are for its own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // Not std::thread: that one frees memory when it ends.
  const int error = pthread_create(&reader_, nullptr, read_reports, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    errno = error;
    return failure("thread");
  }
  reader_runs_ = true;
  pthread_setname_np(reader_, "efa-mr-watch");
  return {};
}

// Unmaps a page to see whether this kernel does as all of this supposes.
std::string MemoryMonitor::check() {
  void* page =
      mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return failure("mmap");
  Watch probe;
  probe.range.start = reinterpret_cast<std::uintptr_t>(page);
  probe.range.end = probe.range.start + page_size();
  bool watched;
  {
    const std::lock_guard<std::mutex> guard(lock_);
    watched = settled() && watch(probe);
  }
  munmap(page, page_size());
  const std::lock_guard<std::mutex> guard(lock_);
  if (watched && settled() && report_came_ && change_was_visible_ && !probe.intact) return {};
  unwatch(probe);
  return "userfaultfd of this kernel does not report unmapped memory as Linux does";
}

// ---- Watches

bool MemoryMonitor::watch(Watch& watch) {
  uffdio_register request{};
  request.range = {watch.range.start, watch.range.bytes()};
  request.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(userfault_, UFFDIO_REGISTER, &request) != 0) {
    // A part of it may be watched now, where the kernel could not split mappings any further.
    if (errno == ENOMEM) forget_uncovered(watch.range);
    return false;
  }
  watch.intact = true;
  watches_.push_back(watch);
  return true;
}

void MemoryMonitor::unwatch(Watch& watch) {
  if (!watch.intact) return;
  watch.intact = false;
  watch.by_monitor.remove();
  forget_uncovered(watch.range);
}

// Fails where there is a file now: that range is not watched then, or goes on being watched for
// nothing.
void MemoryMonitor::forget(const PageRange& range) {
  uffdio_range request{range.start, range.bytes()};
  ioctl(userfault_, UFFDIO_UNREGISTER, &request);
}

// All of the range that no watch needs.
void MemoryMonitor::forget_uncovered(const PageRange& range) {
  PageRange rest = range;
  while (rest.start < rest.end) {
    std::uintptr_t covered_to = rest.start, next = rest.end;
    for (const Watch* watch = watches_.front(); watch != nullptr; watch = watches_.after(*watch)) {
      if (!watch->range.overlaps(rest)) continue;
      if (watch->range.start <= rest.start) covered_to = std::max(covered_to, watch->range.end);
      next = std::min(next, std::max(watch->range.start, rest.start));
    }
    if (covered_to == rest.start) {
      forget({rest.start, next});
      covered_to = next;
    }
    rest.start = covered_to;
  }
}

// ---- Reports

// The kernel refuses to touch pages while the memory that it watches is being changed, before it
// looks at what is asked: an impossible request tells.
bool MemoryMonitor::changing() const {
  uffdio_writeprotect nothing{};
  return ioctl(userfault_, UFFDIO_WRITEPROTECT, &nothing) != -1 || errno != EINVAL;
}

bool MemoryMonitor::settled() {
  if (!changing()) return true;
  // In this order: what was seen changing before the last report was read may be over now.
  drain();
  return !changing();
}

void MemoryMonitor::drain() {
  std::array<uffd_msg, 16> reports;
  for (;;) {
    const ssize_t bytes = read(userfault_, reports.data(), sizeof(reports));
    if (bytes <= 0) return;
    const std::size_t count = static_cast<std::size_t>(bytes) / sizeof(reports[0]);
    for (std::size_t i = 0; i < count; ++i) take(reports[i]);
  }
}

void MemoryMonitor::take(const uffd_msg& report) {
  report_came_ = true;
  switch (report.event) {
    case UFFD_EVENT_UNMAP:
      break_watches({report.arg.remove.start, report.arg.remove.end}, true);
      break;
    case UFFD_EVENT_REMOVE:
      break_watches({report.arg.remove.start, report.arg.remove.end}, false);
      break;
    case UFFD_EVENT_REMAP: {
      // The watch moved along with the memory; the old address may still be mapped
      // (MREMAP_DONTUNMAP).
      const std::uintptr_t from = report.arg.remap.from, to = report.arg.remap.to;
      break_watches({from, from + report.arg.remap.len}, false);
      break_watches({to, to + report.arg.remap.len}, false);
      forget({to, to + report.arg.remap.len});
      break;
    }
    default:
      break;
  }
}

// What is left of an unmapped range is asked for apart: there may be a file in the gap already.
void MemoryMonitor::break_watches(const PageRange& changed, bool unmapped) {
  for (Watch* watch = watches_.front(); watch != nullptr;) {
    Watch* next = watches_.after(*watch);
    if (watch->range.overlaps(changed)) {
      watch->intact = false;
      watch->by_monitor.remove();
      breaks_.fetch_add(1, std::memory_order_relaxed);
      const PageRange& range = watch->range;
      if (!unmapped) {
        forget_uncovered(range);
      } else {
        forget_uncovered({range.start, std::max(range.start, changed.start)});
        forget_uncovered({std::min(range.end, changed.end), range.end});
      }
    }
    watch = next;
  }
}

void* MemoryMonitor::read_reports(void* monitor) {
  static_cast<MemoryMonitor*>(monitor)->serve();
  return nullptr;
}

// Frees and allocates nothing, as it would have to report that to itself.
void MemoryMonitor::serve() {
  std::array<pollfd, 2> wait{{{userfault_, POLLIN, 0}, {stop_, POLLIN, 0}}};
  for (;;) {
    if (poll(wait.data(), wait.size(), -1) < 0) continue;
    // POLLNVAL, POLLERR: the application closed our descriptor. The kernel has let all of its
    // memory go, and `settled` is false from now on.
    if (wait[1].revents != 0 || (wait[0].revents & ~POLLIN) != 0) break;
    const std::lock_guard<std::mutex> guard(lock_);
    if (!report_came_ && changing()) change_was_visible_ = true;
    drain();
  }
  // Here, not after the end of this thread: whoever waits for it to be read is let go by this. With
  // the lock, as everything that is done with the descriptor.
  const std::lock_guard<std::mutex> guard(lock_);
  if ((wait[0].revents & POLLNVAL) == 0) close(userfault_);
}

}  // namespace efa::rdm
