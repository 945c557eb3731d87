// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "library.hpp"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  efa::provider_test::check_library();
  // Before anything is registered; V37 forks while traffic flows.
  if (ibv_fork_init() != 0) return 2;
  const int result = RUN_ALL_TESTS();
  efa::provider_test::check_library();  // no second one came as a plugin
  return result;
}
