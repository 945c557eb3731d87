// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion queues, completion channels and every order of arming and completing (verbs A8.2,
/// device-io I7, native-mode 6.1).
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "rig.hpp"

namespace efa::verbs_test {
namespace {

class CqTest : public VerbsTest {
 protected:
  Cq create(int cqe, ibv_comp_channel* channel = nullptr, int vector = 0) {
    return Cq(ibv_create_cq(context.get(), cqe, nullptr, channel, vector));
  }
};

TEST_F(CqTest, HoldAtLeastWhatWasAsked) {
  for (const int cqe : {1, 2, 3, 100, 1000, attributes().max_cqe}) {
    const Cq cq = create(cqe);
    ASSERT_TRUE(cq) << cqe;
    EXPECT_GE(cq->cqe, cqe);
  }
}

TEST_F(CqTest, RefuseTooManyEntries) {
  EXPECT_FALSE(create(attributes().max_cqe + 1));
  EXPECT_EQ(errno, EINVAL);
  EXPECT_FALSE(create(-1));
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CqTest, RefuseAVectorThatIsNotThere) {
  EXPECT_TRUE(create(16, nullptr, context->num_comp_vectors - 1));
  EXPECT_FALSE(create(16, nullptr, context->num_comp_vectors));
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(CqTest, RunOutAtTheLimitAndComeBack) {
  for (int round = 0; round < 2; ++round) {
    std::vector<Cq> cqs;
    while (ibv_cq* more = ibv_create_cq(context.get(), 16, nullptr, nullptr, 0))
      cqs.emplace_back(more);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(static_cast<int>(cqs.size()), attributes().max_cq);
  }
}

TEST_F(CqTest, CannotGoWhileAQueuePairUsesThem) {
  Endpoint endpoint(context.get(), pd.get());
  EXPECT_EQ(ibv_destroy_cq(endpoint.send_cq()), EBUSY);
  EXPECT_EQ(ibv_destroy_cq(endpoint.recv_cq()), EBUSY);
}

TEST_F(CqTest, CannotBeArmedForSolicitedOnly) {
  Channel channel(ibv_create_comp_channel(context.get()));
  ASSERT_TRUE(channel);
  const Cq cq = create(16, channel.get());
  ASSERT_TRUE(cq);
  EXPECT_NE(ibv_req_notify_cq(cq.get(), 1), 0);
  EXPECT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
}

/// One endpoint that sends to itself and has its receive completions reported on a channel.
class CqEventTest : public VerbsTest {
 protected:
  Channel channel{ibv_create_comp_channel(context.get())};
  Endpoint self{context.get(), pd.get(), {}, channel.get()};
  Destination to_self = self.from(self);

  void TearDown() override { settle(); }

  void arm() { ASSERT_EQ(ibv_req_notify_cq(self.recv_cq(), 0), 0); }
  /// Sends a message to the endpoint itself. When it returns, the receive completion is there.
  void receive_one(std::uint64_t id = 1) {
    ASSERT_EQ(self.post_receive(id, {{0, 64}}), 0);
    ASSERT_EQ(self.post_send(id, to_self, {{4096, 64}}), 0);
    EXPECT_SUCCESS(self.next_sent(), id);
  }
  static bool readable(ibv_comp_channel* channel, std::chrono::milliseconds wait) {
    pollfd entry{channel->fd, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(wait.count())) == 1;
  }
  /// Waits for an event; returns the CQ it names, after acknowledging it.
  static ibv_cq* next_event(ibv_comp_channel* channel) {
    if (!readable(channel, kPatience)) {
      ADD_FAILURE() << "no completion event";
      return nullptr;
    }
    ibv_cq* cq = nullptr;
    void* user = nullptr;
    EXPECT_EQ(ibv_get_cq_event(channel, &cq, &user), 0);
    if (cq != nullptr) ibv_ack_cq_events(cq, 1);
    return cq;
  }
  void expect_event() { EXPECT_EQ(next_event(channel.get()), self.recv_cq()); }
  int drain() {
    ibv_wc wc;
    int count = 0;
    while (ibv_poll_cq(self.recv_cq(), 1, &wc) == 1) ++count;
    return count;
  }
  /// Leaves nothing behind that would surprise the destructors.
  void settle() {
    while (readable(channel.get(), std::chrono::milliseconds(0))) expect_event();
  }
};

TEST_F(CqEventTest, ComesForACompletionAfterArming) {
  arm();
  receive_one();
  expect_event();
  EXPECT_EQ(drain(), 1);
}

TEST_F(CqEventTest, ComesForACompletionBeforeArming) {
  receive_one();
  arm();
  expect_event();
  EXPECT_EQ(drain(), 1);
}

// Doorbells in shared memory may be seen late, so one event too many is legal; a stream is not.
TEST_F(CqEventTest, ComesAtMostOnceWithoutArmingAgain) {
  arm();
  receive_one();
  expect_event();
  drain();
  for (int i = 0; i < 20; ++i) receive_one();
  EXPECT_EQ(drain(), 20);
  int events = 0;
  while (readable(channel.get(), std::chrono::milliseconds(0))) {
    expect_event();
    ++events;
  }
  EXPECT_LE(events, 1);
}

TEST_F(CqEventTest, SurvivesPollingBetweenArmingAndCompleting) {
  for (int round = 0; round < 2000; ++round) {
    receive_one();  // so that the poll below returns one and stores an unarmed doorbell word
    arm();
    drain();
    receive_one();
    expect_event();
    drain();
  }
}

TEST_F(CqEventTest, ComesInEveryRoundOfArmPollWait) {
  for (int round = 0; round < 3000; ++round) {
    arm();
    EXPECT_EQ(drain(), 0);
    receive_one();
    expect_event();
    EXPECT_EQ(drain(), 1);
  }
}

TEST_F(CqEventTest, ComesWhenArmingRacesWithCompleting) {
  std::atomic<int> asked{0};
  std::thread sender([&] {
    for (int done = 0; done < 2000; ++done) {
      wait_until([&] { return asked.load() > done; });
      receive_one();
    }
  });
  for (int round = 0; round < 2000; ++round) {
    asked.store(round + 1);
    if (round % 3 != 0) ::sched_yield();
    arm();
    expect_event();
    EXPECT_TRUE(wait_until([&] { return drain() == 1; })) << "round " << round;
  }
  sender.join();
}

TEST_F(CqEventTest, UnreadDoesNotHoldUpDestroyingTheQueue) {
  Channel own(ibv_create_comp_channel(context.get()));
  {
    Endpoint endpoint(context.get(), pd.get(), {}, own.get());
    const Destination to = endpoint.from(endpoint);
    ASSERT_EQ(ibv_req_notify_cq(endpoint.recv_cq(), 0), 0);
    ASSERT_EQ(endpoint.post_receive(1, {{0, 64}}), 0);
    ASSERT_EQ(endpoint.post_send(1, to, {{4096, 64}}), 0);
    EXPECT_SUCCESS(endpoint.next_sent(), 1u);
    EXPECT_TRUE(readable(own.get(), kPatience));
  }
  EXPECT_FALSE(readable(own.get(), std::chrono::milliseconds(0)));
}

TEST_F(CqEventTest, NamesItsQueueWhenTwoShareAChannel) {
  Endpoint second(context.get(), pd.get(), {}, channel.get());
  const Destination to_second = second.from(second);
  const auto receive_on_second = [&] {
    ASSERT_EQ(ibv_req_notify_cq(second.recv_cq(), 0), 0);
    ASSERT_EQ(second.post_receive(1, {{0, 64}}), 0);
    ASSERT_EQ(second.post_send(1, to_second, {{4096, 64}}), 0);
    EXPECT_SUCCESS(second.next_sent(), 1u);
  };
  arm();
  receive_one();
  expect_event();
  receive_on_second();
  EXPECT_EQ(next_event(channel.get()), second.recv_cq());
}

TEST_F(CqEventTest, OfAnotherQueueStaysWhenAQueueIsDestroyed) {
  {
    Endpoint second(context.get(), pd.get(), {}, channel.get());
    const Destination to_second = second.from(second);
    ASSERT_EQ(ibv_req_notify_cq(second.recv_cq(), 0), 0);
    ASSERT_EQ(second.post_receive(1, {{0, 64}}), 0);
    ASSERT_EQ(second.post_send(1, to_second, {{4096, 64}}), 0);
    EXPECT_SUCCESS(second.next_sent(), 1u);
    EXPECT_TRUE(readable(channel.get(), kPatience));
    arm();
    receive_one();
  }
  expect_event();  // the one event left is that of the queue that lives
  EXPECT_FALSE(readable(channel.get(), std::chrono::milliseconds(0)));
}

TEST_F(CqEventTest, IsNotWaitedForOnANonBlockingChannel) {
  ASSERT_EQ(::fcntl(channel->fd, F_SETFL, O_NONBLOCK), 0);
  ibv_cq* cq = nullptr;
  void* user = nullptr;
  EXPECT_NE(ibv_get_cq_event(channel.get(), &cq, &user), 0);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(CqEventTest, WakesAThreadThatSleepsInTheChannel) {
  constexpr int kMessages = 200;
  std::atomic<int> received{0};
  arm();
  std::thread sleeper([&] {
    while (received.load() < kMessages) {
      ibv_cq* cq = nullptr;
      void* user = nullptr;
      EXPECT_EQ(ibv_get_cq_event(channel.get(), &cq, &user), 0);
      ibv_ack_cq_events(cq, 1);
      EXPECT_EQ(ibv_req_notify_cq(cq, 0), 0);
      received += drain();
    }
  });
  for (int message = 0; message < kMessages; ++message) {
    receive_one();
    ASSERT_TRUE(wait_until([&] { return received.load() > message; })) << message;
  }
  sleeper.join();
}

}  // namespace
}  // namespace efa::verbs_test
