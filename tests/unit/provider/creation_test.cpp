// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Opening a device and creating queues when the kernel is older, refuses, or memory is short (spec
/// verbs V1 to V7, V58): every step is made to fail once; nothing may remain.
#include <gtest/gtest.h>

#include <cerrno>

#include "fake/memory.hpp"
#include "fake/objects.hpp"

namespace efa::fake {
namespace {

struct InUse {
  std::size_t blocks = blocks_in_use(), mappings = mappings_in_use(), objects = kernel().objects();
  bool operator==(const InUse&) const = default;
};

class CreationTest : public ::testing::Test {
 protected:
  void SetUp() override { restart_kernel(); }
  void TearDown() override { fail_nothing(); }
};

/// Fails each step of `create` in turn. `create` owns what it makes, and answers whether it could.
template <class Create>
int fail_each_step(const Create& create) {
  for (int step = 0;; ++step) {
    const InUse before;
    errno = 0;
    fail_step(step);
    const auto made = create();
    const int error = errno;
    const bool failed = has_failed();
    fail_nothing();
    if (!failed) {
      EXPECT_TRUE(made) << "with nothing failing";
      return step;
    }
    EXPECT_FALSE(made) << "step " << step << " failed and nobody saw it";
    EXPECT_TRUE(error == ENOSPC || error == ENOMEM) << "step " << step << ": errno " << error;
    EXPECT_TRUE(before == InUse{}) << "step " << step << " leaves something behind";
  }
}

TEST_F(CreationTest, OpeningSurvivesTheFailureOfEachStep) {
  int closed = kernel().closed_files();
  const int steps = fail_each_step([&] {
    Owner<verbs_context> opened(kernel().open());
    ++closed;
    if (opened == nullptr) {
      EXPECT_EQ(kernel().closed_files(), closed) << "V4: the file, once";
    }
    return opened != nullptr;
  });
  EXPECT_EQ(steps, 6) << "context, its memory, two commands, two tables";
}

TEST_F(CreationTest, CompletionQueuesSurviveTheFailureOfEachStep) {
  kernel().answers.open.sub_cqs_per_cq = 2;
  const Station station;
  EXPECT_EQ(fail_each_step([&] { return station.classic_cq(16); }), 5)
      << "object, command, ring, doorbell, sub-queues";
  EXPECT_GE(fail_each_step([&] { return station.extended_cq(16); }), 5);
}

TEST_F(CreationTest, QueuePairsSurviveTheFailureOfEachStep) {
  const Station station;
  const Owner<ibv_cq> cq = station.classic_cq(64);
  EXPECT_EQ(fail_each_step([&] { return station.qp(cq.get(), cq.get()); }), 11)
      << "object, command, two doorbells, two rings, two arrays for each queue, staging memory";
}

TEST_F(CreationTest, OtherObjectsSurviveTheFailureOfEachStep) {
  const Station station;
  fail_each_step([&] { return Owner<ibv_pd>(alloc_pd(station.base())); });
  fail_each_step([&] {
    ibv_ah_attr attr{};
    return Owner<ibv_ah>(create_ah(station.pd(), &attr));
  });
  fail_each_step([&] {
    ibv_td_init_attr attr{};
    return Owner<ibv_td>(alloc_td(station.base(), &attr));
  });
}

TEST_F(CreationTest, WhatTheKernelKeepsIsKept) {
  const Station station;
  Owner<ibv_cq> cq = station.classic_cq(64);
  Owner<ibv_qp> qp = station.qp(cq.get(), cq.get());
  const InUse before;
  for (const auto& destroy : {std::function<int()>([&] { return destroy_qp(qp.get()); }),
                              std::function<int()>([&] { return destroy_cq(cq.get()); })}) {
    fail_step(0);
    EXPECT_EQ(destroy(), ENOSPC);
    fail_nothing();
    EXPECT_TRUE(before == InUse{});
  }
}

TEST_F(CreationTest, AKernelThatNumbersNoAddressHandlesIsRefused) {
  efa_uabi_alloc_ucontext_resp_set_create_ah(&kernel().answers.open, 0);
  EXPECT_EQ(kernel().open(), nullptr);
  EXPECT_EQ(errno, ENOTSUP);
  EXPECT_NE(kernel().log.find("install a newer efa module"), std::string::npos) << kernel().log;
}

TEST_F(CreationTest, AnOldKernelKnowsOneInlineSize) {
  kernel().answers.open_bytes = 20;  // V2: ends before inline_buf_size_ex
  const Station station;
  EXPECT_EQ(station.context().limits.inline_buf_size, 32u);
  EXPECT_EQ(station.context().limits.inline_buf_size_ex, 32u);
}

TEST_F(CreationTest, AKernelWithoutPrivateQueryHasNoLimits) {
  efa_uabi_alloc_ucontext_resp_set_query_device(&kernel().answers.open, 0);  // V7
  const Station station;
  EXPECT_EQ(station.context().limits.max_sq_wr, 0u);
  ibv_device_attr_ex attr{};
  EXPECT_EQ(query_device_ex(station.base(), nullptr, &attr, sizeof(attr)), 0);
  EXPECT_EQ(attr.orig_attr.max_qp_wr, 128 * 4096 / 64) << "V6: what fits into device memory";
}

TEST_F(CreationTest, LimitsOfADeviceAreCutToWhatALibraryCanDo) {
  Answers& answers = kernel().answers;
  answers.open.inline_buf_size = 4096;
  answers.open.inline_buf_size_ex = 4096;
  answers.open.sub_cqs_per_cq = 0;
  answers.limits.max_sq_wr = answers.limits.max_rq_wr = 1 << 20;
  answers.limits.max_sq_sge = 16;
  const Station station;
  const Limits& limits = station.context().limits;
  EXPECT_EQ(limits.inline_buf_size, 32u);
  EXPECT_EQ(limits.inline_buf_size_ex, 80u);
  EXPECT_EQ(limits.sub_cqs_per_cq, 1u);
  EXPECT_EQ(limits.max_sq_wr, 32768u);
  EXPECT_EQ(limits.max_rq_wr, 32768u);
  EXPECT_EQ(limits.max_sq_sge, 2u);
}

TEST_F(CreationTest, ADoorbellOutsideItsPageIsRefused) {
  const Station station;
  const Owner<ibv_cq> cq = station.classic_cq(64);
  const InUse before;
  const auto page = static_cast<std::uint32_t>(page_size());
  for (const std::uint32_t offset : {page - 2, page, 0xfffffffcU, 2U}) {
    kernel().answers.change_qp = [=](efa_uabi_create_qp_resp& resp) { resp.sq_db_offset = offset; };
    EXPECT_EQ(station.qp(cq.get(), cq.get()), nullptr) << offset;
    EXPECT_EQ(errno, EINVAL);
    kernel().answers.change_qp = [=](efa_uabi_create_qp_resp& resp) { resp.rq_db_offset = offset; };
    EXPECT_EQ(station.qp(cq.get(), cq.get()), nullptr) << offset;
    kernel().answers.change_cq = [=](efa_uabi_create_cq_resp& resp) { resp.db_off = offset; };
    EXPECT_EQ(station.classic_cq(16), nullptr) << offset;
    EXPECT_EQ(errno, EINVAL);
  }
  EXPECT_TRUE(before == InUse{});
}

TEST_F(CreationTest, RingsThatAreTooSmallOrCrookedAreRefused) {
  const Station station;
  const Owner<ibv_cq> cq = station.classic_cq(64);
  kernel().answers.change_qp = [](efa_uabi_create_qp_resp& resp) { resp.rq_mmap_size = 127; };
  EXPECT_EQ(station.qp(cq.get(), cq.get()), nullptr);
  EXPECT_EQ(errno, EINVAL);
  kernel().answers.change_qp = [](efa_uabi_create_qp_resp& resp) { resp.llq_desc_offset = 8; };
  EXPECT_EQ(station.qp(cq.get(), cq.get()), nullptr) << "stores of 16 bytes need more alignment";
  EXPECT_EQ(errno, EINVAL);
  kernel().answers.change_cq = [](efa_uabi_create_cq_resp& resp) { resp.q_mmap_size = 4096; };
  EXPECT_EQ(station.classic_cq(1024), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CreationTest, ACompletionQueueWithoutDoorbellIsPolledButNotArmed) {
  kernel().answers.change_cq = [](efa_uabi_create_cq_resp& resp) { resp.comp_mask = 0; };
  const Station station;
  const Owner<ibv_cq> cq = station.classic_cq(16);
  ASSERT_NE(cq, nullptr);
  ibv_wc wc;
  EXPECT_EQ(poll_cq(cq.get(), 1, &wc), 0);
  EXPECT_EQ(req_notify_cq(cq.get(), 0), EOPNOTSUPP);
}

TEST_F(CreationTest, QueuePairNumbersAreTakenOutByTheirOwnerAlone) {
  QpTable table;
  ASSERT_TRUE(table.allocate());
  auto* first = reinterpret_cast<Qp*>(0x1000);
  auto* second = reinterpret_cast<Qp*>(0x2000);
  table.put(5, first);
  table.put(5, second);  // the kernel gave the number out again before `first` was taken out
  table.take_out(5, first);
  EXPECT_EQ(table.find(5), second);
  table.take_out(5, second);
  EXPECT_EQ(table.find(5), nullptr);
}

}  // namespace
}  // namespace efa::fake
