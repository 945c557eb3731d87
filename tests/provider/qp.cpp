// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creating, changing, querying and destroying queue pairs (spec verbs B7.6).
#include <algorithm>
#include <thread>

#include "station.hpp"

namespace efa::provider_test {
namespace {

class QueuePair : public ProviderTest {
 protected:
  Cq cq{ibv_create_cq(context.get(), 256, nullptr, nullptr, 0)};
  ibv_qp_cap caps{};

  Qp create(const QpSpec& spec = {}) {
    return Qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), spec, &caps));
  }
  int error_of(const QpSpec& spec) { return create(spec) ? 0 : errno; }
  std::uint32_t device_caps() { return efa_attributes_of(context.get()).device_caps; }
  bool has(std::uint32_t cap) { return (device_caps() & cap) != 0; }
  bool read_capable() { return has(EFADV_DEVICE_ATTR_CAPS_RDMA_READ); }
  bool write_capable() { return has(EFADV_DEVICE_ATTR_CAPS_RDMA_WRITE); }
  ibv_qp_init_attr plain(ibv_qp_type type) {
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {16, 16, 1, 1, 0};
    attr.qp_type = type;
    return attr;
  }
  std::uint32_t min_sq_depth() {
    return static_cast<std::uint32_t>(
        device_limit("min_sq_depth").value_or(generation().part_id >= 0xefa3 ? 32 : 0));
  }
  /// Before 63 libraries left the limit to the kernel, which allows what the widest request holds.
  std::uint32_t inline_limit() {
    const std::uint32_t widest = generation().part_id >= 0xefa3 ? 80 : 32;
    return static_cast<std::uint32_t>(device_limit("inline_buf_size_ex").value_or(widest));
  }
};

TEST_F(QueuePair, V90_of_the_plain_interface_are_datagrams) {
  ibv_qp_init_attr attr = plain(IBV_QPT_UD);
  attr.cap = {5, 5, 1, 1, 0};
  const Qp qp(ibv_create_qp(pd.get(), &attr));
  ASSERT_TRUE(qp);
  EXPECT_GE(attr.cap.max_send_wr, 8u);
  EXPECT_EQ(attr.cap.max_recv_wr, 8u);
  for (const ibv_qp_type type : {IBV_QPT_RC, IBV_QPT_UC, IBV_QPT_XRC_SEND, IBV_QPT_RAW_PACKET}) {
    attr = plain(type);
    EXPECT_EQ(ibv_create_qp(pd.get(), &attr), nullptr) << type;
    EXPECT_EQ(errno, EOPNOTSUPP) << type;
  }
}

TEST_F(QueuePair, V91_of_the_extended_interface_are_datagrams) {
  EXPECT_EQ(error_of({.transport = Transport::kUd}), 0);
  for (int bit = 0; bit < 12; ++bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit;
    if ((mask & (IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS)) != 0) continue;
    EXPECT_NE(error_of({.transport = Transport::kUd, .more_comp_mask = mask}), 0) << bit;
  }
  EXPECT_EQ(
      error_of({.transport = Transport::kUd, .more_comp_mask = IBV_QP_INIT_ATTR_CREATE_FLAGS}),
      EOPNOTSUPP);
  EXPECT_EQ(
      error_of({.transport = Transport::kUd, .more_comp_mask = IBV_QP_INIT_ATTR_MAX_TSO_HEADER}),
      EOPNOTSUPP);
}

