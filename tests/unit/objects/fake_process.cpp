// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/fake_process.hpp"

#include <utility>

#include "log.hpp"

namespace efa::fi {
namespace test {
namespace {

std::unique_ptr<Process> current;
std::vector<std::string> lines;

}  // namespace

void start_process(Rdma rdma, const Release& release) {
  current = std::make_unique<Process>();
  current->catalogue = machine(release, rdma);
  lines.clear();
}

std::vector<std::string> take_log() {
  return std::exchange(lines, {});
}

}  // namespace test

Process& process() {
  return *test::current;
}

void log(fi_log_level level, const std::string& text, const char*, int) {
  if (level == FI_LOG_WARN) test::lines.push_back(text);
}

}  // namespace efa::fi
