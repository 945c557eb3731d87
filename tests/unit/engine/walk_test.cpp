// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random walks: two engines, any operations in any order, against a model that says what each one
// must bring: every operation completes exactly once, with the right data, messages in the order of
// their calls.
#include <algorithm>
#include <deque>
#include <set>

#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

struct Sent {
  std::vector<std::byte> data;
  std::uint64_t tag = 0;
};

struct Pending {
  std::unique_ptr<Memory> memory;
  std::unique_ptr<Memory> other;  // of the peer, for RMA
  bool done = false;
};

constexpr std::size_t kLengths[] = {0,    1,    8,    500,  900,  952,   976,   984,   1000,
                                    2000, 4096, 4097, 5000, 8192, 16383, 16384, 20000, 33000};
constexpr std::size_t kLongest = 33000;

class Walk {
 public:
  explicit Walk(std::uint32_t seed) : random_(seed), world_(seed) {
    Settings one = settings();
    Settings other = settings();
    other.mtu = one.mtu;
    std::tie(a_, b_) = world_.pair(one, other);
    world_.network.reorders = random_() % 2 == 0;
    world_.network.rnr_percent = random_() % 3 == 0 ? 15 : 0;
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) act();
    // Everything that was sent is received in the end.
    for (const bool tagged : {false, true})
      for (const bool forth : {false, true})
        while (receives_[tagged][forth] < sends_[tagged][forth] &&
               !::testing::Test::HasFatalFailure())
          receive(forth, tagged);
    ASSERT_TRUE(world_.run());
    check();
    cancel_rest();
    EXPECT_EQ(open_, 0U);
    world_.expect_clean();
    EXPECT_TRUE(a_->reports.empty() && b_->reports.empty());
  }

 private:
  Settings settings() {
    Settings settings;
    if (random_() % 2 == 0) settings.tx_depth = settings.rx_depth = 10;
    settings.rdma_read = random_() % 3 != 0;
    settings.rdma_write = random_() % 3 != 0;
    if (random_() % 2 == 0) settings.runt_size = 4000;
    if (random_() % 4 == 0) settings.max_sge = 1;
    settings.cts_packets = 1 + random_() % 6;
    return settings;
  }

  void act() {
    const bool forth = random_() % 2 == 0;
    switch (random_() % 8) {
      case 0:
      case 1:
        return send(forth, random_() % 2 == 0);
      case 2:
      case 3:
        return receive(forth, random_() % 2 == 0);
      case 4:
        return access(forth, random_() % 2 == 0);
      default:
        world_.turn();
        check();
    }
  }

  Node& from(bool forth) { return forth ? *a_ : *b_; }
  Node& to(bool forth) { return forth ? *b_ : *a_; }
  bool coin() { return random_() % 2 == 0; }
  Pending* track() {
    pending_.push_back(std::make_unique<Pending>());
    ++open_;
    return pending_.back().get();
  }
  std::unique_ptr<Memory> memory(Node& node, std::size_t length, bool described) {
    return std::make_unique<Memory>(node, length, length == 0 ? 1 : 1 + random_() % 4, described);
  }

  void send(bool forth, bool tagged) {
    Pending* op = track();
    op->memory = memory(from(forth), kLengths[random_() % 18], coin());
    op->memory->fill(random_() % 1000);
    Message message;
    message.source = op->memory->buffers();
    message.tagged = tagged;
    message.tag = tagged ? 3 : 0;
    message.delivery_complete = coin();
    message.context = op;
    message.more = random_() % 4 == 0;
    ASSERT_EQ(world_.post([&] { return from(forth).engine().send(message); }), 0);
    model_[tagged][forth].push_back({op->memory->all(), message.tag});
    ++sends_[tagged][forth];
  }

  void receive(bool forth, bool tagged) {
    Pending* op = track();
    op->memory = memory(to(forth), kLongest, coin());
    ReceiveRequest request;
    request.destination = op->memory->buffers();
    request.tagged = tagged;
    request.tag = tagged ? 3 : 0;
    request.context = op;
    request.source = coin() ? 0 : kAnySource;
    ASSERT_EQ(to(forth).engine().receive(request), 0);
    posted_[tagged][forth].push_back(op);
    ++receives_[tagged][forth];
  }

  void access(bool forth, bool writes) {
    Pending* op = track();
    const std::size_t length = kLengths[1 + random_() % 17];
    op->memory = memory(from(forth), length, coin());
    op->other = memory(to(forth), length, true);
    (writes ? op->memory : op->other)->fill(random_() % 1000);
    Rma request;
    request.local = op->memory->buffers();
    request.remote = op->other->remote();
    request.delivery_complete = coin();
    request.context = op;
    ASSERT_EQ(world_.post([&] {
      return writes ? from(forth).engine().write(request) : from(forth).engine().read(request);
    }),
              0);
    certain_.insert({op, !writes || request.delivery_complete});
  }

  void end(const Event& event) {
    auto* op = static_cast<Pending*>(event.context);
    ASSERT_EQ(event.error, 0) << event.text;
    ASSERT_FALSE(op->done);
    op->done = true;
    --open_;
  }

  // A receive that ends is compared with the message of its number.
  void end_receive(const Event& event, bool forth) {
    const bool tagged = (event.flags & FI_TAGGED) != 0;
    end(event);
    auto& order = posted_[tagged][forth];
    const auto at = std::find(order.begin(), order.end(), event.context);
    ASSERT_NE(at, order.end());
    const Sent& sent = model_[tagged][forth].at(static_cast<std::size_t>(at - order.begin()));
    ASSERT_EQ(event.length, sent.data.size());
    EXPECT_EQ(event.tag, sent.tag);
    const std::vector<std::byte> there = (*at)->memory->all();
    EXPECT_TRUE(std::equal(sent.data.begin(), sent.data.end(), there.begin()));
  }

  void check() {
    for (const bool forth : {false, true}) {
      for (const Event& event : read_all(from(forth).tx)) {
        end(event);
        const auto* op = static_cast<const Pending*>(event.context);
        const auto known = certain_.find(op);
        if (op->other && known != certain_.end() && known->second) {
          EXPECT_EQ(op->memory->all(), op->other->all());
        }
      }
      for (const Event& event : read_all(to(forth).rx)) end_receive(event, forth);
    }
  }

  // Receives that got no message.
  void cancel_rest() {
    for (const bool forth : {false, true})
      for (const bool tagged : {false, true})
        for (Pending* op : posted_[tagged][forth])
          if (!op->done) {
            EXPECT_EQ(to(forth).engine().cancel(op), 0);
            --open_;
          }
    for (const auto& [op, certain] : certain_) EXPECT_EQ(op->memory->all(), op->other->all());
  }

  std::minstd_rand random_;
  World world_;
  Node* a_ = nullptr;
  Node* b_ = nullptr;
  std::vector<std::unique_ptr<Pending>> pending_;
  std::size_t open_ = 0;
  // By tagged, and direction.
  std::vector<Sent> model_[2][2];
  std::vector<Pending*> posted_[2][2];
  std::size_t sends_[2][2] = {};
  std::size_t receives_[2][2] = {};
  std::map<const Pending*, bool> certain_;  // RMA, and whether its completion means delivery
};

TEST(RandomWalks, CompleteEverythingOnceAndInOrder) {
  for (std::uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk(seed).run(120);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace efa::rdm::sim
