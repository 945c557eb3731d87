// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Messages by every sub-protocol (spec efa-rdm-protocol 11.1 - 11.6, 11.9), at every size border,
// between two engines.
#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

struct Shape {
  std::size_t length = 0;
  std::size_t pieces = 1;
  bool described = true;
  bool tagged = false;
  bool delivery_complete = false;
};

// One message with its receive.
struct Exchange {
  Exchange(Node& from, Node& to, const Shape& shape, std::uint32_t seed)
      : source(from, shape.length, shape.pieces, shape.described),
        target(to, shape.length, shape.pieces, shape.described) {
    source.fill(seed);
    message.peer = 0;
    message.source = source.buffers();
    message.context = this;
    message.tagged = shape.tagged;
    message.tag = shape.tagged ? 0x1000 + seed : 0;
    message.delivery_complete = shape.delivery_complete;
    request.destination = target.buffers();
    request.context = this;
    request.tagged = shape.tagged;
    request.tag = message.tag;
  }
  Memory source, target;
  Message message;
  ReceiveRequest request;
};

void expect_completions(Node& from, Node& to, std::vector<std::unique_ptr<Exchange>>& all) {
  const std::vector<Event> sent = read_all(from.tx);
  const std::vector<Event> received = read_all(to.rx);
  EXPECT_EQ(sent.size(), all.size());
  EXPECT_EQ(received.size(), all.size());
  for (const auto& exchange : all) {
    const auto is_it = [&](const Event& event) { return event.context == exchange.get(); };
    EXPECT_EQ(std::count_if(sent.begin(), sent.end(), is_it), 1);
    const auto at = std::find_if(received.begin(), received.end(), is_it);
    ASSERT_NE(at, received.end());
    EXPECT_EQ(at->error, 0) << at->text;
    EXPECT_EQ(at->length, exchange->message.source.length());
    EXPECT_EQ(at->tag, exchange->message.tag);
    EXPECT_EQ(at->source, 0U);
    EXPECT_EQ(exchange->source.all(), exchange->target.all());
  }
}

// Sends COUNT messages of this shape, of which each second one finds no receive.
void exchange(World& world, Node& from, Node& to, const Shape& shape, int count = 3) {
  SCOPED_TRACE("length " + std::to_string(shape.length) + ", pieces " +
               std::to_string(shape.pieces) + (shape.described ? ", described" : "") +
               (shape.tagged ? ", tagged" : "") + (shape.delivery_complete ? ", DC" : ""));
  std::vector<std::unique_ptr<Exchange>> all;
  for (int i = 0; i < count; ++i)
    all.push_back(std::make_unique<Exchange>(from, to, shape, static_cast<std::uint32_t>(i)));
  const auto receive = [&](int i) {
    ASSERT_EQ(world.post([&] { return to.engine().receive(all[i]->request); }), 0);
  };
  if (shape.tagged) {
    for (int i = 0; i < count; i += 2) receive(i);
  } else if (shape.length % 2 == 0) {
    for (int i = 0; i < count; ++i) receive(i);
  }
  for (int i = 0; i < count; ++i)
    ASSERT_EQ(world.post([&] { return from.engine().send(all[i]->message); }), 0);
  ASSERT_TRUE(world.run());
  if (shape.tagged) {
    for (int i = count - 1; i >= 0; --i)
      if (i % 2 != 0) receive(i);
  } else if (shape.length % 2 != 0) {
    for (int i = 0; i < count; ++i) receive(i);
  }
  ASSERT_TRUE(world.run());
  expect_completions(from, to, all);
}

class Messages : public InEveryWeather {
 protected:
  // Every length at which something changes for these settings.
  static std::vector<std::size_t> borders(const Settings& settings) {
    std::vector<std::size_t> lengths{0, 1, 7, 8, 32, 239, 240, 511};
    const std::size_t window = settings.cts_packets * (settings.mtu - 32);
    for (const std::size_t border :
         {settings.mtu - 48, settings.mtu - 12, settings.mtu - 20, settings.mtu,
          2 * (settings.mtu - 28), std::size_t{settings.max_medium}, settings.mtu - 28 + window,
          std::size_t{settings.min_read_message}})
      for (const std::size_t length : {border - 1, border, border + 1}) lengths.push_back(length);
    lengths.push_back(3 * window + 5);
    lengths.push_back(40001);
    return lengths;
  }

