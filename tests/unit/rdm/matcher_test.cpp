// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rdm/matcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace efa::rdm {
namespace {

struct Receive : PostedReceive {
  Receive(Source from, std::uint64_t wanted, std::uint64_t mask = 0, void* user = nullptr) {
    source = from;
    tag = wanted;
    ignore = mask;
    context = user;
  }
};

struct Message : UnexpectedMessage {
  Message(Source from, std::uint64_t its_tag) {
    source = from;
    tag = its_tag;
  }
};

class MatcherTest : public ::testing::Test {
 protected:
  std::unique_ptr<Matcher> matcher = std::make_unique<Matcher>();
};

TEST_F(MatcherTest, AnArrivalTakesTheFirstReceiveThatFits) {
  Receive other(1, 7), masked(kAnySource, 0, ~std::uint64_t{0}), exact(1, 5);
  matcher->post(other);
  matcher->post(masked);
  matcher->post(exact);
  EXPECT_EQ(matcher->find_receive(1, 5), &masked);
  matcher->remove(masked);
  EXPECT_EQ(matcher->find_receive(1, 5), &exact);
  EXPECT_EQ(matcher->find_receive(2, 5), nullptr);
}

TEST_F(MatcherTest, ASourceThatIsInNoAddressVectorOnlyMatchesAny) {
  Receive directed(3, 1), any(kAnySource, 1);
  matcher->post(directed);
  EXPECT_EQ(matcher->find_receive(kAnySource, 1), nullptr);
  matcher->post(any);
  EXPECT_EQ(matcher->find_receive(kAnySource, 1), &any);
  EXPECT_EQ(matcher->find_receive(3, 1), &directed);
}

TEST_F(MatcherTest, AMultiReceiveStaysUntilItIsRemoved) {
  Receive multi(kAnySource, 0), next(kAnySource, 0);
  matcher->post(multi);
  matcher->post(next);
  EXPECT_EQ(matcher->find_receive(1, 0), &multi);
  EXPECT_EQ(matcher->find_receive(1, 0), &multi);
  matcher->remove(multi);
  EXPECT_EQ(matcher->find_receive(1, 0), &next);
}

TEST_F(MatcherTest, AReceiveTakesTheFirstMessageThatFits) {
  Message first(1, 0x15), second(2, 0x25), third(2, 0x15);
  for (Message* message : {&first, &second, &third}) matcher->add(*message);
  EXPECT_EQ(matcher->find_message(kAnySource, 0x15, 0), &first);
  EXPECT_EQ(matcher->find_message(2, 0x15, 0), &third);
  EXPECT_EQ(matcher->find_message(2, 0x05, 0xf0), &second);
  EXPECT_EQ(matcher->find_message(3, 0, ~std::uint64_t{0}), nullptr);
  matcher->remove(first);
  EXPECT_EQ(matcher->find_message(kAnySource, 0x15, 0), &third);
}

TEST_F(MatcherTest, MessagesGetTheirSourceWhenThePeerBecomesKnown) {
  Message early(kAnySource, 1), late(kAnySource, 1);
  matcher->add(early);
  matcher->add(late);
  EXPECT_EQ(matcher->find_message(9, 1, 0), nullptr);
  matcher->name_source(9, [&](const UnexpectedMessage& message) { return &message == &late; });
  EXPECT_EQ(matcher->find_message(9, 1, 0), &late);
  EXPECT_EQ(matcher->find_message(kAnySource, 1, 0), &early);
}

TEST_F(MatcherTest, AReceiveIsFoundByItsContext) {
  int one = 0, two = 0;
  Receive first(1, 1, 0, &one), second(1, 1, 0xf, &two);
  matcher->post(first);
  matcher->post(second);
  EXPECT_EQ(matcher->find_context(&two), &second);
  matcher->remove(second);
  EXPECT_EQ(matcher->find_context(&two), nullptr);
}

// The same rules, said as plainly as possible.
template <class T, class Fits>
T* first_that(const std::deque<T*>& list, Fits fits) {
  const auto found = std::find_if(list.begin(), list.end(), [&](T* each) { return fits(*each); });
  return found == list.end() ? nullptr : *found;
}

TEST(MatcherProperty, RandomTrafficMatchesLikeTwoPlainLists) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](std::uint64_t below) { return random() % below; };
    const auto source = [&] { return pick(4) == 0 ? kAnySource : pick(3); };
    Matcher matcher;
    std::vector<std::unique_ptr<Receive>> receives;
    std::vector<std::unique_ptr<Message>> messages;
    std::deque<Receive*> posted;
    std::deque<Message*> waiting;
    for (int step = 0; step < 3000; ++step) {
      if (pick(2) == 0) {
        receives.push_back(
            std::make_unique<Receive>(source(), pick(8), pick(3) == 0 ? pick(8) : 0));
        Receive& receive = *receives.back();
        Message* wanted = first_that(waiting, [&](const Message& message) {
          return (receive.source == kAnySource || receive.source == message.source) &&
                 ((receive.tag ^ message.tag) & ~receive.ignore) == 0;
        });
        ASSERT_EQ(matcher.find_message(receive.source, receive.tag, receive.ignore), wanted)
            << "seed " << seed << " step " << step;
        if (wanted != nullptr) {
          matcher.remove(*wanted);
          std::erase(waiting, wanted);
        } else {
          matcher.post(receive);
          posted.push_back(&receive);
        }
      } else {
        messages.push_back(std::make_unique<Message>(source(), pick(8)));
        Message& message = *messages.back();
        Receive* wanted = first_that(posted, [&](const Receive& receive) {
          return (receive.source == kAnySource || receive.source == message.source) &&
                 ((receive.tag ^ message.tag) & ~receive.ignore) == 0;
        });
        ASSERT_EQ(matcher.find_receive(message.source, message.tag), wanted)
            << "seed " << seed << " step " << step;
        if (wanted != nullptr) {
          matcher.remove(*wanted);
          std::erase(posted, wanted);
        } else {
          matcher.add(message);
          waiting.push_back(&message);
        }
      }
    }
  }
}

}  // namespace
}  // namespace efa::rdm
