// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Creating and destroying completion queues, and arming them (spec verbs B7.5, V50 - V68).
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "doorbell_trap.hpp"
#include "station.hpp"

namespace efa::provider_test {
namespace {

constexpr std::uint64_t kStandardFlags = IBV_WC_STANDARD_FLAGS;

class CompletionQueue : public ProviderTest {
 protected:
  ibv_cq* create(int cqe, ibv_comp_channel* channel = nullptr, int vector = 0) {
    return ibv_create_cq(context.get(), cqe, nullptr, channel, vector);
  }
  ibv_cq* create_ex(ibv_cq_init_attr_ex attr) {
    if (attr.cqe == 0) attr.cqe = 16;
    ibv_cq_ex* cq = ibv_create_cq_ex(context.get(), &attr);
    return cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq);
  }
  ibv_cq* create_efa(const efadv_cq_init_attr& efa,
                     std::uint32_t inlen = sizeof(efadv_cq_init_attr),
                     ibv_cq_init_attr_ex attr = {}) {
    if (attr.cqe == 0) attr.cqe = 16;
    efadv_cq_init_attr copy = efa;
    ibv_cq_ex* cq = efadv_create_cq(context.get(), &attr, &copy, inlen);
    return cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq);
  }
  /// errno of a creation, 0 if it worked.
  static int error_of(ibv_cq* cq) { return Cq(cq) ? 0 : errno; }
  bool has_events() { return device_limit("max_eq").value_or(1) != 0; }
};

TEST_F(CompletionQueue, V50_has_a_power_of_two_of_entries) {
  for (const auto& [asked, given] : {std::pair{1, 1}, {5, 8}, {16, 16}, {1000, 1024}}) {
    const Cq cq(create(asked));
    ASSERT_TRUE(cq) << asked;
    EXPECT_EQ(cq->cqe, given);
  }
}

TEST_F(CompletionQueue, V51_beyond_the_limits_is_invalid) {
  EXPECT_EQ(error_of(create(attributes().max_cqe)), 0);
  EXPECT_EQ(error_of(create(attributes().max_cqe + 1)), EINVAL);
  EXPECT_EQ(error_of(create(16, nullptr, context->num_comp_vectors)), EINVAL);
  EXPECT_EQ(error_of(create(-1)), EINVAL);
}

TEST_F(CompletionQueue, V52_without_entries_is_invalid) {
  // B11 P6: stock libraries round 0 up to 1.
  EXPECT_EQ(error_of(create(0)), wanted_or_stock(EINVAL, 0));
  ibv_cq_init_attr_ex attr{};
  ibv_cq_ex* cq = ibv_create_cq_ex(context.get(), &attr);
  const Cq owner(cq == nullptr ? nullptr : ibv_cq_ex_to_cq(cq));
  EXPECT_EQ(cq == nullptr, ours());
  if (ours()) {
    EXPECT_EQ(errno, EINVAL);
  }
}

TEST_F(CompletionQueue, V53_has_entries_of_32_bytes) {
  const Cq cq(create(16));
  ASSERT_TRUE(cq);
  EXPECT_EQ(CqRing().entry_size(), since(56, 32u, 16u));
  const Cq with_sgid(create_efa({0, EFADV_WC_EX_WITH_SGID, 0, {}}, 16));
  ASSERT_TRUE(with_sgid);
  EXPECT_EQ(CqRing().entry_size(), 32u);
}

TEST_F(CompletionQueue, V54_takes_each_standard_flag_and_no_other) {
  for (int bit = 0; bit < 16; ++bit) {
    ibv_cq_init_attr_ex attr{};
    attr.wc_flags = std::uint64_t{1} << bit;
    const bool standard = (attr.wc_flags & kStandardFlags) != 0;
    EXPECT_EQ(error_of(create_ex(attr)), standard ? 0 : EOPNOTSUPP) << "wc_flags bit " << bit;
  }
}

