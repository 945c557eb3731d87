// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which receive gets a message, and what its completion says (spec efa-rdm-protocol 13).
#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

class Matching : public ::testing::Test {
 protected:
  explicit Matching(const Settings& settings = {}) : nodes_(world.pair(settings)) {}

  void send(std::size_t length, std::uint64_t tag = 0, bool tagged = false,
            bool delivery_complete = false) {
    send_from(a, length, tag, tagged, delivery_complete);
  }
  void send_from(Node& from, std::size_t length, std::uint64_t tag = 0, bool tagged = false,
                 bool delivery_complete = false) {
    sources_.push_back(std::make_unique<Memory>(from, length));
    Message message;
    message.source = sources_.back()->fill(static_cast<std::uint32_t>(length)).buffers();
    message.tag = tag;
    message.tagged = tagged;
    message.delivery_complete = delivery_complete;
    message.context = sources_.back().get();
    ASSERT_EQ(world.post([&] { return from.engine().send(message); }), 0);
    ASSERT_TRUE(world.run());
  }

  int receive(const Memory& target, void* context, std::uint64_t flags = 0, std::uint64_t tag = 0,
              std::uint64_t ignore = 0, bool tagged = false, Source source = kAnySource) {
    ReceiveRequest request;
    request.destination = target.buffers();
    request.context = context;
    request.flags = flags;
    request.tag = tag;
    request.ignore = ignore;
    request.tagged = tagged;
    request.source = source;
    const int error = b.engine().receive(request);
    EXPECT_TRUE(world.run());
    return error;
  }
  int receive_tagged(const Memory& target, void* context, std::uint64_t flags, std::uint64_t tag) {
    return receive(target, context, flags, tag, 0, true);
  }

  // The one completion that there must be.
  Event received() {
    const std::vector<Event> events = read_all(b.rx);
    EXPECT_EQ(events.size(), 1U);
    return events.empty() ? Event{} : events[0];
  }

  World world;
  std::pair<Node*, Node*> nodes_;
  Node& a = *nodes_.first;
  Node& b = *nodes_.second;
  std::vector<std::unique_ptr<Memory>> sources_;
  char one_ = 0;
  char two_ = 0;
};

TEST_F(Matching, TakesTheFirstReceiveThatFits) {
  const Memory first(b, 10);
  const Memory second(b, 10);
  receive(first, &one_, 0, 0x10, 0x0f, true);
  receive_tagged(second, &two_, 0, 0x12);
  send(10, 0x12, true);
  EXPECT_EQ(received().context, &one_);
  send(10, 0x12, true);
  EXPECT_EQ(received().context, &two_);
  send(10, 0x12, false);  // untagged: another queue
  EXPECT_TRUE(b.rx.empty());
  receive(first, &one_);
  EXPECT_EQ(received().context, &one_);
  world.expect_clean();
}

TEST_F(Matching, OfDirectedReceivesLooksAtTheSender) {
  Node& c = world.add();
  c.connect(b);
  const Source source_of_c = b.connect(c);
  const Memory target(b, 10);
  receive(target, &one_, 0, 0, 0, false, source_of_c);
  receive(target, &two_, 0, 0, 0, false, 0);
  send_from(a, 10);
  EXPECT_EQ(received().context, &two_);
  send_from(a, 10);  // unexpected
  send_from(c, 10);
  const Event event = received();
  EXPECT_EQ(event.context, &one_);
  EXPECT_EQ(event.source, source_of_c);
  receive(target, &one_, 0, 0, 0, false, source_of_c);
  EXPECT_TRUE(b.rx.empty());
  receive(target, &two_, 0, 0, 0, false, 0);
  EXPECT_EQ(received().context, &two_);
  ASSERT_EQ(b.engine().cancel(&one_), 0);
  read_all(b.rx);
  world.expect_clean();
}

