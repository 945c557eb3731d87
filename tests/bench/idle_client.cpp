// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Opens the device, brings a queue pair up, says so and waits until its standard input ends.
#include <unistd.h>

#include "verbs_pair.hpp"

int main() {
  const efa::bench::Endpoint endpoint(4096);
  std::puts("ready");
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
