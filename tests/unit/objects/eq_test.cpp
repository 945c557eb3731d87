// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Event queues: order, peeking, errors and who owns their text, waiting (spec 8, M3).
#include "objects/eq.hpp"

#include <poll.h>
#include <rdma/fi_errno.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "objects/opened.hpp"
#include "rdm/errors.hpp"

namespace {

using namespace efa::fi;
using namespace efa::fi::test;

struct OpenedEq {
  explicit OpenedEq(fi_wait_obj wait, uint64_t flags = FI_WRITE,
                    uint32_t version = FI_VERSION(1, 18)) {
    start_process();
    const InfoPtr info = info_of(Kind::rdm);
    info->fabric_attr->api_version = version;
    EXPECT_EQ(open_fabric(info->fabric_attr, fabric.out(), nullptr), 0);
    fi_eq_attr attributes{};
    attributes.wait_obj = wait;
    attributes.flags = flags;
    EXPECT_EQ(fi_eq_open(fabric.get(), &attributes, eq.out(), this), 0);
  }

  ssize_t write(uintptr_t number) {
    fi_eq_entry entry{&fabric->fid, reinterpret_cast<void*>(number), 0};
    return fi_eq_write(eq.get(), FI_NOTIFY, &entry, sizeof entry, 0);
  }
  ssize_t read(uint64_t flags = 0) {
    return fi_eq_read(eq.get(), &event, &entry, sizeof entry, flags);
  }
  void report(const std::string& text) {
    report_to_eq(*eq.get(), &fabric->fid, this, FI_EHOSTUNREACH, 15, text);
  }
  bool readable() {
    int fd = -1;
    EXPECT_EQ(fi_control(&eq->fid, FI_GETWAIT, &fd), 0);
    pollfd waiting{fd, POLLIN, 0};
    return poll(&waiting, 1, 0) == 1;
  }

