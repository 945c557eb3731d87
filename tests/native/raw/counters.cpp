// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion counters (verbs A5.1): capabilities, creation, modification, attachment, counting.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::uint64_t kAllOps = 63;

class CounterTest : public ::testing::Test {
 protected:
  /// What the device writes.
  struct Values {
    alignas(8) std::uint64_t completions = ~std::uint64_t{0};
    alignas(8) std::uint64_t errors = ~std::uint64_t{0};
  };

  Session session;
  Pd pd;
  Values values;

  static bool supported(const Session& session) {
    return session.has(EFA_UABI_QUERY_DEVICE_RESP_COMP_CNTR_MASK);
  }
  void SetUp() override {
    if (!supported(session)) GTEST_SKIP() << "only generation efa4 counts";
    ASSERT_EQ(session.alloc_pd(pd), 0);
  }
  static Buffer at(const std::uint64_t& value) {
    return {1, -1, 0, 0, reinterpret_cast<std::uint64_t>(&value), sizeof(value)};
  }
  int create(Values& memory, std::uint32_t& handle) {
    return session.create_counter(at(memory.completions), at(memory.errors), handle);
  }
  static std::uint64_t load(const std::uint64_t& value) {
    return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
  }
  /// Waits for a minute at most.
  static void expect_reaches(const std::uint64_t& value, std::uint64_t target) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (load(value) != target && std::chrono::steady_clock::now() < deadline) ::sched_yield();
    EXPECT_EQ(load(value), target);
  }
};

// First, as contexts of other tests keep theirs: without async events they end with their process.
TEST_F(CounterTest, EndsAtTheDevicesLimitAndGivesItBack) {
  std::vector<std::uint32_t> handles(512);
  for (std::uint32_t& handle : handles) ASSERT_EQ(create(values, handle), 0);
  std::uint32_t more;
  EXPECT_EQ(create(values, more), ENOMEM);
  EXPECT_EQ(session.destroy(kCounterObject, handles.back()), 0);
  EXPECT_EQ(create(values, handles.back()), 0);
  for (const std::uint32_t handle : handles) EXPECT_EQ(session.destroy(kCounterObject, handle), 0);
}

TEST(CounterCapabilityTest, ShowsInTheDeviceAndInTheCommands) {
  Session session;
  const bool counts = session.has(EFA_UABI_QUERY_DEVICE_RESP_COMP_CNTR_MASK);
  EXPECT_EQ(counts, std::string(::getenv("EFA_TEST_GENERATION")) == "efa4");
  EXPECT_EQ(session.has(EFA_UABI_QUERY_DEVICE_RESP_SQ_64_BIT_REQ_ID_MASK), counts);
  std::uint32_t counters = 0, ops = 0;
  std::uint64_t maximum = 0;
  Attributes query;
  query.out(0, counters).out(1, maximum).out(2, ops);
  EXPECT_EQ(session.call(UVERBS_OBJECT_DEVICE, kQueryCounterCaps, query), counts ? 0 : EOPNOTSUPP);
  EXPECT_EQ(counters, counts ? 512u : 0u);
  EXPECT_EQ(maximum, counts ? ~std::uint64_t{0} : 0u);
  EXPECT_EQ(ops, counts ? kAllOps : 0u);
  alignas(8) std::uint64_t memory[2];
  const Buffer buffer{1, -1, 0, 0, reinterpret_cast<std::uint64_t>(memory), 8};
  std::uint32_t handle;
  EXPECT_EQ(session.create_counter(buffer, buffer, handle), counts ? 0 : EOPNOTSUPP);
}

TEST_F(CounterTest, StartsAtZero) {
  std::uint32_t handle;
  ASSERT_EQ(create(values, handle), 0);
  EXPECT_EQ(load(values.completions), 0u);
  EXPECT_EQ(load(values.errors), 0u);
  EXPECT_EQ(session.destroy(kCounterObject, handle), 0);
  EXPECT_EQ(session.destroy(kCounterObject, handle), ENOENT);
}

