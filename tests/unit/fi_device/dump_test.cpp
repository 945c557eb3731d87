// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The dump of stuck operations: by fi_control(), and by the signal of FI_EFA_DUMP_SIGNAL.
#include <gmock/gmock.h>
#include <signal.h>

#include "objects/dump_signal.hpp"
#include "objects/rdm_endpoint.hpp"
#include "opened.hpp"

namespace efa::fi::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct DumpTest : testing::Test {
  Opened on{Kind::rdm, FI_VERSION(1, 17)};
  void SetUp() override { on.enable(FI_CQ_FORMAT_CONTEXT); }
  void TearDown() override { signal(SIGUSR2, SIG_DFL); }

  /// What the next look at the queue writes into the log.
  std::string read_and_log() {
    fi_cq_entry entry;
    testing::internal::CaptureStdout();
    EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), -FI_EAGAIN);
    return testing::internal::GetCapturedStdout();
  }
};

TEST_F(DumpTest, ASignalIsAnsweredOnceAtTheNextLookAtTheQueue) {
  DumpSignal dump;
  dump.install(SIGUSR2);
  EXPECT_EQ(read_and_log(), "");
  raise(SIGUSR2);
  EXPECT_THAT(read_and_log(), AllOf(HasSubstr("endpoint ["), HasSubstr("on the device")));
  EXPECT_EQ(read_and_log(), "");
}

TEST_F(DumpTest, NamesThePeerAndTheStepOfItsOldestOperation) {
  static char data[4];
  ASSERT_EQ(fi_send(on.ep, data, sizeof data, &on.region, on.peer, &contexts[0]), 0);
  testing::internal::CaptureStdout();
  ASSERT_EQ(fi_control(&on.ep->fid, kControlDump, nullptr), 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("peer [fe00::]:7:4660, no handshake"), HasSubstr("oldest to it"),
                    HasSubstr("4 bytes")));
  on.complete_send(0);
  fi_cq_entry entry;
  EXPECT_EQ(fi_cq_read(on.cq, &entry, 1), 1);
}

}  // namespace
}  // namespace efa::fi::test