TEST_F(CompletionQueue, V54_takes_a_parent_domain_and_flags_from_59_on) {
  ibv_cq_init_attr_ex attr{};
  attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS;
  attr.flags = 0;
  EXPECT_EQ(error_of(create_ex(attr)), since(59, 0, EOPNOTSUPP));
  attr.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
  EXPECT_EQ(error_of(create_ex(attr)), since(60, 0, EOPNOTSUPP));
  attr.flags = IBV_CREATE_CQ_ATTR_IGNORE_OVERRUN;
  EXPECT_EQ(error_of(create_ex(attr)), EOPNOTSUPP);
  attr.comp_mask = 1 << 5;
  EXPECT_NE(error_of(create_ex(attr)), 0);
}

TEST_F(CompletionQueue, V55_wants_a_parent_domain_where_one_is_announced) {
  ibv_cq_init_attr_ex attr{};
  attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
  attr.parent_domain = pd.get();
  EXPECT_EQ(error_of(create_ex(attr)), since(59, EINVAL, EOPNOTSUPP));
}

TEST_F(CompletionQueue, V56_needs_events_for_a_channel) {
  const Channel channel(ibv_create_comp_channel(context.get()));
  ASSERT_TRUE(channel);
  EXPECT_EQ(error_of(create(16, channel.get())), has_events() ? 0 : EOPNOTSUPP);
  EXPECT_EQ(error_of(create(16)), 0);
}

TEST_F(CompletionQueue, V57_works_on_every_vector) {
  if (!has_events()) {
    EXPECT_EQ(context->num_comp_vectors, 1);
    return;
  }
  for (int vector = 0; vector < context->num_comp_vectors; ++vector) {
    const Channel channel(ibv_create_comp_channel(context.get()));
    const Cq cq(create(16, channel.get(), vector));
    ASSERT_TRUE(cq) << vector;
    const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
    ASSERT_TRUE(qp);
    ASSERT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
    make_ready(qp.get());
    ibv_recv_wr receive{1, nullptr, nullptr, 0};
    ibv_recv_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_recv(qp.get(), &receive, &bad), 0);
    Station sender = station();
    const Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
    ASSERT_EQ(sender.post_send(2, {ah.get(), qp->qp_num}, 0, 0), 0);
    // A stock library forgets receives without segments (V164): then the sender's queue has the
    // message for ever, and it is flushed here.
    if (!ours()) {
      ASSERT_EQ(to_state(sender.qp(), IBV_QPS_ERR), 0);
    }
    sender.next_sent();
    if (!ours()) continue;
    ibv_cq* which = nullptr;
    void* user = nullptr;
    ASSERT_EQ(ibv_get_cq_event(channel.get(), &which, &user), 0);
    EXPECT_EQ(which, cq.get());
    ibv_ack_cq_events(which, 1);
  }
}

TEST_F(CompletionQueue, V58_has_a_doorbell_only_where_the_kernel_gives_one) {
  const auto mapped = [] {
    const Doorbell doorbell = CqRing().doorbell();
    return find_mapping(doorbell.fd, doorbell.page) != nullptr;
  };
  const std::size_t none = mappings().size();
  const Cq plain(create(16));
  EXPECT_EQ(mappings().size(), none + (CqRing().has_doorbell() ? 2 : 1));
  if (!has_events()) return;
  const Channel channel(ibv_create_comp_channel(context.get()));
  const Cq with_channel(create(16, channel.get()));
  EXPECT_TRUE(CqRing().has_doorbell());
  EXPECT_TRUE(mapped());
  // An older kernel tells of none.
  const Interception old([](const VerbsCall&) { return 0; },
                         [](const VerbsCall& call) {
                           if (!call.is(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE)) return;
                           auto out = call.bytes(UVERBS_ATTR_UHW_OUT);
                           std::fill_n(out.begin(), 4, std::byte{0});  // comp_mask
                         });
  const std::size_t before = mappings().size();
  const Cq without(create(16));
  ASSERT_TRUE(without);
  EXPECT_EQ(mappings().size(), before + 1) << "the ring alone";
}