TEST_F(CounterTest, NeedsTwoAlignedBuffersThatExist) {
  std::uint32_t handle;
  const Buffer good = at(values.completions);
  const auto error_with = [&](auto change) {
    Buffer bad = good;
    change(bad);
    const int error = session.create_counter(good, bad, handle);
    EXPECT_EQ(session.create_counter(bad, good, handle), error);
    return error;
  };
  EXPECT_EQ(error_with([](Buffer& b) { b.addr += 4; }), EINVAL);
  EXPECT_EQ(error_with([](Buffer& b) { b.length = 4; }), EINVAL);
  EXPECT_EQ(error_with([](Buffer& b) { b.flags = 1; }), EINVAL);
  EXPECT_EQ(error_with([](Buffer& b) { b.type = 2; }), EINVAL);
  EXPECT_EQ(error_with([](Buffer& b) { b.addr = 0x10; }), EFAULT);
  EXPECT_EQ(error_with([](Buffer& b) { b.addr = ~std::uint64_t{7}; }), EINVAL) << "wraps";
  EXPECT_EQ(error_with([](Buffer& b) { b.type = 0; }), EBADF) << "no descriptor";
  EXPECT_EQ(error_with([](Buffer& b) { b.optional_flags = 1; }), 0) << "ignored";
  static const std::uint64_t constant = 7;
  EXPECT_EQ(error_with([](Buffer& b) { b.addr = reinterpret_cast<std::uint64_t>(&constant); }),
            EFAULT)
      << "not writable";
  Attributes one;
  one.handle(0).in(EFA_UABI_IDS_ATTR_CREATE_COMP_CNTR_COMP_BUFFER, good);
  EXPECT_EQ(session.call(kCounterObject, kCounterCreate, one), EINVAL) << "mandatory";
}

TEST_F(CounterTest, IsSetAndIncremented) {
  std::uint32_t handle;
  ASSERT_EQ(create(values, handle), 0);
  EXPECT_EQ(session.modify_counter(handle, kCompletions, kSet, 100), 0);
  EXPECT_EQ(session.modify_counter(handle, kErrors, kIncrement, 3), 0);
  EXPECT_EQ(session.modify_counter(handle, kErrors, kIncrement, 4), 0);
  EXPECT_EQ(load(values.completions), 100u);
  EXPECT_EQ(load(values.errors), 7u);
  EXPECT_EQ(session.modify_counter(handle, kCompletions, kIncrement, ~std::uint64_t{0}), 0);
  EXPECT_EQ(load(values.completions), 99u) << "wraps";
  EXPECT_EQ(session.modify_counter(handle, 2, kSet, 1), EINVAL);
  EXPECT_EQ(session.modify_counter(handle, kErrors, 2, 1), EINVAL);
  EXPECT_EQ(session.modify_counter(handle + 99, kErrors, kSet, 1), ENOENT);
  EXPECT_EQ(load(values.errors), 7u);
}

TEST_F(CounterTest, IsReadFromItsMemoryOnly) {
  std::uint32_t handle;
  ASSERT_EQ(create(values, handle), 0);
  std::uint64_t value = 0;
  Attributes read;
  read.handle(0, handle).in(1, kCompletions).out(2, value);
  EXPECT_EQ(session.call(kCounterObject, kCounterRead, read), EOPNOTSUPP);
}

class AttachTest : public CounterTest {
 protected:
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(8192);
  Mr mr;
  AddressHandle ah;
  CqRequest cq_request;
  std::uint32_t counter = 0;

  void SetUp() override {
    CounterTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(session.reg_mr(pd, bytes.data(), bytes.size(),
                             kLocalWrite | kRemoteWrite | kRemoteRead, mr),
              0);
    ASSERT_EQ(session.create_ah(pd, session.gid(), ah), 0);
    ASSERT_EQ(create(values, counter), 0);
  }
  QpOptions counting(std::uint64_t ops) {
    QpOptions options;
    options.created = [this, ops](const QpAnswer& qp) {
      ASSERT_EQ(session.attach_counter(qp.handle, counter, ops), 0);
    };
    return options;
  }
  efa_tx_wqe send(const QueuePair& qp, std::uint32_t length = 8) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp.number()}, 1, 1);
    wqe.data.sgl[0] = segment(mr, bytes.data(), length);
    return wqe;
  }
  efa_tx_wqe rdma(efa_send_op_type op, const QueuePair& qp) {
    efa_tx_wqe wqe{};
    wqe.meta = meta(op, {ah.number, qp.number()}, 1, 1);
    wqe.data.rdma_req.remote_mem = remote(mr, bytes.data() + 4096, 64);
    wqe.data.rdma_req.local_mem = segment(mr, bytes.data(), 64);
    return wqe;
  }
};

