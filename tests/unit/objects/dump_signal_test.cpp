// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// FI_EFA_DUMP_SIGNAL: what it does to the process's signals.
#include "objects/dump_signal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_process.hpp"

namespace efa::fi::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void program_handler(int) {}

sighandler_t handler_of(int number) {
  struct sigaction present {};
  sigaction(number, nullptr, &present);
  return present.sa_handler;
}

struct DumpSignalTest : testing::Test {
  void SetUp() override { start_process(); }
  void TearDown() override { signal(SIGUSR2, SIG_DFL); }
};

TEST_F(DumpSignalTest, CountsTheSignalAndGivesItBack) {
  {
    DumpSignal dump;
    dump.install(SIGUSR2);
    const uint32_t before = DumpSignal::count();
    raise(SIGUSR2);
    raise(SIGUSR2);
    EXPECT_EQ(DumpSignal::count(), before + 2);
  }
  EXPECT_EQ(handler_of(SIGUSR2), SIG_DFL);
  EXPECT_THAT(take_log(), IsEmpty());
}

TEST_F(DumpSignalTest, NoNumberTouchesNoSignal) {
  DumpSignal dump;
  dump.install(0);
  EXPECT_EQ(handler_of(SIGUSR2), SIG_DFL);
}

TEST_F(DumpSignalTest, ASignalThatTheProgramHandlesIsLeftToIt) {
  signal(SIGUSR2, program_handler);
  {
    DumpSignal dump;
    dump.install(SIGUSR2);
    EXPECT_EQ(handler_of(SIGUSR2), program_handler);
  }
  EXPECT_EQ(handler_of(SIGUSR2), program_handler);
  EXPECT_THAT(take_log(), ElementsAre(HasSubstr("=12 is ignored: the program handles")));
}

TEST_F(DumpSignalTest, AProgramThatTakesTheSignalLaterKeepsIt) {
  {
    DumpSignal dump;
    dump.install(SIGUSR2);
    signal(SIGUSR2, program_handler);
  }
  EXPECT_EQ(handler_of(SIGUSR2), program_handler);
}

TEST_F(DumpSignalTest, SignalsThatCannotServeAreRefused) {
  const sighandler_t before = handler_of(SIGSEGV);
  DumpSignal dump;
  for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGABRT, 1000}) {
    dump.install(number);
    EXPECT_THAT(take_log(), ElementsAre(HasSubstr("is ignored"))) << number;
  }
  EXPECT_EQ(handler_of(SIGSEGV), before);
}

}  // namespace
}  // namespace efa::fi::test
