// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What outlives what: processes, their registered memory, channels, contexts.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "rings.hpp"

namespace efa::raw {
namespace {

constexpr std::size_t kBytes = 4096;

/// A process that does its work, hands over a result and then waits for its end.
class Helper {
 public:
  explicit Helper(const std::function<std::uint32_t()>& work) {
    int result[2], hold[2];
    if (::pipe(result) != 0 || ::pipe(hold) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::uint32_t value = work();
      char nothing;
      const bool handed = ::write(result[1], &value, sizeof(value)) == sizeof(value);
      // Not at the end of file: helpers forked later hold the other end, too.
      ::_exit(handed && ::read(hold[0], &nothing, 1) == 1 ? 0 : 1);
    }
    ::close(result[1]);
    ::close(hold[0]);
    hold_ = hold[1];
    good_ = ::read(result[0], &value_, sizeof(value_)) == sizeof(value_);
    ::close(result[0]);
  }
  ~Helper() { end(); }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  std::uint32_t value() const {
    EXPECT_TRUE(good_);
    return value_;
  }
  void end() {
    if (hold_ < 0) return;
    const char let_go = 0;
    EXPECT_EQ(::write(hold_, &let_go, 1), 1);
    ::close(hold_);
    hold_ = -1;
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0);
  }

 private:
  pid_t pid_ = -1;
  int hold_ = -1;
  bool good_ = false;
  std::uint32_t value_ = 0;
};

class LifetimeTest : public ::testing::Test {
 protected:
  Session session;
  Pd pd;
  AddressHandle ah;
  // Forked processes have it at the same address, each with its own content.
  std::uint8_t* memory = nullptr;

  void SetUp() override {
    void* start =
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(start, MAP_FAILED);
    memory = static_cast<std::uint8_t*>(start);
    ASSERT_EQ(session.alloc_pd(pd), 0);
    ASSERT_EQ(session.create_ah(pd, session.gid(), ah), 0);
  }
  void TearDown() override { ::munmap(memory, kBytes); }

  /// Status of sending `memory` of whoever registered it as `lkey` to ourselves.
  unsigned status_of_sending(std::uint32_t lkey) {
    CompletionRing send_cq(session, {}), recv_cq(session, {});
    QueuePair qp(session, pd, send_cq, recv_cq);
    Mr mine;
    std::vector<std::uint8_t> received(kBytes);
    EXPECT_EQ(session.reg_mr(pd, received.data(), received.size(), kLocalWrite, mine), 0);
    qp.post_receive(1, mine, received.data(), kBytes);
    efa_tx_wqe wqe{};
    wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {ah.number, qp.number()}, 1, 1);
    wqe.data.sgl[0] = segment({0, lkey, 0}, memory, 64);
    qp.post_send(wqe);
    const unsigned status = send_cq.next().status();
    if (status == EFA_COMP_STATUS_OK) first_byte = received[0];
    EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, qp.handle()), 0);
    return status;
  }
  std::uint32_t registered_by_child() {
    *memory = 1;
    Mr mr;
    return session.reg_mr(pd, memory, kBytes, kLocalWrite, mr) == 0 ? mr.lkey : 0;
  }
  std::uint8_t first_byte = 0;
};

TEST_F(LifetimeTest, MemoryThatAChildRegisteredIsTheChilds) {
  *memory = 7;
  Helper child([&] { return registered_by_child(); });
  ASSERT_NE(child.value(), 0u);
  EXPECT_EQ(status_of_sending(child.value()), static_cast<unsigned>(EFA_COMP_STATUS_OK));
  EXPECT_EQ(first_byte, 1);
}

