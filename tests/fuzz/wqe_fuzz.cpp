// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Two connected devices whose host writes anything into its queues at any time: WQEs, receive
/// descriptors, doorbells, in every state, while regions and handles come and go. Whatever it does,
/// no queue completes more than was announced and the data path comes to rest.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "datapath/fabric_rig.hpp"

using namespace efa::emu;
using namespace efa::emu::test;

namespace {

constexpr std::uint32_t kDepth = 32;

void check(bool condition) {
  if (!condition) std::abort();
}

/// A queue pair and what it announced.
struct Actor {
  Node& node;
  Qp& qp;
  Region memory;
  std::uint16_t sq = 0;
  std::uint16_t rq = 0;
  std::uint64_t sends = 0;
  std::uint64_t descriptors = 0;

  void ring_sq(std::uint16_t value) {
    sends += static_cast<std::uint16_t>(value - sq);
    sq = value;
    qp.ring_sq(value);
  }
  void ring_rq(std::uint16_t value) {
    descriptors += static_cast<std::uint16_t>(value - rq);
    rq = value;
    qp.ring_rq(value);
  }
};

class Machine {
 public:
  Machine(FuzzedDataProvider& input, const Topology& topology) : input_(input), rig_(topology) {
    for (std::size_t i = 0; i < 4; ++i) {
      Node& node = rig_[i % 2];
      const Profile& profile = node.rig.device.profile();
      Qp::Options options;
      options.type = i == 3 ? EFA_QP_TYPE_UD : EFA_QP_TYPE_SRD;
      options.depth = options.descriptors = kDepth;
      options.wide = profile.queue_attr_2 && i < 2;
      options.id64 = profile.has(EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK);
      options.unsolicited = i == 2 && profile.has(EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK);
      if (i == 1) options.rnr_retry = 1;
      actors_.push_back({node, node.qp(options), node.region(16384)});
    }
    // Everybody knows everybody; handle 2 leads nowhere.
    for (std::size_t i = 0; i < 2; ++i) {
      rig_[i].ah(rig_[0]);
      rig_[i].ah(rig_[1]);
      rig_[i].ah(Gid::from_mac({2, 0, 0, 0, 0, 99}));
    }
  }

  void run() {
    for (int steps = 0; steps < 2000 && input_.remaining_bytes() != 0; ++steps) {
      act(actors_[input_.ConsumeIntegralInRange<std::size_t>(0, actors_.size() - 1)]);
      invariants();
    }
    for (Actor& actor : actors_)
      if (actor.node.rig.device.find_qp(actor.qp.number) != nullptr)
        actor.qp.modify(EFA_QP_STATE_ERR);
    rig_.finish();
    invariants();
    check(!rig_.pass());
  }

 private:
  void act(Actor& actor) {
    Rig& rig = actor.node.rig;
    const bool alive = rig.device.find_qp(actor.qp.number) != nullptr;
    const auto action = input_.ConsumeIntegralInRange<int>(0, 23);
    if (action >= 20 || !alive) return time();
    switch (action) {
      case 0:
        return actor.ring_sq(input_.ConsumeIntegral<std::uint16_t>());
      case 1:
        return actor.ring_rq(input_.ConsumeIntegral<std::uint16_t>());
      case 2:
        if (input_.ConsumeIntegralInRange(0, 7) == 0)
          rig.memory.hide(input_.ConsumeBool() ? actor.memory.addr : actor.qp.rq_ring(), 4096);
        else
          rig.memory.hide(0, 0);
        return;
      case 3:
        return change_state(actor);
      case 4:
        if (input_.ConsumeIntegralInRange(0, 7) == 0) rig.dereg_mr(actor.memory.key);
        return;
      case 5:
        if (input_.ConsumeIntegralInRange(0, 7) == 0)
          rig.destroy_ah(input_.ConsumeIntegralInRange<std::uint16_t>(0, 3), actor.node.pd);
        else
          rig.create_ah(rig_[input_.ConsumeBool()].gid(), actor.node.pd);
        return;
      case 6:
        raw_wqe(actor);
        return;
      case 7:
      case 8:
      case 9:
      case 10:
        return receive(actor);
      case 11:
        if (input_.ConsumeIntegralInRange(0, 31) == 0)
          input_.ConsumeBool() ? actor.qp.destroy() : rig.device.reset();
        return;
      default:
        return wqe(actor);
    }
  }

  void time() {
    switch (input_.ConsumeIntegralInRange<int>(0, 3)) {
      case 0:
        (void)rig_.pass();
        return;
      case 1:
        return rig_.advance(input_.ConsumeIntegralInRange<Nanoseconds>(0, kSecond));
      default:
        return rig_.settle();
    }
  }

  void change_state(Actor& actor) {
    const auto state = static_cast<efa_qp_state>(input_.ConsumeIntegralInRange<int>(0, 6));
    if (actor.qp.modify(state) != kSuccess || state != EFA_QP_STATE_RESET) return;
    actor.sq = actor.rq = 0;
    if (input_.ConsumeBool()) actor.qp.bring_up();
  }

  Address address() {
    const Qp& target = actors_[input_.ConsumeIntegralInRange<std::size_t>(0, 3)].qp;
    Address to{input_.ConsumeIntegralInRange<std::uint16_t>(0, 3), target.number, kQkey};
    if (input_.ConsumeIntegralInRange(0, 15) == 0) to.qkey = 1;
    return to;
  }

