// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/dump_signal.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include "log.hpp"

namespace efa::fi {
namespace {

void warn(int number, const std::string& why) {
  log(FI_LOG_WARN, "FI_EFA_DUMP_SIGNAL=" + std::to_string(number) + " is ignored: " + why +
                       "; take one that the program does not use, such as " +
                       std::to_string(SIGUSR2) + " (SIGUSR2)");
}

bool is_default(const struct sigaction& action) {
  return !(action.sa_flags & SA_SIGINFO) &&
         (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

/// Those that mean that the program is broken: it must not go on.
bool is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
         number == SIGABRT;
}

}  // namespace

std::atomic<uint32_t> DumpSignal::count_ = 0;

void DumpSignal::install(int number) {
  if (number == 0) return;
  struct sigaction present {};
  if (sigaction(number, nullptr, &present) != 0) return warn(number, std::strerror(errno));
  if (is_fault(number)) return warn(number, "the signal means that the program is broken");
  if (!is_default(present)) return warn(number, "the program handles this signal itself");
  struct sigaction ours {};
  ours.sa_handler = arrive;
  ours.sa_flags = SA_RESTART;
  if (sigaction(number, &ours, &before_) != 0) return warn(number, std::strerror(errno));
  number_ = number;
}

DumpSignal::~DumpSignal() {
  if (number_ == 0) return;
  struct sigaction present {};
  if (sigaction(number_, nullptr, &present) != 0 || present.sa_flags & SA_SIGINFO ||
      present.sa_handler != arrive)
    return;
  sigaction(number_, &before_, nullptr);
}

}  // namespace efa::fi