  void exchange_all(const Settings& one, const Settings& other) {
    const auto [a, b] = world.pair(GetParam().of(one), GetParam().of(other));
    std::size_t i = 0;
    for (const std::size_t length : borders(one)) {
      for (const bool tagged : {false, true})
        for (const bool delivery_complete : {false, true}) {
          const bool described = i % 2 == 0;
          const std::size_t pieces = length == 0 ? 1 : 1 + i / 2 % 4;
          exchange(world, *a, *b, {length, pieces, described, tagged, delivery_complete});
          ++i;
          if (HasFatalFailure()) return;
        }
    }
    EXPECT_EQ(a->sends.value, 3 * i);
    EXPECT_EQ(b->receives.value, 3 * i);
    world.expect_clean();
    EXPECT_TRUE(a->reports.empty() && b->reports.empty());
  }
};

TEST_P(Messages, ArriveByEagerMediumLongCtsAndLongRead) {
  exchange_all({}, {});
}

TEST_P(Messages, ArriveWithoutRdmaRead) {
  Settings settings;
  settings.rdma_read = false;
  exchange_all(settings, settings);
}

TEST_P(Messages, ArriveByRuntingReads) {
  Settings settings;
  settings.runt_size = 3000;
  exchange_all(settings, settings);
}

TEST_P(Messages, ArriveFromADeviceOfTheFirstGeneration) {
  Settings old;
  old.device = 0xefa0;
  exchange_all(old, {});
}

TEST_P(Messages, ArriveOverADeviceThatTakesOnePiece) {
  Settings settings;
  settings.max_sge = 1;
  settings.inline_size = 0;
  settings.max_medium = 1;
  exchange_all(settings, settings);
}

TEST_P(Messages, ArriveWhenTheReceiverCannotRead) {
  Settings cannot;
  cannot.runt_size = 2000;
  const auto [a, b] = world.pair(GetParam().of(cannot), GetParam().of(cannot));
  b->registrations_left = 0;
  std::size_t i = 0;
  for (const std::size_t length : {16384U, 16385U, 20000U, 40001U})
    for (const bool tagged : {false, true})
      for (const bool delivery_complete : {false, true}) {
        exchange(world, *a, *b, {length, 1 + i++ % 4, false, tagged, delivery_complete});
        if (HasFatalFailure()) return;
      }
  world.expect_clean();
  EXPECT_TRUE(b->reports.empty());
}

// What an engine takes before it begins is enough, for any number of messages (memory regions that
// others have used up: fi_efa_exhaust_mr_reg_rdm_pingpong of fabtests).
TEST_P(Messages, ArriveWhenNobodyCanRegister) {
  const auto [a, b] = world.pair(GetParam().of({}), GetParam().of({}));
  a->registrations_left = b->registrations_left = 0;
  for (const bool tagged : {false, true}) {
    exchange(world, *a, *b, {64, 1, false, tagged, false}, 300);  // more than there are packets
    for (const std::size_t length : {900U, 3000U, 40001U})
      exchange(world, *b, *a, {length, 1 + length % 3, false, tagged, length == 3000}, 40);
  }
  world.expect_clean();
}

