// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion counters (spec verbs B7.9, A5.1). Needs the headers of rdma-core 65.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../station.hpp"

namespace efa::provider_test {
namespace {

constexpr std::uint32_t kSend = IBV_QP_ATTACH_COMP_CNTR_OP_SEND;
constexpr std::uint32_t kRecv = IBV_QP_ATTACH_COMP_CNTR_OP_RECV;

struct CounterDestroyer {
  void operator()(ibv_comp_cntr* p) const { EXPECT_EQ(ibv_destroy_comp_cntr(p), 0); }
};
using CounterOwner = std::unique_ptr<ibv_comp_cntr, CounterDestroyer>;

class Counter : public ProviderTest {
 protected:
  bool capable() { return generation().part_id >= 0xefa4; }
  /// Devices without counters refuse them. True if that is so and they do.
  bool refused() {
    if (capable()) return false;
    EXPECT_EQ(create({}), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
    return true;
  }
  ibv_comp_cntr* create(ibv_comp_cntr_init_attr attr) {
    return ibv_create_comp_cntr(context.get(), &attr);
  }
  ibv_comp_cntr* create_in(efadv_comp_cntr_init_attr efa, std::uint32_t inlen = 80) {
    ibv_comp_cntr_init_attr attr{};
    return api().create_comp_cntr(context.get(), &attr, &efa, inlen);
  }
  static std::uint64_t value_of(const CounterOwner& counter) {
    std::uint64_t value = ~std::uint64_t{0};
    EXPECT_EQ(ibv_read_comp_cntr(counter.get(), &value), 0);
    return value;
  }
  static std::uint64_t errors_of(const CounterOwner& counter) {
    std::uint64_t value = ~std::uint64_t{0};
    EXPECT_EQ(ibv_read_err_comp_cntr(counter.get(), &value), 0);
    return value;
  }
  static int attach(ibv_qp* qp, const CounterOwner& counter, std::uint32_t ops) {
    ibv_qp_attach_comp_cntr_attr attr{0, ops};
    return ibv_qp_attach_comp_cntr(qp, counter.get(), &attr);
  }
  Cq cq{ibv_create_cq(context.get(), 64, nullptr, nullptr, 0)};
  Qp fresh_qp() { return Qp(create_qp(context.get(), pd.get(), cq.get(), cq.get(), {})); }
};

TEST_F(Counter, V180_capabilities_are_those_of_the_device) {
  ibv_comp_cntr_caps caps{};
  const int error = ibv_query_comp_cntr_caps(context.get(), &caps);
  if (!capable()) {
    EXPECT_EQ(error, EOPNOTSUPP);
    return;
  }
  ASSERT_EQ(error, 0);
  EXPECT_EQ(caps.max_counters, 512u);
  EXPECT_EQ(caps.max_value, ~std::uint64_t{0});
  EXPECT_EQ(caps.supported_qp_attach_ops & (kSend | kRecv), kSend | kRecv);
}

TEST_F(Counter, V181_can_be_created_and_start_at_0) {
  if (refused()) return;
  const CounterOwner counter(create({}));
  ASSERT_TRUE(counter) << std::strerror(errno);
  EXPECT_EQ(value_of(counter), 0u);
  EXPECT_EQ(errors_of(counter), 0u);
}

TEST_F(Counter, V181_count_requests_and_take_no_unknown_attribute) {
  if (refused()) return;
  EXPECT_EQ(create({1, IBV_COMP_CNTR_TYPE_WRS, 0}), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(create({0, IBV_COMP_CNTR_TYPE_BYTES, 0}), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(create({0, IBV_COMP_CNTR_TYPE_WRS, 1}), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(Counter, V182_can_lie_in_memory_of_the_caller) {
  ASSERT_NE(api().create_comp_cntr, nullptr);
  if (refused()) return;
  alignas(8) std::uint64_t values[2] = {7, 8};
  efadv_comp_cntr_init_attr attr{};
  attr.flags =
      EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM | EFADV_COMP_CNTR_INIT_WITH_ERR_EXTERNAL_MEM;
  attr.comp_cntr_ext_mem.ptr = reinterpret_cast<std::uint8_t*>(&values[0]);
  attr.err_cntr_ext_mem.ptr = reinterpret_cast<std::uint8_t*>(&values[1]);
  const CounterOwner counter(create_in(attr));
  ASSERT_TRUE(counter) << std::strerror(errno);
  ASSERT_EQ(ibv_set_comp_cntr(counter.get(), 5), 0);
  ASSERT_EQ(ibv_set_err_comp_cntr(counter.get(), 6), 0);
  const volatile std::uint64_t* seen = values;
  EXPECT_TRUE(wait_until([&] { return seen[0] == 5 && seen[1] == 6; }));
  EXPECT_EQ(value_of(counter), 5u);
  EXPECT_EQ(errors_of(counter), 6u);
}

TEST_F(Counter, V182_V184_in_a_DMA_buffer_is_read_through_its_address) {
  if (refused()) return;
  const int fd = ::memfd_create("counter", MFD_ALLOW_SEALING);
  ASSERT_EQ(::ftruncate(fd, 4096), 0);
  ASSERT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  auto* at =
      static_cast<std::uint8_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  efadv_comp_cntr_init_attr attr{};
  attr.flags = EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM;
  attr.comp_cntr_ext_mem.type = EFADV_MEMORY_LOCATION_DMABUF;
  attr.comp_cntr_ext_mem.dmabuf.fd = fd;
  attr.comp_cntr_ext_mem.dmabuf.offset = 64;
  for (std::uint8_t* ptr : {at + 64, static_cast<std::uint8_t*>(nullptr)}) {
    attr.comp_cntr_ext_mem.ptr = ptr;
    const CounterOwner counter(create_in(attr));
    ASSERT_TRUE(counter) << std::strerror(errno);
    ASSERT_EQ(ibv_set_comp_cntr(counter.get(), 11), 0);
    const auto* seen = reinterpret_cast<volatile std::uint64_t*>(at + 64);
    EXPECT_TRUE(wait_until([&] { return *seen == 11; }));
    std::uint64_t value = 0;
    EXPECT_EQ(ibv_read_comp_cntr(counter.get(), &value), ptr != nullptr ? 0 : EOPNOTSUPP);
    EXPECT_EQ(errors_of(counter), 0u);
    ASSERT_EQ(ibv_set_comp_cntr(counter.get(), 0), 0);
    EXPECT_TRUE(wait_until([&] { return *seen == 0; }));
  }
  ::close(fd);
}

TEST_F(Counter, V182_attributes_are_checked) {
  if (refused()) return;
  efadv_comp_cntr_init_attr attr{};
  EXPECT_EQ(create_in(attr, 40), nullptr);
  EXPECT_EQ(errno, EINVAL);
  // Stock libraries are content with the beginning of the last member.
  EXPECT_EQ(CounterOwner(create_in(attr, 79)) == nullptr, ours());
  attr.flags = 1 << 2;
  EXPECT_EQ(create_in(attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  attr.flags = EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM;
  attr.comp_cntr_ext_mem.type = 2;
  EXPECT_EQ(create_in(attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  attr = {};
  attr.comp_mask = 1;
  EXPECT_EQ(create_in(attr), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(Counter, V182_misaligned_memory_is_refused) {
  if (refused()) return;
  alignas(8) std::uint8_t room[16];
  efadv_comp_cntr_init_attr attr{};
  attr.flags = EFADV_COMP_CNTR_INIT_WITH_COMP_EXTERNAL_MEM;
  attr.comp_cntr_ext_mem.ptr = room + 4;
  EXPECT_EQ(create_in(attr), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Counter, V183_can_be_set_and_raised) {
  if (refused()) return;
  const CounterOwner counter(create({}));
  ASSERT_TRUE(counter);
  ASSERT_EQ(ibv_set_comp_cntr(counter.get(), 100), 0);
  ASSERT_EQ(ibv_inc_comp_cntr(counter.get(), 23), 0);
  ASSERT_EQ(ibv_set_err_comp_cntr(counter.get(), 7), 0);
  ASSERT_EQ(ibv_inc_err_comp_cntr(counter.get(), 1), 0);
  EXPECT_TRUE(wait_until([&] { return value_of(counter) == 123 && errors_of(counter) == 8; }));
}

TEST_F(Counter, V184_reading_costs_no_system_call) {
  if (refused()) return;
  const CounterOwner counter(create({}));
  ASSERT_TRUE(counter);
  const std::uint64_t before = verbs_calls();
  value_of(counter);
  errors_of(counter);
  EXPECT_EQ(verbs_calls(), before);
}

TEST_F(Counter, V119_V185_count_the_completions_of_a_queue_pair) {
  if (refused()) return;
  const CounterOwner sends(create({})), receives(create({}));
  Station peer = other_station();
  const Qp qp = fresh_qp();
  ASSERT_TRUE(qp && sends && receives);
  ASSERT_EQ(attach(qp.get(), sends, kSend), 0);
  ASSERT_EQ(attach(qp.get(), receives, kRecv), 0);
  make_ready(qp.get());
  const Ah ah(try_create_ah(pd.get(), gid_of(other_context.get())));
  ibv_sge segment = peer.sge(0, 0);
  for (std::uint64_t id = 0; id < 10; ++id) {
    ASSERT_EQ(peer.post_receive(id, 0, 64), 0);
    ibv_send_wr wr = peer.send_wr(id, {ah.get(), peer.qp()->qp_num}, &segment, 0);
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(qp.get(), &wr, &bad), 0);
    EXPECT_SUCCESS(next_completion(cq.get()), id);
    EXPECT_SUCCESS(peer.next_received(), id);
  }
  EXPECT_TRUE(wait_until([&] { return value_of(sends) == 10; }));
  EXPECT_EQ(errors_of(sends), 0u);
  EXPECT_EQ(value_of(receives), 0u);
}

TEST_F(Counter, V185_attached_counters_stay) {
  if (refused()) return;
  const CounterOwner counter(create({})), second(create({}));
  Qp qp = fresh_qp();
  ASSERT_TRUE(qp && counter && second);
  EXPECT_EQ(attach(qp.get(), counter, 0), EINVAL);
  EXPECT_EQ(attach(qp.get(), counter, 1u << 20), EINVAL);
  ASSERT_EQ(attach(qp.get(), counter, kSend), 0);
  EXPECT_EQ(attach(qp.get(), second, kSend | kRecv), EBUSY);
  EXPECT_EQ(attach(qp.get(), second, kRecv), 0);
  EXPECT_EQ(ibv_destroy_comp_cntr(counter.get()), EBUSY);
  qp.reset();  // lets both go
}

TEST_F(Counter, V185_a_queue_pair_that_runs_takes_none) {
  if (refused()) return;
  const CounterOwner counter(create({}));
  const Qp qp = fresh_qp();
  ASSERT_TRUE(qp && counter);
  make_ready(qp.get());
  EXPECT_EQ(attach(qp.get(), counter, kSend), EINVAL);
}

}  // namespace
}  // namespace efa::provider_test
