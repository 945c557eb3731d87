// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains, thread domains, parent domains (spec verbs B7.2).
#include "station.hpp"

namespace efa::provider_test {
namespace {

class ProtectionDomain : public ProviderTest {
 protected:
  ibv_td* alloc_td(std::uint32_t comp_mask = 0) {
    ibv_td_init_attr attr{comp_mask};
    return ibv_alloc_td(context.get(), &attr);
  }
  ibv_pd* alloc_parent(ibv_pd* of, ibv_td* td = nullptr, std::uint32_t comp_mask = 0) {
    ibv_parent_domain_init_attr attr{};
    attr.pd = of;
    attr.td = td;
    attr.comp_mask = comp_mask;
    return ibv_alloc_parent_domain(context.get(), &attr);
  }
  /// Before rdma-core 59 there are neither thread domains nor parent domains. True if that is so
  /// and as documented.
  bool without_domains() {
    if (level() >= 59) return false;
    EXPECT_EQ(alloc_td(), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(alloc_parent(pd.get()), nullptr);
    EXPECT_EQ(errno, EOPNOTSUPP);
    return true;
  }
};

TEST_F(ProtectionDomain, V20_can_be_allocated_up_to_the_limit) {
  std::vector<Pd> more;
  while (ibv_pd* next = ibv_alloc_pd(context.get())) more.emplace_back(next);
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(static_cast<int>(more.size()) + 1, attributes().max_pd);
}

TEST_F(ProtectionDomain, V20_in_use_cannot_be_freed) {
  const Ah ah(try_create_ah(pd.get(), gid_of(context.get())));
  ASSERT_TRUE(ah);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
}

TEST_F(ProtectionDomain, V21_with_a_parent_domain_on_it_cannot_be_freed) {
  if (without_domains()) return;
  ibv_pd* parent = alloc_parent(pd.get());
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(ibv_dealloc_pd(pd.get()), EBUSY);
  EXPECT_EQ(ibv_dealloc_pd(parent), 0);
}

TEST_F(ProtectionDomain, V22_a_thread_domain_costs_no_system_call) {
  if (without_domains()) return;
  const std::uint64_t before = verbs_calls();
  ibv_td* td = alloc_td();
  ASSERT_NE(td, nullptr);
  EXPECT_EQ(ibv_dealloc_td(td), 0);
  EXPECT_EQ(verbs_calls(), before);
}

TEST_F(ProtectionDomain, V22_a_thread_domain_takes_no_unknown_attribute) {
  if (without_domains()) return;
  EXPECT_EQ(alloc_td(1), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(ProtectionDomain, V23_a_thread_domain_in_use_cannot_be_freed) {
  if (without_domains()) return;
  ibv_td* td = alloc_td();
  ibv_pd* parent = alloc_parent(pd.get(), td);
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(ibv_dealloc_td(td), EBUSY);
  EXPECT_EQ(ibv_dealloc_pd(parent), 0);
  EXPECT_EQ(ibv_dealloc_td(td), 0);
}

TEST_F(ProtectionDomain, V24_a_parent_domain_wants_a_plain_domain_and_no_allocators) {
  if (without_domains()) return;
  const std::uint64_t before = verbs_calls();
  EXPECT_EQ(alloc_parent(nullptr), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(alloc_parent(pd.get(), nullptr, IBV_PARENT_DOMAIN_INIT_ATTR_ALLOCATORS), nullptr);
  EXPECT_EQ(errno, EOPNOTSUPP);
  ibv_pd* parent = alloc_parent(pd.get(), nullptr, IBV_PARENT_DOMAIN_INIT_ATTR_PD_CONTEXT);
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(alloc_parent(parent), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(ibv_dealloc_pd(parent), 0);
  EXPECT_EQ(verbs_calls(), before);
}

TEST_F(ProtectionDomain, V25_a_parent_domain_in_use_cannot_be_freed) {
  if (without_domains()) return;
  const Pd parent(alloc_parent(pd.get()));
  ASSERT_TRUE(parent);
  {
    ibv_cq_init_attr_ex attr{};
    attr.cqe = 16;
    attr.comp_mask = IBV_CQ_INIT_ATTR_MASK_PD;
    attr.parent_domain = parent.get();
    const Cq cq(ibv_cq_ex_to_cq(ibv_create_cq_ex(context.get(), &attr)));
    ASSERT_TRUE(cq);
    EXPECT_EQ(ibv_dealloc_pd(parent.get()), EBUSY);
  }
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(create_qp(context.get(), parent.get(), cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  EXPECT_EQ(ibv_dealloc_pd(parent.get()), EBUSY);
}

TEST_F(ProtectionDomain, V26_objects_work_in_a_parent_domain) {
  if (without_domains()) return;
  ibv_td* td = alloc_td();
  const struct { ibv_td* td; } cases[] = {{nullptr}, {td}};
  for (const auto& item : cases) {
    const Pd parent(alloc_parent(pd.get(), item.td));
    ASSERT_TRUE(parent);
    Station self = station({.parent_domain = parent.get()});
    const Destination to = self.from(self);
    for (std::uint64_t id = 0; id < 100; ++id) {
      self.fill(4096, 64, static_cast<std::uint8_t>(id));
      ASSERT_EQ(self.post_receive(id, 0, 64), 0);
      ASSERT_EQ(self.post_send(id, to, 4096, 64), 0);
      EXPECT_SUCCESS(self.next_sent(), id);
      EXPECT_SUCCESS(self.next_received(), id);
      EXPECT_TRUE(self.holds(0, 64, static_cast<std::uint8_t>(id)));
    }
  }
  EXPECT_EQ(ibv_dealloc_td(td), 0);
}

}  // namespace
}  // namespace efa::provider_test
