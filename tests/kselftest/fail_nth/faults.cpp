// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "faults.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tap.hpp"

namespace efa::faults {

namespace {

// An operation with more sites than this goes in circles.
constexpr unsigned kMostFaults = 100000;

void write_knob(const std::string& name, const char* value) {
  std::ofstream file("/sys/kernel/debug/" + name);
  file << value << std::flush;
  if (!file)
    throw std::runtime_error("/sys/kernel/debug/" + name +
                             " cannot be written: a kernel with fault injection is needed");
}

/// The file of the running thread. Its own reads and writes copy to and from user memory, so they
/// too are places for the fault.
class Trigger {
 public:
  Trigger() : fd_(::open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("/proc/thread-self/fail-nth cannot be opened");
  }
  ~Trigger() {
    set(0);
    ::close(fd_);
  }
  Trigger(const Trigger&) = delete;
  Trigger& operator=(const Trigger&) = delete;

  void set(unsigned nth) const {
    char text[16];
    const int length = std::snprintf(text, sizeof(text), "%u", nth);
    while (::pwrite(fd_, text, static_cast<std::size_t>(length), 0) != length)
      if (errno != EFAULT) throw std::runtime_error("fail-nth cannot be set");
  }
  /// Has the fault happened? The last place for it is our own read.
  bool spent() const {
    char text[16] = "";
    const ssize_t length = ::pread(fd_, text, sizeof(text) - 1, 0);
    return length > 0 && std::atoi(text) == 0;
  }

 private:
  int fd_;
};

/// Lets every kind of allocation fail, sleeping ones included; quietly.
void prepare() {
  for (const char* kind : {"failslab", "fail_page_alloc", "fail_usercopy"})
    write_knob(std::string(kind) + "/verbose", "0");
  write_knob("failslab/ignore-gfp-wait", "N");
  write_knob("failslab/cache-filter", "N");
  write_knob("fail_page_alloc/ignore-gfp-wait", "N");
  write_knob("fail_page_alloc/ignore-gfp-highmem", "N");
  write_knob("fail_page_alloc/min-order", "0");
  // Page faults of our own would be places for the fault.
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) tap::note("memory is not locked");
}

}  // namespace

std::string Sweep::text() const {
  std::string names;
  for (const int error : errors) names += " " + tap::errno_name(error);
  return std::to_string(hit) + " faults, " + std::to_string(tolerated) +
         " without effect, errors:" + (names.empty() ? " none" : names);
}

Sweep sweep(const std::function<int()>& operation, const std::function<void()>& undo,
            const std::function<void()>& repair) {
  static const bool prepared = (prepare(), true);
  static_cast<void>(prepared);
  Sweep result;
  const Trigger trigger;
  // Once without a fault: it must work at all, and what is set up at the first use is set up.
  tap::require_success(operation(), "without a fault");
  undo();
  for (unsigned nth = 1; nth < kMostFaults; ++nth) {
    trigger.set(nth);
    const int error = operation();
    const bool hit = trigger.spent();
    trigger.set(0);
    error == 0 ? undo() : repair();
    if (!hit) {
      tap::expect_errno(error, 0, "fault " + std::to_string(nth) + " was not due yet");
      return result;
    }
    ++result.hit;
    // Long sweeps say how far they are, also to those who have to end them.
    if (result.hit % 100 == 0) tap::note(std::to_string(result.hit) + " faults so far");
    if (error == 0)
      ++result.tolerated;
    else
      result.errors.insert(error);
  }
  tap::require(false, "the operation ends before its fault at last");
  return result;
}

}  // namespace efa::faults
