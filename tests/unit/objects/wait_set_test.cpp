// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Wait sets: one thing to wait on for several event queues (M6). Called through the tables:
// libfabric 2 calls the functions deprecated.
#include "objects/wait_set.hpp"

#include <poll.h>

#include "objects/eq.hpp"
#include "objects/opened.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

struct OpenedSet {
  OpenedSet() {
    fi_wait_attr attributes{FI_WAIT_FD, 0};
    EXPECT_EQ(of.fabric->ops->wait_open(of.fabric.get(), &attributes, set.out()), 0);
    fi_eq_attr asked{};
    asked.wait_obj = FI_WAIT_SET;
    asked.wait_set = set.get();
    asked.flags = FI_WRITE;
    for (auto& eq : eqs) EXPECT_EQ(fi_eq_open(of.fabric.get(), &asked, eq.out(), nullptr), 0);
  }
  ~OpenedSet() {
    for (auto& eq : eqs) eq.reset();
  }
  int wait(int timeout) { return set->ops->wait(set.get(), timeout); }

  OpenedDomain of;
  Owner<fid_wait> set;
  Owner<fid_eq> eqs[2];
};

TEST(WaitSet, WaitsForAnyOfItsQueues) {
  OpenedSet set;
  int fd = -1;
  EXPECT_EQ(fi_control(&set.set->fid, FI_GETWAIT, &fd), 0);
  pollfd waiting{fd, POLLIN, 0};
  EXPECT_EQ(set.wait(0), -FI_ETIMEDOUT);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
  EXPECT_EQ(fi_eq_write(set.eqs[1].get(), FI_NOTIFY, "x", 1, 0), 1);
  EXPECT_EQ(set.wait(-1), 0);
  EXPECT_EQ(poll(&waiting, 1, 0), 1);
  uint32_t event;
  char byte;
  EXPECT_EQ(fi_eq_read(set.eqs[1].get(), &event, &byte, 1, 0), 1);
  EXPECT_EQ(set.wait(1), -FI_ETIMEDOUT);
}

TEST(WaitSet, IsHeldByItsQueues) {
  OpenedSet set;
  EXPECT_EQ(fi_close(&set.set->fid), -FI_EBUSY);
}

TEST(WaitSet, OnlyFileDescriptorsCanBeWaitedOn) {
  OpenedDomain of;
  fid_wait* set = nullptr;
  fi_wait_attr attributes{FI_WAIT_MUTEX_COND, 0};
  EXPECT_EQ(of.fabric->ops->wait_open(of.fabric.get(), &attributes, &set), -FI_ENOSYS);
  attributes = {FI_WAIT_FD, 1};
  EXPECT_EQ(of.fabric->ops->wait_open(of.fabric.get(), &attributes, &set), -FI_EINVAL);
}

}  // namespace
