// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "frontend/uverbs/launcher_descendants.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

namespace efa::emu {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kGrace{500};
constexpr milliseconds kPause{5};
/// A process that even SIGKILL does not end (stuck in the kernel) must not keep the user waiting.
constexpr milliseconds kPatience{5000};

bool is_number(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Field 4 of /proc/PID/stat; the name in field 2 may contain anything, so count from its last ')'.
pid_t parent_of(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string line;
  std::getline(in, line);
  const std::size_t name_end = line.rfind(") ");
  return name_end == std::string::npos ? 0 : std::atoi(line.c_str() + name_end + 4);
}

std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (is_number(name)) {
      children.emplace(parent_of(name), std::atoi(name.c_str()));
    }
  }
  return children;
}

void signal_descendants(int signal) {
  for (const pid_t pid : descendants()) {
    kill(pid, signal);
  }
}

bool wait_for(const std::function<bool()>& condition, milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace

std::vector<pid_t> descendants() {
  const auto children = children_by_parent();
  std::vector<pid_t> found = {getpid()};
  for (std::size_t next = 0; next < found.size(); ++next) {
    const auto [first, last] = children.equal_range(found[next]);
    std::for_each(first, last, [&](const auto& entry) { found.push_back(entry.second); });
  }
  found.erase(found.begin());
  return found;
}

bool no_children_left() noexcept {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0;
}

void end_all_descendants(const std::function<bool()>& all_ended) noexcept {
  if (all_ended()) {
    return;
  }
  signal_descendants(SIGTERM);
  if (wait_for(all_ended, kGrace)) {
    return;
  }
  // Repeated: a process may start another one between our look and our signal.
  const auto kill_remaining = [&] {
    signal_descendants(SIGKILL);
    return all_ended();
  };
  wait_for(kill_remaining, kPatience);
}

}  // namespace efa::emu