TEST_F(CompletionQueue, V59_efadv_takes_flags_by_capability) {
  EXPECT_EQ(error_of(create_efa({0, EFADV_WC_EX_WITH_SGID, 0, {}}, 16)), 0);
  const bool unsolicited = (efa_attributes_of(context.get()).device_caps &
                            EFADV_DEVICE_ATTR_CAPS_UNSOLICITED_WRITE_RECV) != 0;
  EXPECT_EQ(error_of(create_efa({0, EFADV_WC_EX_WITH_IS_UNSOLICITED, 0, {}}, 16)),
            unsolicited ? 0 : EOPNOTSUPP);
  EXPECT_EQ(error_of(create_efa({0, 1 << 2, 0, {}}, 16)), EOPNOTSUPP);
}

TEST_F(CompletionQueue, V59_efadv_checks_the_attributes_room) {
  EXPECT_EQ(error_of(create_efa({}, 8)), EINVAL);
  EXPECT_EQ(error_of(create_efa({1, 0, 0, {}}, 16)), EINVAL);
  EXPECT_EQ(error_of(create_efa({}, 16)), 0);
  EXPECT_EQ(error_of(create_efa({}, sizeof(efadv_cq_init_attr))), 0);
  struct {
    efadv_cq_init_attr attr;
    std::uint64_t beyond;
  } room{};
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 16;
  room.beyond = 1;
  EXPECT_EQ(efadv_create_cq(context.get(), &attr, &room.attr, sizeof(room)), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

/// A file in memory that stands for a DMA buffer.
int sealed_memory(std::size_t bytes) {
  const int fd = ::memfd_create("ring", MFD_ALLOW_SEALING);
  EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  return fd;
}

efadv_cq_init_attr external(int fd, void* buffer, std::uint64_t length, std::uint64_t offset = 0) {
  efadv_cq_init_attr attr{};
  attr.flags = EFADV_CQ_INIT_FLAGS_EXT_MEM_DMABUF;
  attr.ext_mem_dmabuf.buffer = static_cast<std::uint8_t*>(buffer);
  attr.ext_mem_dmabuf.length = length;
  attr.ext_mem_dmabuf.offset = offset;
  attr.ext_mem_dmabuf.fd = fd;
  return attr;
}

TEST_F(CompletionQueue, V60_can_lie_in_memory_of_the_caller) {
  constexpr std::size_t kBytes = 65536;
  const int fd = sealed_memory(kBytes);
  void* at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (level() < 59) {
    // Unknown bytes that are not 0.
    EXPECT_EQ(error_of(create_efa(external(fd, at, kBytes))), EINVAL);
    ::close(fd);
    return;
  }
  EXPECT_EQ(error_of(create_efa(external(fd, at, 4095))), EINVAL);
  ibv_cq_init_attr_ex attr{};
  attr.cqe = 200;  // 256 x 32 bytes x sub-CQs = two pages or more
  EXPECT_EQ(error_of(create_efa(external(fd, at, 4096), sizeof(efadv_cq_init_attr), attr)), EINVAL);
  attr.cqe = 16;
  const Cq cq(create_efa(external(fd, at, kBytes), sizeof(efadv_cq_init_attr), attr));
  ASSERT_TRUE(cq) << std::strerror(errno);
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  make_ready(qp.get());
  Station target = station();
  const Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ibv_sge segment = target.sge(0, 8);
  for (std::uint64_t id = 0; id < 50; ++id) {
    ASSERT_EQ(target.post_receive(id, 4096, 8), 0);
    ibv_send_wr wr = target.send_wr(id, {ah.get(), target.qp()->qp_num}, &segment, 1);
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(qp.get(), &wr, &bad), 0);
    EXPECT_SUCCESS(next_completion(cq.get()), id);
    EXPECT_SUCCESS(target.next_received(), id);
  }
  ::close(fd);
}

TEST_F(CompletionQueue, V60_without_address_is_not_polled) {
  if (level() < 59) return;  // V60_can_lie_in_memory_of_the_caller says how that is refused
  const int fd = sealed_memory(4096);
  const Cq cq(create_efa(external(fd, nullptr, 4096)));
  ASSERT_TRUE(cq) << std::strerror(errno);
  ibv_wc wc{};
  if (ours())
    EXPECT_LE(ibv_poll_cq(cq.get(), 1, &wc), 0);
  else
    EXPECT_EXIT(ibv_poll_cq(cq.get(), 1, &wc), ::testing::KilledBySignal(SIGSEGV), "");
  efadv_cq_attr attr{};
  ASSERT_EQ(api().query_cq(cq.get(), &attr, sizeof(attr)), 0);
  EXPECT_EQ(attr.buffer, nullptr);
  ::close(fd);
}

TEST_F(CompletionQueue, V60_an_older_kernel_cannot_take_memory_of_the_caller) {
  if (level() < 59) return;  // as above
  const int fd = sealed_memory(4096);
  for (const int error : {EPROTONOSUPPORT, ENOTTY}) {
    const Interception old([&](const VerbsCall& call) {
      return call.is(UVERBS_OBJECT_CQ, UVERBS_METHOD_CQ_CREATE) ? error : 0;
    });
    EXPECT_EQ(error_of(create_efa(external(fd, nullptr, 4096))), EOPNOTSUPP);
  }
  ::close(fd);
}

TEST_F(CompletionQueue, V61_without_doorbell_cannot_be_armed) {
  const Cq cq(create(16));
  ASSERT_TRUE(cq);
  if (CqRing().has_doorbell()) {
    EXPECT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
    return;
  }
  if (ours())
    EXPECT_EQ(ibv_req_notify_cq(cq.get(), 0), EOPNOTSUPP);
  else  // B11 P3
    EXPECT_EXIT(ibv_req_notify_cq(cq.get(), 0), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(CompletionQueue, V62_efadv_refuses_unknown_flags) {
  // Before 59 the member did not exist: unknown bytes that are not 0. Since then stock libraries
  // ignore what they do not know (B11 P5).
  EXPECT_EQ(error_of(create_efa({0, 0, 1 << 1, {}})), ours() ? EOPNOTSUPP : since(59, 0, EINVAL));
}

TEST_F(CompletionQueue, V63_efadv_query_tells_where_the_ring_is) {
  const Cq cq(create(100));
  ASSERT_TRUE(cq);
  ASSERT_EQ(api().query_cq != nullptr, level() >= 59);
  if (api().query_cq == nullptr) return;
  CqRing ring;
  efadv_cq_attr attr;
  std::memset(&attr, 0xff, sizeof(attr));
  EXPECT_EQ(api().query_cq(cq.get(), &attr, 23), wanted_or_stock(EINVAL, 0));
  ASSERT_EQ(api().query_cq(cq.get(), &attr, 24), 0);
  EXPECT_EQ(attr.comp_mask, 0u);
  EXPECT_EQ(attr.entry_size, 32u);
  EXPECT_EQ(attr.num_entries, 128u);
  EXPECT_EQ(attr.doorbell, reinterpret_cast<std::uint32_t*>(~std::uintptr_t{0})) << "beyond inlen";
  ASSERT_EQ(api().query_cq(cq.get(), &attr, sizeof(attr)), 0);
  EXPECT_EQ(attr.doorbell != nullptr, ring.has_doorbell());
  EXPECT_EQ(attr.buffer, reinterpret_cast<std::uint8_t*>(ring.mapped_at()));
}

TEST_F(CompletionQueue, V64_of_efadv_names_its_context_in_events) {
  if (!has_events()) return;  // V56
  Channel channel(ibv_create_comp_channel(context.get()));
  int mine = 0;
  ibv_cq_init_attr_ex attr{};
  attr.cq_context = &mine;
  attr.channel = channel.get();
  {
    const Cq cq(create_efa({}, 16, attr));
    ASSERT_TRUE(cq);
    EXPECT_EQ(cq->cq_context, wanted_or_stock<void*>(&mine, nullptr));
    EXPECT_EQ(cq->channel, wanted_or_stock<ibv_comp_channel*>(channel.get(), nullptr));
    if (ours()) {
      EXPECT_EQ(ibv_destroy_comp_channel(channel.get()), EBUSY);
    }
  }
}

TEST_F(CompletionQueue, V65_in_use_stays) {
  const Cq cq(create(16));
  ASSERT_TRUE(cq);
  const Qp qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  const std::size_t before = mappings().size();
  EXPECT_EQ(ibv_destroy_cq(cq.get()), EBUSY);
  // Stock 44 has unmapped the ring by then, so that polling is not possible any more.
  EXPECT_EQ(mappings().size(), since(56, before, before - 1));
  if (level() < 56) return;
  ibv_wc wc;
  EXPECT_EQ(ibv_poll_cq(cq.get(), 1, &wc), 0);
}

TEST_F(CompletionQueue, V65_destroyed_gives_its_memory_back) {
  const std::size_t before = mappings().size();
  Channel channel;
  if (has_events()) channel.reset(ibv_create_comp_channel(context.get()));
  Cq cq(create(16, channel.get()));
  ASSERT_TRUE(cq);
  EXPECT_EQ(mappings().size(), before + (CqRing().has_doorbell() ? 2 : 1));
  cq.reset();
  EXPECT_EQ(mappings().size(), before);
}

TEST_F(CompletionQueue, V66_cannot_be_changed) {
  const Cq cq(create(16));
  ASSERT_TRUE(cq);
  EXPECT_EQ(ibv_resize_cq(cq.get(), 32), EOPNOTSUPP);
  ibv_modify_cq_attr attr{};
  attr.attr_mask = IBV_CQ_ATTR_MODERATE;
  EXPECT_EQ(ibv_modify_cq(cq.get(), &attr), EOPNOTSUPP);
}

class Notification : public CompletionQueue {
 protected:
  void SetUp() override {
    if (!has_events()) return;
    channel.reset(ibv_create_comp_channel(context.get()));
    cq.reset(create(64, channel.get()));
    ring.emplace();
    qp.reset(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {}));
    ASSERT_TRUE(cq && qp);
  }
  Channel channel;
  Cq cq;
  std::optional<CqRing> ring;
  Qp qp;
};

TEST_F(Notification, V67_is_not_for_solicited_completions_alone) {
  if (!has_events()) return;
  EXPECT_EQ(ibv_req_notify_cq(cq.get(), 1), EOPNOTSUPP);
}

TEST_F(Notification, V67_V68_arming_tells_consumer_count_and_command_number) {
  if (!has_events()) return;
  const DoorbellTrap trap(ring->doorbell());
  ASSERT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
  const std::vector<std::uint32_t> values = trap.values();
  ASSERT_EQ(values.size(), 1u);
  EXPECT_EQ(efa_cq_doorbell_arm(values[0]), 1u);
  EXPECT_EQ(efa_cq_doorbell_cmd_sn(values[0]), 0u);
  EXPECT_EQ(efa_cq_doorbell_consumer_index(values[0]), 0u);
}

TEST_F(Notification, V68_the_command_number_counts_events) {
  if (!has_events()) return;
  make_ready(qp.get());
  Station peer = station();
  const Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ibv_sge segment = peer.sge(0, 8);
  for (std::uint32_t round = 0; round < 6; ++round) {
    std::vector<std::uint32_t> values;
    {
      const DoorbellTrap trap(ring->doorbell());
      ASSERT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
      values = trap.values();
    }
    ASSERT_EQ(values.size(), 1u);
    EXPECT_EQ(efa_cq_doorbell_cmd_sn(values[0]), round % 4);
    EXPECT_EQ(efa_cq_doorbell_consumer_index(values[0]), round);
    ASSERT_EQ(peer.post_receive(round, 4096, 8), 0);
    ibv_send_wr wr = peer.send_wr(round, {ah.get(), peer.qp()->qp_num}, &segment, 1);
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(qp.get(), &wr, &bad), 0);
    ibv_cq* which = nullptr;
    void* user = nullptr;
    ASSERT_EQ(ibv_get_cq_event(channel.get(), &which, &user), 0);
    ibv_ack_cq_events(which, 1);
    EXPECT_SUCCESS(next_completion(cq.get()), round);
    EXPECT_SUCCESS(peer.next_received(), round);
  }
}

TEST_F(CompletionQueue, P7_a_mapping_that_fails_leaves_its_errno) {
  const std::size_t before = mappings().size();
  const Interception failing([](const VerbsCall&) { return 0; }, {}, [] { return ENOMEM; });
  errno = 0;
  EXPECT_EQ(create(16), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(mappings().size(), before);
}

}  // namespace
}  // namespace efa::provider_test