  Owner<fid_fabric> fabric;
  Owner<fid_eq> eq;
  uint32_t event = ~0U;
  fi_eq_entry entry{};
};

TEST(Eq, EventsComeInTheirOrder) {
  OpenedEq q(FI_WAIT_NONE);
  for (uintptr_t i = 0; i < 100; ++i) EXPECT_EQ(q.write(i), ssize_t{sizeof(fi_eq_entry)});
  for (uintptr_t i = 0; i < 100; ++i) {
    EXPECT_EQ(q.read(FI_PEEK), ssize_t{sizeof(fi_eq_entry)});
    EXPECT_EQ(q.read(), ssize_t{sizeof(fi_eq_entry)});
    EXPECT_EQ(q.event, uint32_t{FI_NOTIFY});
    EXPECT_EQ(q.entry.context, reinterpret_cast<void*>(i));
  }
  EXPECT_EQ(q.read(), -FI_EAGAIN);
}

TEST(Eq, AnEventThatDoesNotFitStays) {
  OpenedEq q(FI_WAIT_NONE);
  q.write(1);
  char small[4];
  EXPECT_EQ(fi_eq_read(q.eq.get(), &q.event, small, sizeof small, 0), -FI_ETOOSMALL);
  EXPECT_EQ(q.read(), ssize_t{sizeof(fi_eq_entry)});
}

TEST(Eq, OnlyWhoAskedMayWrite) {
  OpenedEq q(FI_WAIT_NONE, 0);
  EXPECT_EQ(q.write(1), -FI_ENOSYS);
}

TEST(Eq, AnErrorIsReadByReaderrInItsTurn) {
  OpenedEq q(FI_WAIT_NONE);
  fi_eq_err_entry error{};
  q.write(1);
  q.report("peer gone");
  EXPECT_EQ(fi_eq_readerr(q.eq.get(), &error, 0), -FI_EAGAIN);
  EXPECT_GT(q.read(), 0);
  EXPECT_EQ(q.read(), -FI_EAVAIL);
  EXPECT_EQ(fi_eq_readerr(q.eq.get(), &error, FI_PEEK), ssize_t{sizeof error});
  EXPECT_EQ(fi_eq_readerr(q.eq.get(), &error, 0), ssize_t{sizeof error});
  EXPECT_EQ(error.fid, &q.fabric->fid);
  EXPECT_EQ(error.context, &q);
  EXPECT_EQ(error.err, FI_EHOSTUNREACH);
  EXPECT_EQ(error.prov_errno, 15);
  EXPECT_EQ(q.read(), -FI_EAGAIN);
}

TEST(Eq, TheTextOfAnErrorIsLentToWhoBringsNoRoom) {
  OpenedEq q(FI_WAIT_NONE);
  q.report("peer gone");
  fi_eq_err_entry error{};
  fi_eq_readerr(q.eq.get(), &error, 0);
  EXPECT_EQ(error.err_data_size, 9u);
  EXPECT_STREQ(static_cast<char*>(error.err_data), "peer gone");
  EXPECT_STREQ(fi_eq_strerror(q.eq.get(), error.prov_errno, error.err_data, nullptr, 0),
               "peer gone");
  EXPECT_STREQ(fi_eq_strerror(q.eq.get(), 15, nullptr, nullptr, 0), efa::rdm::text_of_errno(15));
  char small[5];
  EXPECT_STREQ(fi_eq_strerror(q.eq.get(), 15, error.err_data, small, sizeof small), "peer");
}

TEST(Eq, TheTextOfAnErrorIsCopiedIntoRoomFromApi15On) {
  for (const bool copies : {false, true}) {
    OpenedEq q(FI_WAIT_NONE, 0, copies ? FI_VERSION(1, 5) : FI_VERSION(1, 4));
    q.report("peer gone");
    char room[4] = "---";
    fi_eq_err_entry error{};
    error.err_data = room;
    error.err_data_size = 3;
    EXPECT_GT(fi_eq_readerr(q.eq.get(), &error, 0), 0);
    EXPECT_EQ(error.err_data == room, copies);
    EXPECT_EQ(error.err_data_size, copies ? 3u : 9u);
    EXPECT_STREQ(room, copies ? "pee" : "---");
  }
}

TEST(Eq, ErrorsThatNobodyReadsDoNotFillTheMemory) {
  OpenedEq q(FI_WAIT_NONE);
  for (int i = 0; i < 2000; ++i) q.report("bad packet");
  EXPECT_THAT(take_log().back(), testing::HasSubstr("bad packet; read the event queue"));
  fi_eq_err_entry error{};
  int read = 0;
  while (fi_eq_readerr(q.eq.get(), &error, 0) > 0) {
    error = {};
    ++read;
  }
  EXPECT_EQ(read, 1024);
  q.report("again");
  EXPECT_EQ(q.read(), -FI_EAVAIL);
}

TEST(Eq, ItsFileDescriptorIsReadableAsLongAsThereIsSomething) {
  OpenedEq q(FI_WAIT_FD);
  fid* const fids[] = {&q.eq->fid};
  EXPECT_FALSE(q.readable());
  EXPECT_EQ(q.fabric->ops->trywait(q.fabric.get(), const_cast<fid**>(fids), 1), 0);
  q.write(1);
  q.write(2);
  EXPECT_TRUE(q.readable());
  EXPECT_EQ(q.fabric->ops->trywait(q.fabric.get(), const_cast<fid**>(fids), 1), -FI_EAGAIN);
  q.read();
  EXPECT_TRUE(q.readable());
  q.read(FI_PEEK);
  EXPECT_TRUE(q.readable());
  q.read();
  EXPECT_FALSE(q.readable());
}

TEST(Eq, AReaderSleepsUntilTheTimeIsOver) {
  OpenedEq q(FI_WAIT_UNSPEC);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(fi_eq_sread(q.eq.get(), &q.event, &q.entry, sizeof q.entry, 50, 0), -FI_EAGAIN);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
}

TEST(Eq, AReaderIsWokenByAWriter) {
  OpenedEq q(FI_WAIT_UNSPEC);
  ssize_t result = 0;
  std::thread reader(
      [&] { result = fi_eq_sread(q.eq.get(), &q.event, &q.entry, sizeof q.entry, -1, 0); });
  q.write(5);
  reader.join();
  EXPECT_EQ(result, ssize_t{sizeof(fi_eq_entry)});
}

TEST(Eq, WithoutAWaitObjectNobodySleeps) {
  OpenedEq q(FI_WAIT_NONE);
  int fd;
  EXPECT_EQ(fi_eq_sread(q.eq.get(), &q.event, &q.entry, sizeof q.entry, -1, 0), -FI_EINVAL);
  EXPECT_EQ(fi_control(&q.eq->fid, FI_GETWAIT, &fd), -FI_ENOSYS);
}

TEST(Eq, ItHoldsItsFabric) {
  OpenedEq q(FI_WAIT_NONE);
  EXPECT_EQ(fi_close(&q.fabric->fid), -FI_EBUSY);
}

TEST(Eq, WaitObjectsThatItDoesNotHaveAreRefused) {
  OpenedEq q(FI_WAIT_NONE);
  fi_eq_attr attributes{};
  fid_eq* eq = nullptr;
  attributes.wait_obj = FI_WAIT_MUTEX_COND;
  EXPECT_EQ(fi_eq_open(q.fabric.get(), &attributes, &eq, nullptr), -FI_ENOSYS);
  attributes.wait_obj = FI_WAIT_SET;
  EXPECT_EQ(fi_eq_open(q.fabric.get(), &attributes, &eq, nullptr), -FI_EINVAL);
  attributes = {};
  attributes.flags = FI_PEEK;
  EXPECT_EQ(fi_eq_open(q.fabric.get(), &attributes, &eq, nullptr), -FI_EINVAL);
}

}  // namespace
