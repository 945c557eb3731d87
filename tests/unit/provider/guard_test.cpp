// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "guard.hpp"

#include <gtest/gtest.h>

namespace efa {
namespace {

TEST(Guard, FindsTheReleaseInTheNameOfTheLibrary) {
  EXPECT_EQ(release_in_name("/usr/lib/x86_64-linux-gnu/libibverbs.so.1.14.44.0"), 44);
  EXPECT_EQ(release_in_name("libibverbs.so.1.14.56.1"), 56);
  EXPECT_EQ(release_in_name("/a/libibverbs.so.1.2/libibverbs.so.1.18.65.0"), 65);
  EXPECT_EQ(release_in_name("/a/b/libibverbs.so.1.20.107.12"), 107);
}

TEST(Guard, SeesNoReleaseInOtherNames) {
  for (const char* name : {"", "/", "libibverbs.so.1", "libibverbs.so.1.14", "libibverbs.so.1.x.44",
                           "libibverbs.so.2.14.44.0", "libefa.so.1.2.44.0", "(not found)",
                           "/libibverbs.so.1.14.44.0/other"}) {
    EXPECT_EQ(release_in_name(name), 0) << name;
  }
}

TEST(Guard, AcceptsTheLibraryOfThisProcess) {
  EXPECT_TRUE(libibverbs_fits());
}

}  // namespace
}  // namespace efa