TEST_F(LifetimeTest, MemoryOfAnEndedProcessIsNotThatOfTheNext) {
  std::vector<std::uint32_t> keys;
  std::vector<std::unique_ptr<Helper>> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(std::make_unique<Helper>([&] { return registered_by_child(); }));
    keys.push_back(children.back()->value());
  }
  children.clear();
  // Strangers with a context of their own and a secret at the same address.
  std::vector<std::unique_ptr<Helper>> strangers;
  for (int i = 0; i < 4; ++i)
    strangers.push_back(std::make_unique<Helper>([&] {
      *memory = 99;
      static const Session own;
      return std::uint32_t{1};
    }));
  for (const std::uint32_t key : keys) {
    ASSERT_NE(key, 0u);
    EXPECT_EQ(status_of_sending(key),
              static_cast<unsigned>(EFA_COMP_STATUS_LOCAL_ERROR_INVALID_LKEY));
  }
  EXPECT_EQ(first_byte, 0) << "a byte of another process";
}

TEST_F(LifetimeTest, ProcessesMayComeAndGoForLong) {
  for (int i = 0; i < 300; ++i) {
    Helper child([&] { return registered_by_child(); });
    ASSERT_NE(child.value(), 0u) << i;
  }
}

TEST_F(LifetimeTest, CompletionChannelsMayComeAndGoForLong) {
  for (int i = 0; i < 3000; ++i) {
    ib_uverbs_create_comp_channel_resp response{};
    ASSERT_EQ(session.write_command(IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL,
                                    ib_uverbs_create_comp_channel{},
                                    Attributes().out(UVERBS_ATTR_CORE_OUT, response)),
              0)
        << i;
    ASSERT_EQ(::close(static_cast<int>(response.fd)), 0);
  }
}

TEST_F(LifetimeTest, EventsForAClosedChannelAreDropped) {
  ib_uverbs_create_comp_channel_resp channel{};
  ASSERT_EQ(
      session.write_command(IB_USER_VERBS_CMD_CREATE_COMP_CHANNEL, ib_uverbs_create_comp_channel{},
                            Attributes().out(UVERBS_ATTR_CORE_OUT, channel)),
      0);
  CqRequest request;
  request.channel = static_cast<int>(channel.fd);
  efa_uabi_create_cq_set_completion_channel(&request.device, 1);
  CompletionRing send_cq(session, request), recv_cq(session, {});
  QueuePair qp(session, pd, send_cq, recv_cq);
  const auto& cq = send_cq.answer().device;
  const Mapping doorbells(session, cq.db_mmap_key, 4096, PROT_READ | PROT_WRITE);
  ASSERT_EQ(::close(request.channel), 0);
  *doorbells.word(cq.db_off) = EFA_CQ_DOORBELL_ARM_MASK;
  efa_tx_wqe wqe{};  // fails at once, which is a completion, too
  wqe.meta = meta(EFA_SEND_OP_TYPE_SEND, {0x7777, 0}, 1, 0);
  for (int i = 0; i < 10; ++i) {
    qp.post_send(wqe);
    EXPECT_NE(send_cq.next().status(), static_cast<unsigned>(EFA_COMP_STATUS_OK));
  }
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_QP, qp.handle()), 0);
  EXPECT_EQ(session.destroy(UVERBS_OBJECT_CQ, send_cq.answer().handle), 0);
}

TEST_F(LifetimeTest, HundredsOfContextsFitBesideEachOther) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 4096) GTEST_SKIP() << "the limit on open files is low here";
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<int> event_descriptors;
  for (int i = 0; i < 700; ++i) {
    sessions.push_back(std::make_unique<Session>());
    Attributes events;
    events.handle(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE);
    ASSERT_EQ(
        sessions.back()->call(UVERBS_OBJECT_ASYNC_EVENT, UVERBS_METHOD_ASYNC_EVENT_ALLOC, events),
        0)
        << i;
    // Their release is told by this descriptor.
    event_descriptors.push_back(
        static_cast<int>(events.value(UVERBS_ATTR_ASYNC_EVENT_ALLOC_FD_HANDLE)));
  }
  for (const int fd : event_descriptors) ::close(fd);
}

}  // namespace
}  // namespace efa::raw
