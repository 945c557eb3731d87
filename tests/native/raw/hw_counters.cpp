// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Which failures count where: those that the driver finds, not those of the RDMA core (verbs A8,
/// A10).
#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "uverbs.hpp"

namespace efa::raw {
namespace {

std::uint64_t counter(const std::string& name) {
  const std::string path =
      std::string(::getenv("SYSFS_PATH")) + "/class/infiniband/efa_0/hw_counters/" + name;
  std::ifstream file(path);
  std::uint64_t value = ~std::uint64_t{0};
  file >> value;
  EXPECT_TRUE(file) << path;
  return value;
}

class HwCounterTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  CqAnswer cq;
  CqRequest cq_request;

  void SetUp() override {
    cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
    ASSERT_EQ(session.alloc_pd(pd), 0);
    ASSERT_EQ(session.create_cq(cq_request, cq), 0);
  }
  /// After `uncounted` and then `counted` the counter is greater by one. They run in this order so
  /// that waiting for the second proves that the first did nothing.
  template <class Uncounted, class Counted>
  static void expect_one(const std::string& name, Uncounted&& uncounted, Counted&& counted) {
    const std::uint64_t before = settled(name);
    uncounted();
    counted();
    EXPECT_EQ(settled(name), before + 1) << name;
  }

 private:
  /// Files lag behind, and are written one after the other: once they were written a second time,
  /// those of the first time are complete. Every command makes submitted_cmds grow.
  static std::uint64_t settled(const std::string& name) {
    Session command;
    for (int times = 0; times < 2; ++times) {
      const std::uint64_t commands = counter("submitted_cmds");
      Pd ignored;
      EXPECT_EQ(command.alloc_pd(ignored), 0);
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      while (counter("submitted_cmds") == commands && std::chrono::steady_clock::now() < deadline)
        ::sched_yield();
      EXPECT_GT(counter("submitted_cmds"), commands);
    }
    return counter(name);
  }
};

TEST_F(HwCounterTest, QueuePairsThatTheDriverRefuses) {
  QpAnswer answer;
  expect_one(
      "create_qp_err",
      [&] {
        EXPECT_EQ(session.create_qp({}, {999, 0}, cq, cq, answer), ENOENT);
      },
      [&] {
        QpRequest bad;
        bad.cap.max_send_wr = 1 << 20;
        EXPECT_EQ(session.create_qp(bad, pd, cq, cq, answer), EINVAL);
      });
}

TEST_F(HwCounterTest, CompletionQueuesThatTheDriverRefuses) {
  CqAnswer answer;
  expect_one(
      "create_cq_err",
      [&] {
        CqRequest bad = cq_request;
        bad.vector = 999;
        EXPECT_EQ(session.create_cq(bad, answer), EINVAL);
      },
      [&] {
        CqRequest bad = cq_request;
        bad.cqe = 1 << 20;
        EXPECT_EQ(session.create_cq(bad, answer), EINVAL);
      });
}

TEST_F(HwCounterTest, RegionsThatTheDriverRefuses) {
  Mr mr;
  const std::uint64_t memory[8] = {};
  constexpr std::uint32_t kRemoteWrite = 2, kAtomics = 8, kLocalWrite = 1;
  expect_one(
      "reg_mr_err",
      [&] { EXPECT_EQ(session.reg_mr(pd, memory, sizeof(memory), kRemoteWrite, mr), EINVAL); },
      [&] {
        EXPECT_EQ(session.reg_mr(pd, memory, sizeof(memory), kAtomics | kLocalWrite, mr),
                  EOPNOTSUPP);
      });
}

TEST_F(HwCounterTest, AddressesThatTheDeviceRefuses) {
  AddressHandle ah;
  const std::uint8_t nowhere[16] = {};
  expect_one(
      "create_ah_err",
      [&] {
        EXPECT_EQ(session.create_ah({999, 0}, session.gid(), ah), ENOENT);
      },
      [&] { EXPECT_EQ(session.create_ah(pd, nowhere, ah), EINVAL); });
}

TEST_F(HwCounterTest, CommandsThatTheDeviceRefuses) {
  AddressHandle ah;
  const std::uint8_t nowhere[16] = {};
  expect_one(
      "cmds_err", [] {}, [&] { EXPECT_EQ(session.create_ah(pd, nowhere, ah), EINVAL); });
}

}  // namespace
}  // namespace efa::raw