TEST_F(QueuePair, V91_of_the_extended_interface_need_a_domain) {
  ibv_qp_init_attr_ex attr{};
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {16, 16, 1, 1, 0};
  attr.qp_type = IBV_QPT_UD;
  attr.comp_mask = IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
  EXPECT_EQ(ibv_create_qp_ex(context.get(), &attr), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(QueuePair, V92_of_the_driver_interface_have_no_builder) {
  ibv_qp_init_attr attr = plain(IBV_QPT_DRIVER);
  const Qp qp(efadv_create_driver_qp(pd.get(), &attr, EFADV_QP_DRIVER_TYPE_SRD));
  ASSERT_TRUE(qp);
  EXPECT_EQ(ibv_qp_to_qp_ex(qp.get()), nullptr);
  EXPECT_EQ(efadv_create_driver_qp(pd.get(), &attr, 1), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  attr.qp_type = IBV_QPT_UD;
  EXPECT_EQ(efadv_create_driver_qp(pd.get(), &attr, EFADV_QP_DRIVER_TYPE_SRD), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(QueuePair, V93_of_the_direct_interface_are_checked) {
  EXPECT_EQ(error_of({}), 0);
  EXPECT_EQ(error_of({.inlen = 12}), 0);
  EXPECT_EQ(error_of({.inlen = 8}), EINVAL);
  EXPECT_EQ(error_of({.efa_comp_mask = 1}), EINVAL);
  EXPECT_EQ(error_of({.reserved = 1}), EINVAL);
  EXPECT_EQ(error_of({.driver_qp_type = 1}), EOPNOTSUPP);
  ibv_qp_init_attr_ex attr{};
  attr.comp_mask = IBV_QP_INIT_ATTR_PD;
  attr.pd = pd.get();
  attr.send_cq = attr.recv_cq = cq.get();
  attr.qp_type = IBV_QPT_UD;
  efadv_qp_init_attr efa{};
  EXPECT_EQ(efadv_create_qp_ex(context.get(), &attr, &efa, sizeof(efa)), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(QueuePair, V93_longer_attributes_end_in_zeros) {
  struct {
    efadv_qp_init_attr efa;
    std::uint64_t beyond;
  } room{};
  ibv_qp_init_attr_ex attr{};
  attr.comp_mask = IBV_QP_INIT_ATTR_PD;
  attr.pd = pd.get();
  attr.send_cq = attr.recv_cq = cq.get();
  attr.cap = {16, 16, 1, 1, 0};
  attr.qp_type = IBV_QPT_DRIVER;
  EXPECT_TRUE(Qp(efadv_create_qp_ex(context.get(), &attr, &room.efa, sizeof(room))));
  room.beyond = 1;
  EXPECT_EQ(efadv_create_qp_ex(context.get(), &attr, &room.efa, sizeof(room)), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(QueuePair, V94_have_the_operations_of_their_transport_and_device) {
  for (int bit = 0; bit < 13; ++bit) {
    const std::uint64_t op = std::uint64_t{1} << bit;
    const bool send = (op & kSends) != 0;
    const bool read = op == IBV_QP_EX_WITH_RDMA_READ && read_capable();
    const bool write = (op & kWrites) != 0 && write_capable();
    EXPECT_EQ(error_of({.ops = op}), send || read || write ? 0 : EOPNOTSUPP) << "SRD bit " << bit;
    EXPECT_EQ(error_of({.transport = Transport::kUd, .ops = op}), send ? 0 : EOPNOTSUPP)
        << "UD bit " << bit;
  }
}

TEST_F(QueuePair, V144_have_no_setters_for_what_was_not_asked) {
  const Qp qp = create({.ops = IBV_QP_EX_WITH_SEND});
  ASSERT_TRUE(qp);
  const ibv_qp_ex* builder = ibv_qp_to_qp_ex(qp.get());
  EXPECT_NE(builder->wr_send, nullptr);
  EXPECT_EQ(builder->wr_atomic_cmp_swp, nullptr);
  EXPECT_EQ(builder->wr_atomic_fetch_add, nullptr);
  EXPECT_EQ(builder->wr_bind_mw, nullptr);
  EXPECT_EQ(builder->wr_local_inv, nullptr);
  EXPECT_EQ(builder->wr_send_inv, nullptr);
  EXPECT_EQ(builder->wr_send_tso, nullptr);
}

TEST_F(QueuePair, V95_take_flags_by_capability) {
  // Before 52 and 63 these were reserved bytes.
  const bool unsolicited = has(EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV);
  EXPECT_EQ(error_of({.flags = EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV}), level() < 52  ? EINVAL
                                                                        : unsolicited ? 0
                                                                                      : EOPNOTSUPP);
  EXPECT_EQ(error_of({.flags = EFADV_QP_FLAGS_INLINE_WRITE}), level() < 52 ? EINVAL
                                                              : level() >= 63 && write_capable()
                                                                  ? 0
                                                                  : EOPNOTSUPP);
  EXPECT_EQ(error_of({.flags = 1 << 2}), since(52, EOPNOTSUPP, EINVAL));
}

TEST_F(QueuePair, V96_take_one_wr_flag) {
  // Unknown bytes before 64.
  EXPECT_EQ(error_of({.wr_flags = EFADV_WR_EX_WITH_PROCESSING_HINTS}), since(64, 0, EINVAL));
  EXPECT_EQ(error_of({.wr_flags = 1 << 1}), since(64, EOPNOTSUPP, EINVAL));
}

TEST_F(QueuePair, V97_need_completion_queues_and_take_no_shared_receive_queue) {
  EXPECT_EQ(create_qp(context.get(), pd.get(), nullptr, cq.get(), {}), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(create_qp(context.get(), pd.get(), cq.get(), nullptr, {}), nullptr);
  EXPECT_EQ(errno, EINVAL);
  ibv_srq srq{};
  ibv_qp_init_attr attr = plain(IBV_QPT_UD);
  attr.srq = &srq;
  EXPECT_EQ(ibv_create_qp(pd.get(), &attr), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(QueuePair, V98_reach_the_limits_and_not_more) {
  const efadv_device_attr limits = efa_attributes_of(context.get());
  const std::uint32_t llq =
      static_cast<std::uint32_t>(attributes().max_qp_wr);  // not above the LLQ (V6)
  EXPECT_EQ(error_of({.send_wr = std::min(limits.max_sq_wr, llq)}), 0);
  EXPECT_EQ(error_of({.send_wr = limits.max_sq_wr + 1}), EINVAL);
  EXPECT_EQ(error_of({.send_sge = limits.max_sq_sge}), 0);
  EXPECT_EQ(error_of({.send_sge = limits.max_sq_sge + 1u}), EINVAL);
  EXPECT_EQ(error_of({.recv_sge = limits.max_rq_sge}), 0);
  EXPECT_EQ(error_of({.recv_sge = limits.max_rq_sge + 1u}), EINVAL);
  EXPECT_EQ(error_of({.recv_wr = limits.max_rq_wr}), 0);
  EXPECT_EQ(error_of({.recv_wr = limits.max_rq_wr + 1}), EINVAL);
  EXPECT_EQ(error_of({.recv_wr = limits.max_rq_wr / 2, .recv_sge = 2}), 0);
  EXPECT_EQ(error_of({.recv_wr = limits.max_rq_wr / 2 + 1, .recv_sge = 2}), EINVAL);
  EXPECT_EQ(error_of({.inline_data = inline_limit()}), 0);
  EXPECT_EQ(error_of({.inline_data = inline_limit() + 1}), EINVAL);
}

TEST_F(QueuePair, V98_wide_requests_halve_the_depth) {
  if (inline_limit() <= 32 || level() < 63) {  // nothing is wide
    EXPECT_EQ(error_of({.inline_data = 33}), inline_limit() <= 32 ? EINVAL : 0);
    return;
  }
  const auto deepest = static_cast<std::uint32_t>(
      device_limit("max_llq_size").value_or(512 * 1024) / sizeof(efa_tx_wqe_128));
  EXPECT_EQ(error_of({.send_wr = deepest, .inline_data = 33}), 0);
  EXPECT_EQ(error_of({.send_wr = deepest + 1, .inline_data = 33}),
            deepest + 1 > efa_attributes_of(context.get()).max_sq_wr / 2 ? EINVAL : 0);
}

TEST_F(QueuePair, V99_have_requests_of_64_or_128_bytes) {
  const auto entry_size = [&](const QpSpec& spec) {
    const Qp qp = create(spec);
    EXPECT_TRUE(qp) << std::strerror(errno);
    return QpRings().sq_bytes() / caps.max_send_wr;
  };
  EXPECT_EQ(entry_size({}), 64u);
  EXPECT_EQ(entry_size({.inline_data = 32}), 64u);
  if (inline_limit() <= 32) return;
  EXPECT_EQ(entry_size({.inline_data = 33}), since(63, 128u, 64u));
  if (level() < 63) return;
  if (write_capable()) {
    EXPECT_EQ(entry_size({.flags = EFADV_QP_FLAGS_INLINE_WRITE}), 128u);
  }
}

TEST_F(QueuePair, V100_send_queues_are_powers_of_two) {
  for (const auto& [asked, given] : {std::pair{1u, 1u}, {5u, 8u}, {16u, 16u}, {100u, 128u}}) {
    const Qp qp = create({.send_wr = asked});
    ASSERT_TRUE(qp);
    EXPECT_EQ(caps.max_send_wr, std::max(given, min_sq_depth())) << asked;
    EXPECT_EQ(QpRings().sq_bytes(), caps.max_send_wr * 64);
  }
}

TEST_F(QueuePair, V101_receive_queues_are_powers_of_two_of_descriptors) {
  const Qp two = create({.recv_wr = 5, .recv_sge = 2});
  ASSERT_TRUE(two);
  EXPECT_EQ(caps.max_recv_wr, 8u);
  EXPECT_EQ(QpRings().rq_bytes(), 16 * sizeof(efa_rx_desc));
  const Qp three = create({.recv_wr = 5, .recv_sge = 3});
  ASSERT_TRUE(three);
  EXPECT_EQ(caps.max_recv_wr, 5u);
  EXPECT_EQ(QpRings().rq_bytes(), 16 * sizeof(efa_rx_desc));
}

TEST_F(QueuePair, V102_receive_queues_may_be_missing) {
  if (!ours()) {  // B11 P1
    EXPECT_EXIT(create({.recv_wr = 0, .recv_sge = 0}), ::testing::KilledBySignal(SIGFPE), "");
    EXPECT_EXIT(create({.recv_wr = 16, .recv_sge = 0}), ::testing::KilledBySignal(SIGFPE), "");
    return;
  }
  const Qp qp = create({.recv_wr = 0, .recv_sge = 0});
  ASSERT_TRUE(qp);
  EXPECT_EQ(caps.max_recv_wr, 0u);
  EXPECT_EQ(QpRings().rq_bytes(), 0u);
  make_ready(qp.get());
  ibv_recv_wr receive{};
  ibv_recv_wr* bad = nullptr;
  EXPECT_NE(ibv_post_recv(qp.get(), &receive, &bad), 0);
  EXPECT_EQ(bad, &receive);
  EXPECT_EQ(error_of({.recv_wr = 16, .recv_sge = 0}), EINVAL);
}

TEST_F(QueuePair, V103_send_queues_may_be_unused) {
  ASSERT_TRUE(create({.send_wr = 0}));
  if (ours()) {
    EXPECT_TRUE(caps.max_send_wr == 0 || caps.max_send_wr == std::max(1u, min_sq_depth()))
        << caps.max_send_wr;
  }
}

TEST_F(QueuePair, V104_service_levels_reach_the_kernel) {
  if (level() < 55) {  // a reserved byte then
    EXPECT_EQ(error_of({.sl = 8}), EINVAL);
    return;
  }
  const bool low_latency = generation().part_id >= 0xefa2;
  EXPECT_EQ(error_of({.sl = 8}), low_latency ? 0 : EINVAL);
  EXPECT_EQ(error_of({.sl = 9}), EINVAL);
  const Qp qp = create({.sl = 0});
  ASSERT_TRUE(qp);
  EXPECT_EQ(QpRings().request().sl, 0);
}

TEST_F(QueuePair, V105_64_bit_ids_are_used_where_the_device_has_them) {
  const bool wide = device_limit("sq_64_bit_req_id").value_or(generation().part_id >= 0xefa4) != 0;
  const bool used = wide && level() >= 65;
  const Cq fresh(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  EXPECT_EQ(efa_uabi_create_cq_sq_comp_64_bit_req_id(&last_created_cq().request) != 0, used);
  const Qp qp = create();
  ASSERT_TRUE(qp);
  EXPECT_EQ(efa_uabi_create_qp_sq_64_bit_req_id(&QpRings().request()) != 0, used);
}

TEST_F(QueuePair, V105_64_bit_ids_travel_whole) {
  Station self = station();
  const Destination to = self.from(self);
  const bool wide = level() >= 65 && efa_uabi_create_qp_sq_64_bit_req_id(&self.rings().request());
  for (const std::uint64_t id : {std::uint64_t{0x0123456789abcdef}, ~std::uint64_t{0}}) {
    ASSERT_EQ(self.post_receive(1, 0, 64), 0);
    ASSERT_EQ(self.post_send(id, to, 4096, 64), 0);
    EXPECT_SUCCESS(self.next_sent(), id);
    EXPECT_SUCCESS(self.next_received(), 1u);
  }
  const efa_tx_meta_desc meta = self.rings().send_meta(0, 64);
  EXPECT_EQ(efa_tx_meta_desc_req_id64(&meta) == 0x0123456789abcdef, wide);
}

TEST_F(QueuePair, V106_request_ids_have_a_generation_per_number) {
  // The device hands numbers out again after a while; only the generation tells lives apart.
  std::vector<std::pair<std::uint32_t, std::uint16_t>> seen;  // number, first id
  bool same_number = false;
  for (int life = 0; life < 5000 && !same_number; ++life) {
    const Qp qp = create({.recv_wr = 4});
    ASSERT_TRUE(qp);
    QpRings rings;
    ASSERT_EQ(to_init(qp.get()), 0);
    ibv_recv_wr receive{1, nullptr, nullptr, 0};
    ibv_sge segment{0, 0, 0};
    receive.sg_list = &segment;
    receive.num_sge = 1;
    ibv_recv_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &receive, &bad), 0);
    const std::uint16_t id = rings.receive_descriptor(0).req_id;
    EXPECT_EQ(id & 3, 0) << "the slot is in the low bits";
    for (const auto& [number, earlier] : seen)
      if (number == qp->qp_num) {
        same_number = true;
        EXPECT_EQ(id != earlier, level() >= 63) << "queue pair " << number;
      }
    seen.emplace_back(qp->qp_num, id);
  }
  EXPECT_TRUE(same_number) << "no number came back";
}

TEST_F(QueuePair, V108_reset_makes_both_queues_empty) {
  Station self = station({.qp = {.send_wr = 64, .recv_wr = 8}});
  const Destination to = self.from(self);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(self.post_receives(0, 8, 0, 64), 0);
    EXPECT_EQ(self.post_receive(0, 0, 64), ENOMEM);
    for (std::uint64_t id = 0; id < 4; ++id) {
      ASSERT_EQ(self.post_send(id, to, 4096, 64), 0);
      EXPECT_EQ(self.next_sent().status, IBV_WC_SUCCESS);
      EXPECT_EQ(self.next_received().status, IBV_WC_SUCCESS);
    }
    ASSERT_EQ(to_state(self.qp(), IBV_QPS_RESET), 0);
    EXPECT_EQ(self.qp()->state, IBV_QPS_RESET);
    make_ready(self.qp());
  }
}

TEST_F(QueuePair, V108_a_change_that_the_kernel_refuses_changes_nothing) {
  const Qp qp = create();
  ASSERT_TRUE(qp);
  EXPECT_EQ(to_rtr(qp.get()), EINVAL);
  EXPECT_EQ(qp->state, IBV_QPS_RESET);
  make_ready(qp.get());
  EXPECT_EQ(to_rtr(qp.get()), EINVAL);
  EXPECT_EQ(qp->state, IBV_QPS_RTS);
}

// A9: 1 = legal, in the order RESET INIT RTR RTS SQD SQE ERR.
constexpr bool kLegal[7][7] = {
    {1, 1, 0, 0, 0, 0, 0}, {1, 1, 1, 0, 0, 0, 1}, {1, 0, 0, 1, 0, 0, 1}, {1, 0, 0, 1, 1, 0, 1},
    {1, 0, 0, 1, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 0, 1},
};

class Transitions : public QueuePair, public ::testing::WithParamInterface<Transport> {
 protected:
  static int change(ibv_qp* qp, int to) {
    const bool init = to == IBV_QPS_INIT && qp->state == IBV_QPS_RESET;
    const bool rts = to == IBV_QPS_RTS && qp->state == IBV_QPS_RTR;
    return init ? to_init(qp) : rts ? to_rts(qp) : to_state(qp, static_cast<ibv_qp_state>(to));
  }
  Qp in(int state) {
    Qp qp = create({.transport = GetParam()});
    constexpr int kWay[] = {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_SQD};
    for (const int step : kWay) {
      if (qp->state == static_cast<ibv_qp_state>(state)) break;
      const bool last = state == IBV_QPS_ERR && step == IBV_QPS_RTR;
      EXPECT_EQ(change(qp.get(), last ? IBV_QPS_ERR : step), 0);
    }
    return qp;
  }
};

TEST_P(Transitions, V109_follow_the_table) {
  for (int from = 0; from < 7; ++from) {
    if (from == IBV_QPS_SQE) continue;  // no request of a program leads there
    for (int to = 0; to < 7; ++to) {
      SCOPED_TRACE("from " + std::to_string(from) + " to " + std::to_string(to));
      const Qp qp = in(from);
      ASSERT_EQ(qp->state, static_cast<ibv_qp_state>(from));
      EXPECT_EQ(change(qp.get(), to), kLegal[from][to] ? 0 : EINVAL);
      EXPECT_EQ(qp->state, static_cast<ibv_qp_state>(kLegal[from][to] ? to : from));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Both, Transitions, ::testing::Values(Transport::kSrd, Transport::kUd),
                         [](const auto& info) {
                           return info.param == Transport::kSrd ? "Srd" : "Ud";
                         });

TEST_F(QueuePair, V110_the_rnr_retry_is_kept) {
  const Qp qp = create();
  ASSERT_TRUE(qp);
  ASSERT_EQ(to_init(qp.get()), 0);
  ASSERT_EQ(to_rtr(qp.get()), 0);
  const bool capable = has(EFADV_DEVICE_ATTR_CAPS_RNR_RETRY);
  EXPECT_EQ(to_rts(qp.get(), 3), capable ? 0 : EINVAL);
  if (!capable) return;
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_RNR_RETRY, &init), 0);
  EXPECT_EQ(attr.rnr_retry, 3);
}

TEST_F(QueuePair, V111_queries_tell_what_EFA_has) {
  const Qp qp = create({.send_wr = 16, .recv_wr = 16});
  ASSERT_TRUE(qp);
  ASSERT_EQ(to_init(qp.get(), 0x1234), 0);
  ibv_qp_attr attr{};
  ibv_qp_init_attr init{};
  ASSERT_EQ(ibv_query_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_QKEY | IBV_QP_CAP, &init), 0);
  EXPECT_EQ(attr.qp_state, IBV_QPS_INIT);
  EXPECT_EQ(attr.qkey, 0x1234u);
  EXPECT_EQ(attr.cap.max_send_wr, caps.max_send_wr);
  EXPECT_EQ(attr.cap.max_recv_wr, caps.max_recv_wr);
  EXPECT_EQ(init.send_cq, cq.get());
  for (const int mask : {IBV_QP_AV, IBV_QP_PATH_MTU, IBV_QP_CUR_STATE, IBV_QP_DEST_QPN})
    EXPECT_EQ(ibv_query_qp(qp.get(), &attr, mask, &init), EOPNOTSUPP) << mask;
}

TEST_F(QueuePair, V112_data_in_order_is_told_by_capability) {
  const Qp qp = create();
  ASSERT_TRUE(qp);
  // IBV_QUERY_QP_DATA_IN_ORDER_RETURN_CAPS and ..._ALIGNED_128_BYTES, which installed headers lack.
  constexpr std::uint32_t kReturnCaps = 1, kAligned128 = 1 << 1;
  const bool capable = device_limit("data_polling_128").value_or(generation().part_id >= 0xefa2);
  EXPECT_EQ(ibv_query_qp_data_in_order(qp.get(), IBV_WR_SEND, 0), 0);
  if (libibverbs_release() < 46) {  // knows no flags
    EXPECT_EQ(ibv_query_qp_data_in_order(qp.get(), IBV_WR_SEND, kReturnCaps), 0);
    return;
  }
  for (const ibv_wr_opcode op : {IBV_WR_SEND, IBV_WR_RDMA_READ, IBV_WR_RDMA_WRITE})
    EXPECT_EQ(ibv_query_qp_data_in_order(qp.get(), op, kReturnCaps),
              capable ? static_cast<int>(kAligned128) : 0)
        << op;
}

TEST_F(QueuePair, V113_efadv_query_tells_where_the_queues_are) {
  ASSERT_EQ(api().query_qp_wqs != nullptr, level() >= 59);
  if (api().query_qp_wqs == nullptr) return;
  const Qp qp = create({.send_wr = 16, .recv_wr = 5, .recv_sge = 2});
  ASSERT_TRUE(qp);
  const QpRings rings;
  efadv_wq_attr sq, rq;
  std::memset(&sq, 0xff, sizeof(sq));
  std::memset(&rq, 0xff, sizeof(rq));
  EXPECT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, 32), EINVAL);
  EXPECT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, 35), wanted_or_stock(EINVAL, 0));
  ASSERT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, 36), 0);
  EXPECT_EQ(sq.caps, 0xffff) << "beyond inlen";
  ASSERT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, sizeof(sq)), 0);
  EXPECT_EQ(sq.comp_mask, 0u);
  EXPECT_EQ(sq.buffer, reinterpret_cast<std::uint8_t*>(rings.sq_mapped_at()));
  EXPECT_EQ(sq.entry_size, 64u);
  EXPECT_EQ(sq.num_entries, caps.max_send_wr);
  EXPECT_NE(sq.doorbell, nullptr);
  EXPECT_EQ((sq.caps & EFADV_WQ_CAPS_64_BIT_REQ_ID) != 0,
            efa_uabi_create_qp_sq_64_bit_req_id(&rings.request()) != 0);
  EXPECT_EQ(rq.buffer, reinterpret_cast<std::uint8_t*>(rings.rq_mapped_at()));
  EXPECT_EQ(rq.entry_size, 16u);
  EXPECT_EQ(rq.num_entries, 16u);
  EXPECT_EQ(rq.max_batch, 16u);
  EXPECT_NE(rq.doorbell, nullptr);
}

TEST_F(QueuePair, V107_V113_the_batch_follows_from_the_device) {
  if (api().query_qp_wqs == nullptr) return;  // V107 in send.cpp looks at the doorbells
  const std::uint64_t batch =
      device_limit("max_tx_batch").value_or(generation().part_id >= 0xefa3 ? 16 : 0);
  const Qp qp = create({.send_wr = 64});
  ASSERT_TRUE(qp);
  efadv_wq_attr sq{}, rq{};
  ASSERT_EQ(api().query_qp_wqs(qp.get(), &sq, &rq, sizeof(sq)), 0);
  std::uint32_t expected = batch == 0 ? 65535 : static_cast<std::uint32_t>(batch);
  if (min_sq_depth() != 0) expected = std::min(expected, caps.max_send_wr - 1);
  EXPECT_EQ(sq.max_batch, expected);
}

TEST_F(QueuePair, V113_a_request_written_by_hand_is_sent) {
  if (api().query_qp_wqs == nullptr) return;  // V113_efadv_query_tells_where_the_queues_are
  Station self = station();
  Station peer = other_station();
  const Destination to = peer.from(self);
  efadv_wq_attr sq{}, rq{};
  ASSERT_EQ(api().query_qp_wqs(self.qp(), &sq, &rq, sizeof(sq)), 0);
  efadv_ah_attr ah{};
  ASSERT_EQ(efadv_query_ah(to.ah, &ah, sizeof(ah)), 0);
  efa_tx_wqe wqe{};
  efa_tx_meta_desc_set_meta_desc(&wqe.meta, 1);
  efa_tx_meta_desc_set_first(&wqe.meta, 1);
  efa_tx_meta_desc_set_last(&wqe.meta, 1);
  efa_tx_meta_desc_set_comp_req(&wqe.meta, 1);
  wqe.meta.dest_qp_num = static_cast<std::uint16_t>(to.qpn);
  wqe.meta.length = 1;
  wqe.meta.ah = ah.ahn;
  wqe.meta.qkey = to.qkey;
  wqe.data.sgl[0].length = 64;
  wqe.data.sgl[0].lkey = self.mr()->lkey;
  efa_tx_buf_desc_set_addr(&wqe.data.sgl[0], self.address(0));
  self.fill(0, 64, 9);
  ASSERT_EQ(peer.post_receive(5, 0, 64), 0);
  std::memcpy(sq.buffer, &wqe, sizeof(wqe));
  __atomic_store_n(sq.doorbell, 1, __ATOMIC_RELEASE);
  EXPECT_SUCCESS(peer.next_received(), 5u);
  EXPECT_TRUE(peer.holds(0, 64, 9));
}

TEST_F(QueuePair, V116_the_hint_setter_is_there_if_asked_for) {
  ASSERT_EQ(api().qp_from_ibv_qp_ex != nullptr, level() >= 64);
  if (api().qp_from_ibv_qp_ex == nullptr) return;
  const Qp with = create({.wr_flags = EFADV_WR_EX_WITH_PROCESSING_HINTS});
  const Qp without = create();
  EXPECT_NE(api().qp_from_ibv_qp_ex(ibv_qp_to_qp_ex(with.get()))->wr_set_processing_hints, nullptr);
  EXPECT_EQ(api().qp_from_ibv_qp_ex(ibv_qp_to_qp_ex(without.get()))->wr_set_processing_hints,
            nullptr);
}

TEST_F(QueuePair, V117_can_be_destroyed_while_another_thread_polls) {
  std::atomic<bool> stop{false};
  std::thread poller([&] {
    ibv_wc wc;
    while (!stop)
      if (ibv_poll_cq(cq.get(), 1, &wc) == 0) ::sched_yield();
  });
  for (int round = 0; round < 200; ++round) {
    const Qp qp = create();
    ASSERT_TRUE(qp);
    make_ready(qp.get());
    ibv_sge segment{0, 0, 0};
    ibv_recv_wr receive{1, nullptr, &segment, 1};
    ibv_recv_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &receive, &bad), 0);
  }
  stop = true;
  poller.join();
}

