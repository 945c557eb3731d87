// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What came with rdma-core 65 (spec verbs V9, V105, V180 to V185), through its libibverbs and our
/// libefa: completion counters, 64-bit request ids, the speed of a port. For devices of generation
/// efa4, and for older ones, which refuse.
#include <cerrno>

#include "../../native/verbs/rig.hpp"

namespace efa::verbs_test {
namespace {

constexpr std::uint32_t kAllOps = 63;

struct CounterDestroyer {
  void operator()(ibv_comp_cntr* counter) const { EXPECT_EQ(ibv_destroy_comp_cntr(counter), 0); }
};
using Counter = std::unique_ptr<ibv_comp_cntr, CounterDestroyer>;

bool counts() {
  return generation().part_id == 0xefa4;
}

class Release65Test : public VerbsTest {
 protected:
  Cq cq{ibv_create_cq(context.get(), 64, nullptr, nullptr, 0)};

  Counter create() {
    ibv_comp_cntr_init_attr attr{};
    Counter counter(ibv_create_comp_cntr(context.get(), &attr));
    EXPECT_NE(counter, nullptr) << std::strerror(errno);
    return counter;
  }
  static std::uint64_t completions(const Counter& counter) {
    std::uint64_t value = ~std::uint64_t{0};
    EXPECT_EQ(ibv_read_comp_cntr(counter.get(), &value), 0);
    return value;
  }
  static std::uint64_t errors(const Counter& counter) {
    std::uint64_t value = ~std::uint64_t{0};
    EXPECT_EQ(ibv_read_err_comp_cntr(counter.get(), &value), 0);
    return value;
  }
  static int attach(ibv_qp* qp, const Counter& counter, std::uint32_t ops) {
    ibv_qp_attach_comp_cntr_attr attr{};
    attr.op_mask = ops;
    return ibv_qp_attach_comp_cntr(qp, counter.get(), &attr);
  }
  Qp reset_qp() {
    Qp qp(try_create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
    EXPECT_NE(qp, nullptr) << std::strerror(errno);
    return qp;
  }
};

class CounterTest : public Release65Test {
 protected:
  void SetUp() override { ASSERT_TRUE(counts()) << "run this with generation efa4"; }
};

TEST_F(Release65Test, CounterCapabilitiesFollowTheDevice) {
  ibv_comp_cntr_caps caps{};
  EXPECT_EQ(ibv_query_comp_cntr_caps(context.get(), &caps), counts() ? 0 : EOPNOTSUPP);
  EXPECT_EQ(caps.max_counters, counts() ? 512u : 0u);
  EXPECT_EQ(caps.max_value, counts() ? ~std::uint64_t{0} : 0u);
  EXPECT_EQ(caps.supported_qp_attach_ops, counts() ? kAllOps : 0u);
  EXPECT_EQ((efa_attributes().device_caps & EFADV_DEVICE_ATTR_CAPS_COMP_CNTR) != 0, counts());
  ibv_comp_cntr_init_attr attr{};
  Counter counter(ibv_create_comp_cntr(context.get(), &attr));
  EXPECT_EQ(counter != nullptr, counts());
}

TEST_F(Release65Test, ThePortHasTheSpeedOfItsGeneration) {
  std::uint64_t speed = 0;
  ASSERT_EQ(ibv_query_port_speed(context.get(), 1, &speed), 0);
  EXPECT_EQ(speed, counts() ? 4000u : 1000u);  // in units of 100 Mbit/s
  EXPECT_NE(ibv_query_port_speed(context.get(), 2, &speed), 0);
}

TEST_F(CounterTest, StartsAtZeroAndIsSetAndIncremented) {
  Counter counter = create();
  EXPECT_EQ(completions(counter), 0u);
  EXPECT_EQ(errors(counter), 0u);
  ASSERT_EQ(ibv_set_comp_cntr(counter.get(), 7), 0);
  EXPECT_TRUE(wait_until([&] { return completions(counter) == 7; }));
  ASSERT_EQ(ibv_inc_comp_cntr(counter.get(), 5), 0);
  EXPECT_TRUE(wait_until([&] { return completions(counter) == 12; }));
  EXPECT_EQ(errors(counter), 0u);
  ASSERT_EQ(ibv_set_err_comp_cntr(counter.get(), 3), 0);
  ASSERT_EQ(ibv_inc_err_comp_cntr(counter.get(), 1), 0);
  EXPECT_TRUE(wait_until([&] { return errors(counter) == 4; }));
  EXPECT_EQ(completions(counter), 12u);
}

TEST_F(CounterTest, RefusesWhatEfaDoesNotCount) {
  ibv_comp_cntr_init_attr attr{};
  attr.type = IBV_COMP_CNTR_TYPE_BYTES;
  EXPECT_EQ(ibv_create_comp_cntr(context.get(), &attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  attr = {};
  attr.flags = 1;
  EXPECT_EQ(ibv_create_comp_cntr(context.get(), &attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  attr = {};
  attr.comp_mask = 1;
  EXPECT_EQ(ibv_create_comp_cntr(context.get(), &attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

/// Two completion words in this program's memory.
struct Words {
  alignas(8) std::uint64_t completions = ~std::uint64_t{0};
  alignas(8) std::uint64_t errors = ~std::uint64_t{0};

  efadv_comp_cntr_init_attr attr() {
    efadv_comp_cntr_init_attr efa{};
    efa.flags =
        EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM | EFADV_COMP_CNTR_INIT_WITH_ERR_EXTERNAL_MEM;
    efa.comp_cntr_ext_mem.ptr = reinterpret_cast<std::uint8_t*>(&completions);
    efa.comp_cntr_ext_mem.type = EFADV_MEMORY_LOCATION_VA;
    efa.err_cntr_ext_mem.ptr = reinterpret_cast<std::uint8_t*>(&errors);
    efa.err_cntr_ext_mem.type = EFADV_MEMORY_LOCATION_VA;
    return efa;
  }
};

TEST_F(CounterTest, CountsInMemoryOfTheProgram) {
  Words words;
  efadv_comp_cntr_init_attr efa = words.attr();
  ibv_comp_cntr_init_attr attr{};
  Counter counter(efadv_create_comp_cntr(context.get(), &attr, &efa, sizeof(efa)));
  ASSERT_NE(counter, nullptr) << std::strerror(errno);
  EXPECT_EQ(words.completions, 0u);
  ASSERT_EQ(ibv_inc_comp_cntr(counter.get(), 9), 0);
  ASSERT_EQ(ibv_inc_err_comp_cntr(counter.get(), 2), 0);
  EXPECT_TRUE(wait_until([&] {
    return __atomic_load_n(&words.completions, __ATOMIC_ACQUIRE) == 9 &&
           __atomic_load_n(&words.errors, __ATOMIC_ACQUIRE) == 2;
  }));
  EXPECT_EQ(completions(counter), 9u);
  EXPECT_EQ(errors(counter), 2u);
}

TEST_F(CounterTest, ChecksTheEfaAttributes) {
  Words words;
  ibv_comp_cntr_init_attr attr{};
  const auto refused = [&](efadv_comp_cntr_init_attr efa, std::uint32_t length) {
    ibv_comp_cntr* counter = efadv_create_comp_cntr(context.get(), &attr, &efa, length);
    const int error = counter == nullptr ? errno : 0;
    if (counter != nullptr) ibv_destroy_comp_cntr(counter);
    return error;
  };
  constexpr std::uint32_t kLength = sizeof(efadv_comp_cntr_init_attr);
  EXPECT_EQ(refused(words.attr(), kLength), 0);
  EXPECT_EQ(refused(words.attr(), kLength - 1), EINVAL);
  efadv_comp_cntr_init_attr efa = words.attr();
  efa.flags |= 1 << 2;
  EXPECT_EQ(refused(efa, kLength), EOPNOTSUPP);
  efa = words.attr();
  efa.comp_mask = 1;
  EXPECT_EQ(refused(efa, kLength), EOPNOTSUPP);
  efa = words.attr();
  efa.err_cntr_ext_mem.type = 2;
  EXPECT_EQ(refused(efa, kLength), EOPNOTSUPP);
  efa = words.attr();
  efa.comp_cntr_ext_mem.ptr += 4;  // not on 8 bytes
  EXPECT_EQ(refused(efa, kLength), EINVAL);
}

TEST_F(CounterTest, IsBusyWhileAQueuePairHasIt) {
  Counter counter = create();
  Qp qp = reset_qp();
  EXPECT_EQ(attach(qp.get(), counter, 0), EINVAL);
  EXPECT_EQ(attach(qp.get(), counter, kAllOps + 1), EINVAL);
  ASSERT_EQ(attach(qp.get(), counter, IBV_QP_ATTACH_COMP_CNTR_OP_SEND), 0);
  EXPECT_EQ(attach(qp.get(), counter, IBV_QP_ATTACH_COMP_CNTR_OP_SEND), EBUSY);
  EXPECT_EQ(ibv_destroy_comp_cntr(counter.get()), EBUSY);
  EXPECT_EQ(attach(qp.get(), counter, IBV_QP_ATTACH_COMP_CNTR_OP_RECV), 0);
  qp.reset();  // detaches
}

TEST_F(CounterTest, IsAttachedBeforeAQueuePairReceives) {
  Counter counter = create();
  Endpoint endpoint(context.get(), pd.get());
  EXPECT_EQ(attach(endpoint.qp(), counter, IBV_QP_ATTACH_COMP_CNTR_OP_SEND), EINVAL);
}

/// Brings `qp` from RESET to RTS.
void bring_up(ibv_qp* qp) {
  ASSERT_EQ(to_init(qp), 0);
  ASSERT_EQ(to_rtr(qp), 0);
  ASSERT_EQ(to_rts(qp, 7), 0);
}

TEST_F(CounterTest, CountsSendsAndFailures) {
  Counter sends = create();
  Qp qp = reset_qp();
  ASSERT_EQ(attach(qp.get(), sends, IBV_QP_ATTACH_COMP_CNTR_OP_SEND), 0);
  ASSERT_NO_FATAL_FAILURE(bring_up(qp.get()));
  Endpoint receiver = other_endpoint();
  ASSERT_EQ(receiver.post_receive(1, {{0, 64}}), 0);
  Ah ah(try_create_ah(pd.get(), gid_of(other_context.get())));
  ASSERT_NE(ah, nullptr);
  const auto post = [&](std::uint32_t qpn) {
    ibv_send_wr wr{}, *bad;
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = IBV_SEND_SIGNALED;
    wr.wr.ud.ah = ah.get();
    wr.wr.ud.remote_qpn = qpn;
    wr.wr.ud.remote_qkey = kQkey;
    return ibv_post_send(qp.get(), &wr, &bad);
  };
  ASSERT_EQ(post(receiver.qp()->qp_num), 0);
  EXPECT_TRUE(wait_until([&] { return completions(sends) == 1; }));
  EXPECT_EQ(errors(sends), 0u);
  ASSERT_EQ(post(receiver.qp()->qp_num + 1), 0);  // nobody there
  EXPECT_TRUE(wait_until([&] { return errors(sends) == 1; }));
  EXPECT_EQ(completions(sends), 1u);
}

TEST_F(Release65Test, RequestIdsHave64Bits) {
  constexpr std::uint64_t kIds[] = {0, 0xffff, 0x10000, 0x123456789abcdef0, ~std::uint64_t{0}};
  Endpoint sender = endpoint({.send_depth = 8});
  Endpoint receiver = other_endpoint();
  efadv_wq_attr sq{}, rq{};
  ASSERT_EQ(efadv_query_qp_wqs(sender.qp(), &sq, &rq, sizeof(sq)), 0);
  EXPECT_EQ((sq.caps & EFADV_WQ_CAPS_64_BIT_REQ_ID) != 0, counts());
  const Destination to = receiver.from(sender);
  for (int round = 0; round < 3; ++round) {  // past the end of the ring
    for (const std::uint64_t id : kIds) {
      ASSERT_EQ(receiver.post_receive(~id, {{0, 64}}), 0);
      ASSERT_EQ(sender.post_send(id, to, {{0, 16}}), 0);
      EXPECT_SUCCESS(sender.next_sent(), id);
      EXPECT_SUCCESS(receiver.next_received(), ~id);
    }
  }
}

}  // namespace
}  // namespace efa::verbs_test
