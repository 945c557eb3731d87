// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Peers that come, go, come back, and do not answer (spec efa-rdm-protocol 8, 12, 14, 19).
#include <deque>
#include <utility>

#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

class PeersOf : public ::testing::Test {
 protected:
  int send(Node& from, const Memory& source, Source to = 0, bool delivery_complete = false) {
    Message message;
    message.peer = to;
    message.source = source.buffers();
    message.delivery_complete = delivery_complete;
    message.context = &from;
    return world.post([&] { return from.engine().send(message); });
  }
  static int receive(Node& at, const Memory& target, Source from = kAnySource) {
    ReceiveRequest request;
    request.source = from;
    request.destination = target.buffers();
    request.context = &at;
    return at.engine().receive(request);
  }
  World world;
};

TEST_F(PeersOf, TheAddressVectorSendAndOthersAreRefused) {
  Node& a = world.add();
  const Memory source(a, 10);
  EXPECT_EQ(send(a, source), -FI_EINVAL);
  EXPECT_EQ(send(a, source, 1000000), -FI_EINVAL);
}

// A sender in no address vector: its messages go to receives from anybody; those that name it get
// them once it is inserted, in their order.
TEST_F(PeersOf, NoAddressVectorAreKnownWhenTheyAreInserted) {
  Node& a = world.add();
  Node& b = world.add();
  a.connect(b);
  Memory sources[3] = {Memory(a, 10), Memory(a, 3000), Memory(a, 30000)};
  Memory targets[3] = {Memory(b, 10), Memory(b, 3000), Memory(b, 30000)};
  const Memory any(b, 10);
  ASSERT_EQ(receive(b, any), 0);
  ASSERT_EQ(send(a, sources[0].fill(9)), 0);
  ASSERT_TRUE(world.run());
  std::vector<Event> events = read_all(b.rx);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].source, kAnySource);
  for (Memory& target : targets) ASSERT_EQ(receive(b, target, 0), 0);
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_EQ(send(a, sources[i].fill(i)), 0);
  ASSERT_TRUE(world.run());
  EXPECT_TRUE(b.rx.empty());
  EXPECT_EQ(b.handle_users(), 1U);  // the engine's
  b.connect(a);
  EXPECT_EQ(b.handle_users(), 1U);  // the address vector's
  ASSERT_TRUE(world.run());
  events = read_all(b.rx);
  ASSERT_EQ(events.size(), 3U);
  for (const Event& event : events) EXPECT_EQ(event.source, 0U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(targets[i].all(), sources[i].all());
  EXPECT_EQ(read_all(a.tx).size(), 4U);
  world.expect_clean();
}

TEST_F(PeersOf, NoAddressVectorAreForgottenBeyondTheLimit) {
  Settings settings;
  settings.max_implicit_peers = 2;
  Node& b = world.add(settings);
  std::vector<std::unique_ptr<Memory>> sources;
  for (int i = 0; i < 6; ++i) {
    Node& a = world.add();
    a.connect(b);
    sources.push_back(std::make_unique<Memory>(a, 10));
    ASSERT_EQ(send(a, *sources.back()), 0);
    ASSERT_TRUE(world.run());
    EXPECT_EQ(b.handle_users(), std::min<std::size_t>(i + 1U, 2U));
  }
  EXPECT_EQ(b.engine().usage().incoming, 2U);
  b.close();
  EXPECT_EQ(b.handle_users(), 0U);
  EXPECT_EQ(world.network.violations, std::vector<std::string>());
}

TEST_F(PeersOf, NoAddressVectorWithoutAnAddressHandleAreToldOfAndDropped) {
  Node& a = world.add();
  Node& b = world.add();
  a.connect(b);
  b.handles_left = 0;
  const Memory source(a, 10);
  ASSERT_EQ(send(a, source), 0);
  ASSERT_TRUE(world.run());
  ASSERT_EQ(b.reports.size(), 1U);
  EXPECT_EQ(b.reports[0].provider_errno, 4110);
  EXPECT_NE(b.reports[0].text.find("address handle"), std::string::npos);
}