TEST_F(Matching, TruncatesAndSaysHowMuch) {
  // By each sub-protocol: eager, medium, LONGCTS, LONGREAD.
  for (const std::size_t length : {20U, 3000U, 9000U, 30000U})
    for (const bool delivery_complete : {false, true})
      for (const bool unexpected : {false, true}) {
        SCOPED_TRACE(length);
        const Memory target(b, 12);
        if (!unexpected) receive(target, &one_);
        send(length, 0, false, delivery_complete);
        if (unexpected) receive(target, &one_);
        const Event event = received();
        EXPECT_EQ(event.error, FI_ETRUNC);
        EXPECT_EQ(event.length, length);
        EXPECT_EQ(event.overflow, length - 12);
        const std::vector<std::byte> sent = sources_.back()->all();
        EXPECT_TRUE(std::equal(sent.begin(), sent.begin() + 12, target.all().begin()));
        const std::vector<Event> done = read_all(a.tx);
        ASSERT_EQ(done.size(), 1U);
        EXPECT_EQ(done[0].error, 0);
      }
  EXPECT_EQ(b.receives.errors, 16U);
  world.expect_clean();
}

TEST_F(Matching, IntoAReceiveOfNothingStillEnds) {
  const Memory nothing(b, 0);
  for (const std::size_t length : {0U, 5U, 3000U, 9000U, 30000U}) {
    receive(nothing, &one_);
    send(length);
    EXPECT_EQ(received().error, length == 0 ? 0 : FI_ETRUNC);
  }
  EXPECT_EQ(read_all(a.tx).size(), 5U);
  world.expect_clean();
}

// ---- FI_MULTI_RECV

TEST_F(Matching, OfAMultiReceiveFillsItAndGivesItBackOnce) {
  Memory target(b, 4000);
  receive(target, &one_, FI_MULTI_RECV);
  std::size_t at = 0;
  for (const std::size_t length : {100U, 0U, 1500U, 1400U, 300U}) {
    send(length);
    const Event event = received();
    EXPECT_EQ(event.context, &one_);
    EXPECT_EQ(event.length, length);
    EXPECT_EQ(event.buffer, target.piece(0) + at);
    const std::vector<std::byte> sent = sources_.back()->all();
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), target.piece(0) + at));
    at += length;
    // Less than settings.min_multi_recv is left: used up.
    EXPECT_EQ((event.flags & FI_MULTI_RECV) != 0, length == 300) << length;
  }
  EXPECT_EQ(b.engine().usage().posted, 0U);
  world.expect_clean();
}

TEST_F(Matching, OfAMultiReceiveTakesWaitingMessages) {
  for (int i = 0; i < 3; ++i) send(i == 1 ? 30000 : 1000);
  const Memory target(b, 33000);
  receive(target, &one_, FI_MULTI_RECV);
  const std::vector<Event> events = read_all(b.rx);
  ASSERT_EQ(events.size(), 3U);
  std::size_t given_back = 0;
  for (const Event& event : events) given_back += (event.flags & FI_MULTI_RECV) != 0 ? 1 : 0;
  EXPECT_EQ(given_back, 0U);  // 1000 bytes are left
  send(900);
  EXPECT_NE(received().flags & FI_MULTI_RECV, 0U);
  world.expect_clean();
}

// The last completion gives the buffer back, though a later message ended earlier.
TEST_F(Matching, OfAMultiReceiveGivesItBackWithTheLastCompletion) {
  const Memory target(b, 31000);
  receive(target, &one_, FI_MULTI_RECV);
  Memory big(a, 30000);
  Memory small(a, 900);
  for (const Memory* memory : {&big.fill(1), &small.fill(2)}) {
    Message message;
    message.source = memory->buffers();
    ASSERT_EQ(world.post([&] { return a.engine().send(message); }), 0);
  }
  ASSERT_TRUE(world.run());
  const std::vector<Event> events = read_all(b.rx);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].flags & FI_MULTI_RECV, 0U);
  EXPECT_NE(events[1].flags & FI_MULTI_RECV, 0U);
  world.expect_clean();
}