TEST_P(Messages, OfBothDirectionsAtATime) {
  const auto both = world.pair(GetParam().of({}), GetParam().of({}));
  Node* const a = both.first;
  Node* const b = both.second;
  std::vector<std::unique_ptr<Exchange>> there;
  std::vector<std::unique_ptr<Exchange>> back;
  std::uint32_t seed = 0;
  for (const std::size_t length : {10U, 900U, 3000U, 9000U, 30000U, 4000U, 0U, 5U}) {
    const Shape shape{length, 1, true, false, length % 3 == 0};
    there.push_back(std::make_unique<Exchange>(*a, *b, shape, ++seed));
    back.push_back(std::make_unique<Exchange>(*b, *a, shape, ++seed));
    ASSERT_EQ(world.post([&] { return b->engine().receive(there.back()->request); }), 0);
    ASSERT_EQ(world.post([&] { return a->engine().receive(back.back()->request); }), 0);
    ASSERT_EQ(world.post([&] { return a->engine().send(there.back()->message); }), 0);
    ASSERT_EQ(world.post([&] { return b->engine().send(back.back()->message); }), 0);
  }
  ASSERT_TRUE(world.run());
  expect_completions(*a, *b, there);
  expect_completions(*b, *a, back);
  world.expect_clean();
}

TEST_P(Messages, ToOneself) {
  Node& node = world.add(GetParam().of({}));
  node.connect(node);
  for (const std::size_t length : {0U, 5U, 900U, 4000U, 9000U, 30000U})
    for (const bool delivery_complete : {false, true})
      exchange(world, node, node, {length, 1, true, true, delivery_complete});
  world.expect_clean();
}

// The application may use the memory of an injected message at once.
TEST_P(Messages, InjectedAreCopied) {
  const auto both = world.pair(GetParam().of({}));
  Node* const a = both.first;
  Node* const b = both.second;
  for (const std::size_t length : {0U, 1U, 31U, 200U, 400U, 800U}) {
    Exchange one(*a, *b, {length, 1, true, true, false}, 3);
    one.message.inject = true;
    one.message.delivery_complete = true;  // means nothing here
    one.message.reports = false;
    const std::vector<std::byte> data = one.source.all();
    ASSERT_EQ(b->engine().receive(one.request), 0);
    ASSERT_EQ(world.post([&] { return a->engine().send(one.message); }), 0);
    one.source.overwrite();
    ASSERT_TRUE(world.run());
    EXPECT_EQ(one.target.all(), data);
    EXPECT_TRUE(read_all(a->tx).empty());
    EXPECT_EQ(read_all(b->rx).size(), 1U);
  }
  world.expect_clean();
}

TEST_P(Messages, BringCqData) {
  const auto both = world.pair(GetParam().of({}));
  Node* const a = both.first;
  Node* const b = both.second;
  for (const std::size_t length : {0U, 5U, 965U, 970U, 980U, 4000U, 9000U, 30000U})
    for (const bool delivery_complete : {false, true}) {
      SCOPED_TRACE(length);
      Exchange one(*a, *b, {length, 1, true, true, delivery_complete}, 3);
      one.message.has_cq_data = true;
      one.message.cq_data = 0x1122334455667788;
      ASSERT_EQ(b->engine().receive(one.request), 0);
      ASSERT_EQ(world.post([&] { return a->engine().send(one.message); }), 0);
      ASSERT_TRUE(world.run());
      const std::vector<Event> events = read_all(b->rx);
      ASSERT_EQ(events.size(), 1U);
      EXPECT_EQ(events[0].flags, FI_RECV | FI_TAGGED | FI_REMOTE_CQ_DATA);
      EXPECT_EQ(events[0].data, 0x1122334455667788U);
      EXPECT_EQ(one.target.all(), one.source.all());
    }
  world.expect_clean();
}

EFA_IN_EVERY_WEATHER(Messages);

// A close of both endpoints frees all that engines hold.
TEST(MessagesAtTheEnd, LeaveNoRegistrationAndNoAddressHandle) {
  World world;
  const auto [a, b] = world.pair();
  const Memory source(*a, 100000, 2, false);
  Message message;
  message.source = source.buffers();
  ASSERT_EQ(a->engine().send(message), 0);  // nobody will receive it
  ASSERT_TRUE(world.run());
  EXPECT_EQ(a->engine().usage().outgoing, 1U);
  world.expect_nothing_left(0);
  EXPECT_EQ(a->handle_users(), 1U);  // the test's own
  EXPECT_EQ(b->handle_users(), 1U);
}

}  // namespace
}  // namespace efa::rdm::sim