// The QP number of a closed endpoint belongs to another one soon (section 8, step 4).
TEST_F(PeersOf, AReusedQueuePairNumberAreToldApartByTheirConnid) {
  Settings settings;
  Node& b = world.add();
  const auto start = [&]() -> Node& {
    settings.gid = Gid{0xfe, 0x80, 1};
    settings.qpn = 77;
    Node& a = world.add(settings);
    a.connect(b);
    return a;
  };
  for (int i = 0; i < 3; ++i) {
    Node& a = start();
    const Source source = b.connect(a);
    Memory data(a, 3000);
    const Memory target(b, 3000);
    for (int j = 0; j < 3; ++j) {
      ASSERT_EQ(receive(b, target, source), 0);
      ASSERT_EQ(send(a, data.fill(static_cast<std::uint32_t>(i + j)), 0, true), 0);
      ASSERT_TRUE(world.run());
      const std::vector<Event> events = read_all(b.rx);
      ASSERT_EQ(events.size(), 1U);
      EXPECT_EQ(events[0].source, source);
      EXPECT_EQ(target.all(), data.all());
    }
    EXPECT_EQ(read_all(a.tx).size(), 3U);
    a.close();
    world.nodes.pop_back();
  }
  // To one that is gone: its number is somebody else's.
  start();
  const Memory source(b, 10);
  ASSERT_EQ(send(b, source, 0), 0);
  ASSERT_TRUE(world.run());
  const std::vector<Event> events = read_all(b.tx);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_NE(events[0].error, 0);
}

TEST_F(PeersOf, TheAddressVectorMayGoWithOperationsInFlight) {
  for (const std::size_t length : {10U, 3000U, 9000U, 30000U})
    for (std::size_t steps = 0; steps < 40; steps += 3)
      for (const bool receiver : {false, true}) {
        SCOPED_TRACE(std::to_string(length) + " after " + std::to_string(steps));
        World here;
        const auto [a, b] = here.pair();
        Memory source(*a, length, 2, false);
        const Memory target(*b, length, 2, false);
        ASSERT_EQ(receive(*b, target), 0);
        Message message;
        message.source = source.buffers();
        message.delivery_complete = steps % 2 == 0;
        ASSERT_EQ(a->engine().send(message), 0);
        for (std::size_t i = 0; i < steps; ++i) {
          a->engine().progress();
          b->engine().progress();
          here.network.step();
        }
        (receiver ? b : a)->disconnect(0);
        ASSERT_TRUE(here.run());
        const Usage usage = (receiver ? b : a)->engine().usage();
        EXPECT_EQ(usage.outgoing + usage.incoming + usage.requests + usage.packets, 0U);
        here.expect_nothing_left(0);
      }
}

TEST_F(PeersOf, TheAddressVectorMayComeBackWithAnotherHandle) {
  const auto both = world.pair();
  Node* const a = both.first;
  Node* const b = both.second;
  Node& c = world.add();
  Memory source(*a, 3000);
  const Memory target(*b, 3000);
  const auto exchange = [&](std::uint32_t seed) {
    ASSERT_EQ(receive(*b, target), 0);
    ASSERT_EQ(send(*a, source.fill(seed), 0, true), 0);
    ASSERT_TRUE(world.run());
    EXPECT_EQ(target.all(), source.all());
    EXPECT_EQ(read_all(b->rx).size(), 1U);
  };
  exchange(1);
  b->disconnect(0);
  b->connect(c);  // takes the handle's number
  b->connect(*a);
  exchange(2);
  world.expect_clean();
}

// ---- Peers that do not answer

TEST_F(PeersOf, ADeadHostAreToldWithACauseAndACure) {
  struct Case {
    std::uint32_t status;
    bool established;
    int error, code;
    const char* words;
  };
  for (const Case& expected :
       {Case{kUnresponsive, true, FI_ECONNABORTED, 4124, "does not respond any more"},
        Case{kUnresponsive, false, FI_ECONNABORTED, 4126, "never answered"},
        Case{kUnreachable, true, FI_EHOSTUNREACH, 15, "security groups"},
        Case{kBadQpn, true, FI_ENOTCONN, 9, "has closed it"}}) {
    World here;
    const auto [a, b] = here.pair();
    const Memory source(*a, 20);
    const Memory big(*a, 9000);
    const Memory target(*b, 20);
    Message message;
    message.source = source.buffers();
    if (expected.established) {
      ASSERT_EQ(receive(*b, target), 0);
      ASSERT_EQ(a->engine().send(message), 0);
      ASSERT_TRUE(here.run());
      read_all(a->tx);
    }
    b->silent = expected.status;
    ASSERT_EQ(a->engine().send(message), 0);
    message.source = big.buffers();
    ASSERT_EQ(a->engine().send(message), 0);
    ASSERT_TRUE(here.run());
    const std::vector<Event> events = read_all(a->tx);
    ASSERT_EQ(events.size(), 2U);
    for (const Event& event : events) {
      EXPECT_EQ(event.error, expected.error);
      EXPECT_EQ(event.code, expected.code);
      EXPECT_NE(event.text.find(expected.words), std::string::npos) << event.text;
      EXPECT_NE(event.text.find(name_of(b->address())), std::string::npos) << event.text;
    }
    EXPECT_EQ(a->sends.errors, 2U);
    EXPECT_EQ(a->engine().usage().outgoing, 0U);
  }
}