TEST_F(QueuePair, V117_destroyed_give_their_memory_back) {
  const std::size_t before = mappings().size();
  Qp qp = create();
  ASSERT_TRUE(qp);
  EXPECT_GT(mappings().size(), before);
  qp.reset();
  EXPECT_EQ(mappings().size(), before);
}

/// Destroys a queue pair twice; the kernel refuses the first time.
void destroy_twice() {
  const Context own = open_device(0);
  const Pd domain(ibv_alloc_pd(own.get()));
  Station self(own.get(), domain.get());
  {
    const Interception refusing([](const VerbsCall& call) {
      return call.is(UVERBS_OBJECT_QP, UVERBS_METHOD_QP_DESTROY) ? EBUSY : 0;
    });
    const std::size_t before = mappings().size();
    EXPECT_EQ(ibv_destroy_qp(self.qp()), EBUSY);
    EXPECT_EQ(mappings().size(), before);
  }
  const Destination to = self.from(self);
  ASSERT_EQ(self.post_receive(1, 0, 64), 0);
  ASSERT_EQ(self.post_send(2, to, 4096, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
}

TEST_F(QueuePair, V117_stay_where_the_kernel_refuses) {
  if (level() >= 56)
    destroy_twice();
  else  // Stock 44 takes everything down first.
    EXPECT_DEATH(destroy_twice(), "");
}

TEST_F(QueuePair, V118_completions_of_destroyed_ones_are_errors) {
  const Cq own(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  CqRing ring;
  Qp qp(create_qp(context.get(), pd.get(), own.get(), own.get(), {}));
  const Qp other(create_qp(context.get(), pd.get(), own.get(), own.get(), {}));
  ASSERT_TRUE(qp && other);
  ring.use_sub_cq(QpRings().recv_sub_cq());
  const auto number = static_cast<std::uint16_t>(qp->qp_num);
  qp.reset();
  ring.forge(ForgedReceive{.qpn = number});
  ibv_wc wc;
  EXPECT_EQ(ibv_poll_cq(own.get(), 1, &wc), -EINVAL);
  EXPECT_EQ(ibv_poll_cq(own.get(), 1, &wc), 0);
}

TEST_F(QueuePair, V121_have_no_relatives) {
  const Qp qp = create({.transport = Transport::kUd});
  ASSERT_TRUE(qp);
  ibv_gid gid{};
  EXPECT_EQ(ibv_attach_mcast(qp.get(), &gid, 0), EOPNOTSUPP);
  EXPECT_EQ(ibv_detach_mcast(qp.get(), &gid, 0), EOPNOTSUPP);
  ibv_flow_attr flow{};
  EXPECT_EQ(ibv_create_flow(qp.get(), &flow), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_ece ece{};
  EXPECT_EQ(ibv_query_ece(qp.get(), &ece), EOPNOTSUPP);
  EXPECT_EQ(ibv_set_ece(qp.get(), &ece), EOPNOTSUPP);
  ibv_qp_rate_limit_attr rate{};
  EXPECT_EQ(ibv_modify_qp_rate_limit(qp.get(), &rate), EOPNOTSUPP);
  ibv_values_ex values{};
  EXPECT_EQ(ibv_query_rt_values_ex(context.get(), &values), EOPNOTSUPP);
  ibv_srq_init_attr srq{};
  srq.attr = {16, 1, 0};
  EXPECT_EQ(ibv_create_srq(pd.get(), &srq), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_wq_init_attr wq{};
  wq.pd = pd.get();
  wq.cq = cq.get();
  EXPECT_EQ(ibv_create_wq(context.get(), &wq), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_rwq_ind_table_init_attr table{};
  EXPECT_EQ(ibv_create_rwq_ind_table(context.get(), &table), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_xrcd_init_attr xrcd{};
  xrcd.comp_mask = IBV_XRCD_INIT_ATTR_FD | IBV_XRCD_INIT_ATTR_OFLAGS;
  xrcd.fd = -1;
  EXPECT_EQ(ibv_open_xrcd(context.get(), &xrcd), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_qp_open_attr open{};
  EXPECT_EQ(ibv_open_qp(context.get(), &open), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

}  // namespace
}  // namespace efa::provider_test