TEST_F(AttachTest, ChecksTheMask) {
  CqAnswer cq;
  QpAnswer qp;
  cq_request.device.num_sub_cqs = session.limits().sub_cqs_per_cq;
  ASSERT_EQ(session.create_cq(cq_request, cq), 0);
  ASSERT_EQ(session.create_qp({}, pd, cq, cq, qp), 0);
  EXPECT_EQ(session.attach_counter(qp.handle, counter, 0), EINVAL);
  EXPECT_EQ(session.attach_counter(qp.handle, counter, kAllOps + 1), EINVAL);
  EXPECT_EQ(session.attach_counter(qp.handle, counter, std::uint64_t{1} << 40), EINVAL);
  EXPECT_EQ(session.attach_counter(qp.handle, counter + 99, kCountSends), EINVAL);
  EXPECT_EQ(session.attach_counter(cq.handle, counter, kCountSends), EINVAL);
  EXPECT_EQ(session.attach_counter(qp.handle, counter, kCountSends | kCountReads), 0);
  EXPECT_EQ(session.attach_counter(qp.handle, counter, kCountSends | kCountWrites), EBUSY);
  std::uint32_t second;
  Values more;
  ASSERT_EQ(create(more, second), 0);
  EXPECT_EQ(session.attach_counter(qp.handle, second, kCountReads), EBUSY);
  EXPECT_EQ(session.attach_counter(qp.handle, second, kCountWrites), 0);
}

TEST_F(AttachTest, HappensBeforeTheQueuePairIsReady) {
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq);
  EXPECT_EQ(session.attach_counter(qp.handle(), counter, kCountSends), EINVAL);
}

TEST_F(AttachTest, KeepsTheCounterUntilTheQueuePairIsGone) {
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq, counting(kCountSends));
  EXPECT_EQ(session.destroy(kCounterObject, counter), EBUSY);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, qp.handle()), 0);
  EXPECT_EQ(session.destroy(kCounterObject, counter), 0);
}

TEST_F(AttachTest, CountsWhatItIsAskedTo) {
  CompletionRing send_cq(session, cq_request), recv_cq(session, cq_request);
  QueuePair counted(session, pd, send_cq, recv_cq, counting(kCountSends));
  for (std::uint16_t i = 0; i < 10; ++i) {
    counted.post_receive(i, mr, bytes.data(), 100);
    counted.post_send(send(counted));
    EXPECT_EQ(send_cq.next().status(), 0u);
  }
  expect_reaches(values.completions, 10);
  counted.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_READ, counted));
  counted.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_WRITE, counted));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(send_cq.next().status(), 0u);
  EXPECT_EQ(load(values.completions), 10u) << "reads and writes are not attached";
  EXPECT_EQ(load(values.errors), 0u);
}

TEST_F(AttachTest, CountsBothSidesOfRdma) {
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq,
               counting(kCountReads | kCountRemoteReads | kCountWrites | kCountRemoteWrites));
  qp.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_READ, qp));
  EXPECT_EQ(cq.next().status(), 0u);
  expect_reaches(values.completions, 2);
  qp.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_WRITE, qp));
  EXPECT_EQ(cq.next().status(), 0u);
  expect_reaches(values.completions, 4);
}

TEST_F(AttachTest, CountsErrorsApart) {
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq, counting(kCountSends | kCountReceives));
  efa_tx_wqe bad = send(qp);
  bad.data.sgl[0].lkey += 99;
  qp.post_send(bad);
  EXPECT_NE(cq.next().status(), 0u);
  expect_reaches(values.errors, 1);
  EXPECT_EQ(load(values.completions), 0u);
}

TEST_F(AttachTest, CountsInSharedMemory) {
  const int file = ::memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(::ftruncate(file, 4096), 0);
  std::uint32_t handle;
  const Buffer first{0, file, 0, 0, 64, 8}, second{0, file, 0, 0, 72, 8};
  EXPECT_EQ(session.create_counter(first, second, handle), EINVAL) << "not sealed";
  ASSERT_EQ(::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  ASSERT_EQ(session.create_counter(first, second, handle), 0);
  counter = handle;
  auto* words = static_cast<std::uint64_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  ASSERT_NE(words, MAP_FAILED);
  ::close(file);
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq, counting(kCountReads));
  qp.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_READ, qp));
  expect_reaches(words[8], 1);
  EXPECT_EQ(session.modify_counter(counter, kErrors, kSet, 5), 0);
  EXPECT_EQ(words[9], 5u);
  ::munmap(words, 4096);
}

TEST_F(AttachTest, OutlivesTheMemoryOfItsCounter) {
  auto* page = static_cast<std::uint64_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(session.create_counter(at(page[0]), at(page[1]), counter), 0);
  CompletionRing cq(session, cq_request);
  QueuePair qp(session, pd, cq, cq, counting(kCountReads));
  ::munmap(page, 4096);
  for (int i = 0; i < 3; ++i) {
    qp.post_send(rdma(EFA_SEND_OP_TYPE_RDMA_READ, qp));
    EXPECT_EQ(cq.next().status(), 0u);
  }
}

}  // namespace
}  // namespace efa::raw
