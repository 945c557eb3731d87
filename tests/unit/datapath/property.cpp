// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Random interleavings of everything a host may do, against a simple model: every WQE gets exactly
/// one completion (U7), every message arrives at most once, and once if its sender was told so.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "fabric_rig.hpp"

namespace efa::emu::test {
namespace {

/// One queue pair and what the model expects of it.
struct Actor {
  Node* node = nullptr;
  Qp* qp = nullptr;
  Region memory;
  std::map<std::uint16_t, std::uint32_t> sends;  ///< id -> message number
  std::map<std::uint16_t, int> receives;         ///< id -> posted
  std::uint16_t next_send = 0;
  std::uint16_t next_receive = 0;
  bool failed = false;
};

class Model {
 public:
  Model(const Topology& topology, std::uint64_t seed) : rig_(topology), random_(seed) {
    for (std::size_t i = 0; i < rig_.nodes.size() * 2; ++i) {
      Actor actor;
      actor.node = &rig_[i % rig_.nodes.size()];
      actor.qp = &actor.node->qp(
          {.depth = 32,
           .descriptors = 32,
           .rnr_retry = i % 3 == 0 ? std::optional<std::uint8_t>(2) : std::nullopt});
      actor.memory = actor.node->region(64 * 64);
      actors_.push_back(actor);
    }
  }

  void run(unsigned steps) {
    for (unsigned i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) act();
    // Gives everybody the receives and the time that waiting messages need, then ends them all.
    for (Actor& actor : actors_) {
      actor.qp->modify(EFA_QP_STATE_ERR);
      actor.failed = true;
    }
    rig_.finish();
    for (Actor& actor : actors_) {
      poll(actor);
      EXPECT_TRUE(actor.sends.empty()) << actor.sends.size() << " sends without completion";
      EXPECT_TRUE(actor.receives.empty()) << "receives without completion";
    }
    for (std::uint32_t n = 0; n < fate_.size(); ++n) {
      EXPECT_LE(fate_[n].arrived, 1) << "message " << n;
      EXPECT_GE(fate_[n].arrived, fate_[n].told_good ? 1 : 0) << "message " << n;
    }
  }

 private:
  struct Fate {
    int arrived = 0;
    bool told_good = false;
  };

  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  Actor& somebody() { return actors_[pick(static_cast<std::uint32_t>(actors_.size()))]; }

  void act() {
    switch (pick(20)) {
      case 0:
        return change_state(somebody());
      case 1:
        return rig_.advance(pick(3 * kMillisecond));
      case 2:
      case 3:
        return rig_.settle();
      case 4:
      case 5:
      case 6:
        (void)rig_.pass();
        return;
      case 7:
      case 8:
      case 9:
        return poll(somebody());
      case 10:
      case 11:
      case 12:
      case 13:
        return post_receive(somebody());
      default:
        return post_send(somebody(), somebody());
    }
  }

  void post_send(Actor& from, Actor& to) {
    if (from.sends.size() >= 32) return;
    const auto number = static_cast<std::uint32_t>(fate_.size());
    Address address = from.node->address_of(*to.qp);
    if (pick(15) == 0) address.qkey ^= 1;
    if (pick(15) == 0) address.ah = 0x7000;
    const std::uint16_t id = from.next_send++;
    Wqe wqe = send_to(address, id);
    switch (pick(12)) {
      case 0:
        efa_tx_meta_desc_set_first(&wqe.raw.meta, 0);
        break;
      case 1:
        wqe.sge(0x1000, 4, 0xfffff);
        break;
      default:
        wqe.inlined({reinterpret_cast<const char*>(&number), sizeof number});
    }
    from.sends[id] = number;
    fate_.emplace_back();
    from.qp->stage(wqe);
    if (pick(3) != 0) from.qp->ring_sq();
  }

  void post_receive(Actor& actor) {
    if (actor.receives.size() >= 16) return;
    const std::uint16_t id = actor.next_receive++;
    ++actor.receives[id];
    const std::uint64_t slot = id % 64 * 64;
    if (pick(2) == 0)
      actor.qp->stage_recv(id, {{actor.memory, 2, slot}, {actor.memory, 30, slot + 2}},
                           pick(2) == 0);
    else
      actor.qp->stage_recv(id, {{actor.memory, 32, slot}});
    if (pick(3) != 0) actor.qp->ring_rq();
  }

  void poll(Actor& actor) {
    actor.qp->ring_sq();
    actor.qp->ring_rq();
    rig_.pass();
    while (const auto cqe = actor.qp->send_cq->poll()) {
      ASSERT_EQ(cqe->qp(), actor.qp->number);
      const auto found = actor.sends.find(cqe->id());
      ASSERT_NE(found, actor.sends.end()) << "a send completed twice or was never posted";
      fate_[found->second].told_good = cqe->status() == EFA_COMP_STATUS_OK;
      ASSERT_TRUE(actor.failed || cqe->status() != EFA_COMP_STATUS_FLUSHED);
      actor.sends.erase(found);
    }
    while (const auto cqe = actor.qp->recv_cq->poll()) {
      ASSERT_EQ(cqe->qp(), actor.qp->number);
      ASSERT_EQ(actor.receives.erase(cqe->id()), 1u) << "a receive completed twice";
      if (cqe->status() == EFA_COMP_STATUS_FLUSHED) {
        ASSERT_TRUE(actor.failed);
        continue;
      }
      ASSERT_EQ(cqe->status(), EFA_COMP_STATUS_OK);
      std::uint32_t number = 0;
      ASSERT_EQ(cqe->length(), sizeof number);
      std::memcpy(&number, actor.memory.bytes() + cqe->id() % 64 * 64, sizeof number);
      ASSERT_LT(number, fate_.size());
      ++fate_[number].arrived;
    }
  }

  /// Into ERR, and from there through RESET back to RTS: what is pending then is forgotten.
  void change_state(Actor& actor) {
    if (!actor.failed) {
      ASSERT_EQ(actor.qp->modify(EFA_QP_STATE_ERR), kSuccess);
      actor.failed = true;
      return;
    }
    rig_.settle();
    poll(actor);
    ASSERT_TRUE(actor.sends.empty());
    ASSERT_TRUE(actor.receives.empty());
    ASSERT_EQ(actor.qp->modify(EFA_QP_STATE_RESET), kSuccess);
    actor.qp->bring_up();
    actor.failed = false;
  }

  FabricRig rig_;
  std::mt19937_64 random_;
  std::vector<Actor> actors_;
  std::vector<Fate> fate_;
};

TEST(Property, EveryWqeGetsOneCompletionOnPerfectPaths) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(uniform_topology(3, 1, "efa2"), seed).run(3'000);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Property, EveryWqeGetsOneCompletionOnImperfectPaths) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Topology topology = uniform_topology(3, 1, "efa2");
    topology.seed = seed;
    topology.links.push_back({"*",
                              "*",
                              {.loss = 0.1,
                               .reorder = 0.2,
                               .duplicate = 0.2,
                               .delay = 20 * kMicrosecond,
                               .jitter = 100 * kMicrosecond}});
    topology.hosts[2].rnr.push_back({20, 30});
    Model(topology, seed).run(3'000);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Property, EveryWqeGetsOneCompletionWhenAHostGoesDeaf) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Topology topology = uniform_topology(3, 1, "efa2");
    topology.transport_timeout = 5 * kMillisecond;
    topology.hosts[1].unresponsive = true;
    topology.hosts[1].unresponsive_after = 50 * kMillisecond;
    Model(topology, seed).run(3'000);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace efa::emu::test