TEST_F(PeersOf, NoReceivesAreWaitedForWithPausesThatDouble) {
  const auto [a, b] = world.pair();
  const std::deque<Posted> receives = std::exchange(b->posted, {});
  const Memory source(*a, 20);
  const Memory target(*b, 20);
  Message message;
  message.source = source.buffers();
  ASSERT_EQ(a->engine().send(message), 0);
  std::uint64_t last = 0;
  std::vector<std::uint64_t> pauses;
  for (int i = 0; i < 6; ++i) {  // every try
    while (world.network.flying() == 0) {
      a->engine().progress();
      world.network.clock += 5;
    }
    if (last != 0) pauses.push_back(world.network.clock - last);
    last = world.network.clock;
    while (world.network.step()) {
    }
    a->engine().progress();
    if (i > 0) {
      EXPECT_EQ(a->engine().send(message), -FI_EAGAIN) << i;
    }
  }
  for (std::size_t i = 2; i < pauses.size(); ++i) EXPECT_GT(pauses[i], pauses[i - 1]);
  EXPECT_NE(a->engine().dump().find("backing off"), std::string::npos);
  b->posted = receives;
  ASSERT_EQ(receive(*b, target), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(read_all(a->tx).size(), 1U);
  EXPECT_EQ(a->engine().send(message), 0);
  ASSERT_EQ(receive(*b, target), 0);
  ASSERT_TRUE(world.run());
  world.expect_clean();
}

TEST_F(PeersOf, NoReceivesAreAnErrorWithoutResourceManagement) {
  Settings settings;
  settings.retries = false;
  const auto [a, b] = world.pair(settings);
  const Memory source(*a, 20);
  Message message;
  message.source = source.buffers();
  b->posted.clear();
  ASSERT_EQ(a->engine().send(message), 0);
  while (world.network.step()) {
  }
  a->engine().progress();
  const std::vector<Event> events = read_all(a->tx);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].error, FI_ENORX);
  EXPECT_EQ(events[0].code, 10);
}

// ---- For a user whose job hangs

TEST_F(PeersOf, AStuckJobAreInTheDump) {
  const auto [a, b] = world.pair();
  const Memory source(*a, 9000);
  ASSERT_EQ(send(*a, source), 0);
  ASSERT_TRUE(world.run());
  const std::string sender = a->engine().dump();
  EXPECT_NE(sender.find("peer " + name_of(b->address())), std::string::npos) << sender;
  EXPECT_NE(sender.find("packet type 68, 9000 bytes"), std::string::npos) << sender;
  const std::string receiver = b->engine().dump();
  EXPECT_NE(receiver.find("no receive is posted for it"), std::string::npos) << receiver;
  const Memory target(*b, 9000);
  ASSERT_EQ(receive(*b, target), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(a->engine().dump().find("peer"), std::string::npos);
}

// A close waits for what peers are owed, and says so when that does not come.
TEST_F(PeersOf, AnAnswerAreWaitedForByAClose) {
  const auto [a, b] = world.pair();
  const Memory source(*a, 20);
  const Memory target(*b, 20);
  ASSERT_EQ(receive(*b, target), 0);
  Message message;
  message.source = source.buffers();
  message.delivery_complete = true;
  ASSERT_EQ(a->engine().send(message), 0);
  while (b->engine().usage().owed == 0) {
    a->engine().progress();
    b->engine().progress();
    world.network.step();
  }
  b->engine().flush(1000);
  ASSERT_EQ(b->warnings.size(), 1U);
  EXPECT_NE(b->warnings[0].find("1 answers"), std::string::npos);
  ASSERT_TRUE(world.run());
  b->engine().flush(1000);
  EXPECT_EQ(b->warnings.size(), 1U);
}

}  // namespace
}  // namespace efa::rdm::sim