TEST_F(Matching, OfAMultiReceiveThatIsCancelledGivesItBack) {
  const Memory target(b, 4000);
  receive(target, &one_, FI_MULTI_RECV);
  send(100);
  EXPECT_EQ(received().flags & FI_MULTI_RECV, 0U);
  ASSERT_EQ(b.engine().cancel(&one_), 0);
  const Event event = received();
  EXPECT_EQ(event.error, FI_ECANCELED);
  EXPECT_NE(event.flags & FI_MULTI_RECV, 0U);
  world.expect_clean();
}

// ---- FI_PEEK, FI_CLAIM, FI_DISCARD

TEST_F(Matching, PeekTellsOfAMessageAndLeavesItThere) {
  const Memory none(b, 0);
  ASSERT_EQ(receive_tagged(none, &one_, FI_PEEK, 7), 0);
  Event event = received();
  EXPECT_EQ(event.error, FI_ENOMSG);
  EXPECT_EQ(event.context, &one_);
  send(3000, 7, true);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(receive_tagged(none, &one_, FI_PEEK, 7), 0);
    event = received();
    EXPECT_EQ(event.error, 0);
    EXPECT_EQ(event.length, 3000U);
    EXPECT_EQ(event.tag, 7U);
  }
  const Memory target(b, 3000);
  receive_tagged(target, &two_, 0, 7);
  EXPECT_EQ(received().context, &two_);
  EXPECT_EQ(target.all(), sources_[0]->all());
  world.expect_clean();
}

TEST_F(Matching, AClaimedMessageIsForItsContextOnly) {
  for (const std::size_t length : {10U, 3000U, 9000U, 30000U}) {
    send(length, 7, true);
    const Memory none(b, 0);
    ASSERT_EQ(receive_tagged(none, &one_, FI_PEEK | FI_CLAIM, 7), 0);
    EXPECT_EQ(received().length, length);
    const Memory target(b, length);
    EXPECT_EQ(receive_tagged(target, &two_, FI_CLAIM, 7), -FI_EINVAL);
    ASSERT_EQ(receive_tagged(target, &one_, FI_CLAIM, 7), 0);
    EXPECT_EQ(received().context, &one_);
    EXPECT_EQ(target.all(), sources_.back()->all());
  }
  EXPECT_EQ(read_all(a.tx).size(), 4U);
  world.expect_clean();
}

TEST_F(Matching, ADiscardedMessageEndsForItsSender) {
  const Memory none(b, 0);
  std::size_t count = 0;
  for (const std::size_t length : {10U, 3000U, 9000U, 30000U})
    for (const bool delivery_complete : {false, true})
      for (const bool claimed : {false, true}) {
        send(length, 7, true, delivery_complete);
        ASSERT_EQ(receive_tagged(none, &one_, FI_PEEK | (claimed ? FI_CLAIM : FI_DISCARD), 7), 0);
        if (claimed) {
          ASSERT_EQ(receive_tagged(none, &one_, FI_CLAIM | FI_DISCARD, 7), 0);
        }
        for (const Event& event : read_all(b.rx)) EXPECT_EQ(event.error, 0);
        EXPECT_EQ(read_all(a.tx).size(), 1U);
        ++count;
      }
  EXPECT_EQ(a.sends.value, count);
  world.expect_clean();
}

// ---- fi_cancel

TEST_F(Matching, ACancelledReceiveGetsNothing) {
  const Memory target(b, 10);
  receive(target, &one_);
  receive_tagged(target, &two_, 0, 5);
  EXPECT_EQ(b.engine().cancel(&world), -FI_ENOENT);
  for (void* context : {static_cast<void*>(&one_), static_cast<void*>(&two_)}) {
    ASSERT_EQ(b.engine().cancel(context), 0);
    const Event event = received();
    EXPECT_EQ(event.error, FI_ECANCELED);
    EXPECT_EQ(event.context, context);
    EXPECT_EQ(b.engine().cancel(context), -FI_ENOENT);
  }
  send(10);
  EXPECT_TRUE(b.rx.empty());
  receive(target, &one_);
  EXPECT_EQ(received().error, 0);
  world.expect_clean();
}

