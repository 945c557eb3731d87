// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "tap.hpp"

int main(int argc, char** argv) {
  return efa::tap::run(argc, argv);
}
