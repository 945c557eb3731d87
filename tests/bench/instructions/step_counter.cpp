// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "step_counter.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace efa::bench {
namespace {

/// Of a stop by int3; steps have TRAP_TRACE.
bool is_toggle(pid_t child) {
  siginfo_t info{};
  return ptrace(PTRACE_GETSIGINFO, child, nullptr, &info) == 0 && info.si_code == SI_KERNEL;
}

long position(pid_t child) {
  return ptrace(PTRACE_PEEKUSER, child, offsetof(user, regs.rip), nullptr);
}

/// Until the child ends. @returns its exit status
int watch(pid_t child, volatile std::uint64_t& count) {
  bool counting = false;
  long last = 0;
  int status = 0;
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    int signal = WSTOPSIG(status);
    if (signal == SIGTRAP) {
      signal = 0;
      const long now = position(child);
      if (is_toggle(child))
        counting = !counting;
      else if (now != last)  // else a repeated instruction, not at its end
        count = count + 1;
      last = now;
    } else if (signal == SIGSTOP) {
      signal = 0;
    }
    ptrace(counting ? PTRACE_SINGLESTEP : PTRACE_CONT, child, nullptr, signal);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

volatile std::uint64_t* StepCounter::count_ = nullptr;

bool StepCounter::start() {
  void* shared =
      mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return false;
  count_ = static_cast<volatile std::uint64_t*>(shared);
  const pid_t child = fork();
  if (child < 0) return false;
  if (child != 0) std::_Exit(watch(child, *count_));
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return false;
  raise(SIGSTOP);  // from here on the parent is told
  return true;
}

}  // namespace efa::bench