TEST_F(Matching, AReceiveThatHasItsMessageIsNotCancelled) {
  const Memory target(b, 9000);
  receive(target, &one_);
  Memory source(a, 9000);
  Message message;
  message.source = source.fill(1).buffers();
  ASSERT_EQ(a.engine().send(message), 0);
  ASSERT_TRUE(world.run_until([&] { return b.engine().usage().incoming == 1; }));
  EXPECT_EQ(b.engine().cancel(&one_), -FI_ENOENT);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(received().error, 0);
  EXPECT_EQ(target.all(), source.all());
}

// ---- Completions and counters

TEST_F(Matching, ReportsOnlyWhatIsAskedButCountsAll) {
  const Memory target(b, 40000);
  for (const std::size_t length : {10U, 3000U, 9000U, 30000U}) {
    Memory source(a, length);
    ReceiveRequest request;
    request.destination = target.buffers();
    request.reports = false;
    ASSERT_EQ(b.engine().receive(request), 0);
    Message message;
    message.source = source.buffers();
    message.reports = false;
    ASSERT_EQ(world.post([&] { return a.engine().send(message); }), 0);
    ASSERT_TRUE(world.run());
  }
  EXPECT_TRUE(a.tx.empty());
  EXPECT_TRUE(b.rx.empty());
  EXPECT_EQ(a.sends.value, 4U);
  EXPECT_EQ(b.receives.value, 4U);
  world.expect_clean();
}

Settings with_prefix() {
  Settings settings;
  settings.prefix = 40;
  return settings;
}

class MatchingWithPrefix : public Matching {
 protected:
  MatchingWithPrefix() : Matching(with_prefix()) {}
};

// FI_MSG_PREFIX: the caller has left it out of the buffers, completions count it.
TEST_F(MatchingWithPrefix, TheLengthOfAReceiveIncludesIt) {
  const Memory target(b, 3000);
  for (const std::size_t length : {10U, 3000U}) {
    receive(target, &one_);
    send(length);
    EXPECT_EQ(received().length, length + 40);
  }
}

// ---- Order of messages (FI_ORDER_SAS)

class MessageOrdering : public InEveryWeather {};

TEST_P(MessageOrdering, IsThatOfTheCallsWhateverTheProtocol) {
  const auto both = world.pair(GetParam().of({}));
  Node* const a = both.first;
  Node* const b = both.second;
  constexpr std::size_t kLengths[] = {10, 3000, 20000, 0, 9000, 500, 4000, 12};
  std::vector<std::unique_ptr<Memory>> sources;
  std::vector<std::unique_ptr<Memory>> targets;
  for (std::uint32_t i = 0; i < 32; ++i) {
    const std::size_t length = kLengths[i % 8];
    sources.push_back(std::make_unique<Memory>(*a, length));
    sources.back()->fill(i);
    Message message;
    message.source = sources.back()->buffers();
    message.delivery_complete = i % 3 == 0;
    ASSERT_EQ(world.post([&] { return a->engine().send(message); }), 0);
    if (i == 10) {
      ASSERT_TRUE(world.run());  // those before are unexpected
    }
    if (i < 8) continue;
    targets.push_back(std::make_unique<Memory>(*b, 20000));
    ReceiveRequest request;
    request.destination = targets.back()->buffers();
    request.context = targets.back().get();
    ASSERT_EQ(b->engine().receive(request), 0);
  }
  for (int i = 0; i < 8; ++i) {
    targets.push_back(std::make_unique<Memory>(*b, 20000));
    ReceiveRequest request;
    request.destination = targets.back()->buffers();
    ASSERT_EQ(b->engine().receive(request), 0);
  }
  ASSERT_TRUE(world.run());
  for (std::size_t i = 0; i < 32; ++i) {
    const std::vector<std::byte> sent = sources[i]->all();
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), targets[i]->all().begin())) << i;
  }
  EXPECT_EQ(read_all(b->rx).size(), 32U);
  EXPECT_EQ(read_all(a->tx).size(), 32U);
  world.expect_clean();
}

EFA_IN_EVERY_WEATHER(MessageOrdering);

}  // namespace
}  // namespace efa::rdm::sim