  void wqe(Actor& actor) {
    const auto op = static_cast<efa_send_op_type>(input_.ConsumeIntegralInRange<int>(0, 4));
    Wqe made(op, address(), input_.ConsumeIntegral<std::uint16_t>());
    if (input_.ConsumeBool()) made.imm(input_.ConsumeIntegral<std::uint32_t>());
    const Region& local = actor.memory;
    const Region& remote = actors_[input_.ConsumeIntegralInRange<std::size_t>(0, 3)].memory;
    const auto length = input_.ConsumeIntegralInRange<std::uint32_t>(0, 16384 + 8);
    const auto offset = input_.ConsumeIntegralInRange<std::uint32_t>(0, 16384);
    if (op == EFA_SEND_OP_TYPE_RDMA_READ || op == EFA_SEND_OP_TYPE_RDMA_WRITE)
      made.remote(remote, length, offset);
    if (input_.ConsumeIntegralInRange(0, 3) == 0)
      made.inlined(std::string(length % 90, 'i'));
    else
      for (int i = input_.ConsumeIntegralInRange(0, 2); i > 0 && made.raw.meta.length < 2; --i)
        made.sge(local, length, offset);
    // A few bits or bytes of it wrong.
    auto* bytes = reinterpret_cast<std::uint8_t*>(&made.raw);
    for (int i = input_.ConsumeIntegralInRange(0, 2); i > 0; --i)
      bytes[input_.ConsumeIntegralInRange<std::size_t>(0, sizeof made.raw - 1)] =
          input_.ConsumeIntegral<std::uint8_t>();
    put(actor, made);
  }

  void raw_wqe(Actor& actor) {
    Wqe made = send_to({});
    const auto bytes = input_.ConsumeBytes<std::uint8_t>(sizeof made.raw);
    if (!bytes.empty()) std::memcpy(static_cast<void*>(&made.raw), bytes.data(), bytes.size());
    put(actor, made);
  }

  void put(Actor& actor, const Wqe& made) {
    std::memcpy(actor.qp.sq_ring() + actor.sq % kDepth * actor.qp.wqe_size(), &made.raw,
                actor.qp.wqe_size());
    actor.ring_sq(static_cast<std::uint16_t>(actor.sq + 1));
  }

  void receive(Actor& actor) {
    actor.qp.rq_posted = actor.rq;
    std::vector<RecvSge> sges;
    for (int i = input_.ConsumeIntegralInRange(1, 3); i > 0; --i) {
      const auto length = input_.ConsumeIntegralInRange<std::uint16_t>(0, 9000);
      const auto offset = input_.ConsumeIntegralInRange<std::uint64_t>(0, 16384);
      sges.emplace_back(actor.memory, length, offset);
      if (input_.ConsumeIntegralInRange(0, 15) == 0)
        sges.back().key = input_.ConsumeIntegral<std::uint32_t>();
    }
    actor.qp.stage_recv(input_.ConsumeIntegral<std::uint16_t>(), sges, input_.ConsumeBool());
    if (input_.ConsumeIntegralInRange(0, 7) == 0) {
      const auto last = static_cast<std::uint16_t>(actor.qp.rq_posted - 1) % kDepth;
      auto& desc =
          actor.node.rig.memory.at<efa_rx_desc>(actor.qp.rq_ring() + last * sizeof(efa_rx_desc));
      efa_rx_desc_set_last(&desc, 0);
    }
    actor.ring_rq(actor.qp.rq_posted);
  }

  /// Receives and unsolicited writes, whoever caused them, are bounded by what was announced.
  void invariants() {
    std::uint64_t everybodys_sends = 0;
    for (const Actor& actor : actors_) everybodys_sends += actor.sends;
    for (const Actor& actor : actors_) {
      const auto produced = [&](const Cq* cq) -> std::uint64_t {
        const CompletionQueue* side = actor.node.rig.device.find_cq(cq->number);
        return side == nullptr ? 0 : side->cqes();
      };
      check(produced(actor.qp.send_cq) <= actor.sends);
      check(produced(actor.qp.recv_cq) <=
            actor.descriptors + (actor.qp.options().unsolicited ? everybodys_sends : 0));
    }
  }

  FuzzedDataProvider& input_;
  FabricRig rig_;
  std::vector<Actor> actors_;
};

Topology topology(FuzzedDataProvider& input) {
  Topology made = uniform_topology(2, 1, "efa2");
  for (HostSpec& host : made.hosts)
    host.generation = input.PickValueInArray({"efa0", "efa1", "efa2", "efa3", "efa4"});
  made.transport_timeout = 20 * kMillisecond;
  made.seed = input.ConsumeIntegral<std::uint8_t>();
  switch (input.ConsumeIntegralInRange(0, 4)) {
    case 0:
      made.links.push_back({"*",
                            "*",
                            {.loss = 0.2,
                             .reorder = 0.2,
                             .duplicate = 0.3,
                             .delay = kMicrosecond,
                             .jitter = 50 * kMicrosecond,
                             .bandwidth_gbps = 1}});
      break;
    case 1:
      made.hosts[1].rnr.push_back({2, 5});
      break;
    case 2:
      made.hosts[1].unresponsive = true;
      made.hosts[1].unresponsive_after = kMillisecond;
      break;
    default:
      break;
  }
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const Topology made = topology(input);
  Machine(input, made).run();
  return 0;
}
