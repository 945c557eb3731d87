// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Where locks are taken and where not (spec verbs V74, V120, B7.10). A session of the builder or
/// of ibv_start_poll holds its lock until it ends, so a second one tells whether there is a lock.
#include <atomic>
#include <thread>

#include "station.hpp"

namespace efa::provider_test {
namespace {

class Locking : public ProviderTest {
 protected:
  /// Libraries before 59 have neither thread domains nor flags: V22, V24, V54 say how they refuse.
  bool elides() { return level() >= 59; }
  void SetUp() override {
    if (!elides()) return;
    ibv_td_init_attr attr{};
    td = ibv_alloc_td(context.get(), &attr);
    parent = parent_of(td);
    plain_parent = parent_of(nullptr);
  }
  void TearDown() override {
    if (!elides()) return;
    EXPECT_EQ(ibv_dealloc_pd(parent), 0);
    EXPECT_EQ(ibv_dealloc_pd(plain_parent), 0);
    EXPECT_EQ(ibv_dealloc_td(td), 0);
  }
  ibv_pd* parent_of(ibv_td* domain) {
    ibv_parent_domain_init_attr attr{};
    attr.pd = pd.get();
    attr.td = domain;
    return ibv_alloc_parent_domain(context.get(), &attr);
  }
  ibv_td* td = nullptr;
  ibv_pd *parent = nullptr, *plain_parent = nullptr;
  ibv_poll_cq_attr none{};

  /// Two completions in the receive CQ.
  static void put_two(Station& self) {
    ASSERT_EQ(self.post_receives(1, 2, 0, 64), 0);
    for (std::uint32_t i = 0; i < 2; ++i)
      self.recv_ring().forge(ForgedReceive{.qpn = static_cast<std::uint16_t>(self.qp()->qp_num),
                                           .req_id = self.rings().receive_descriptor(i).req_id});
  }

  /// Calls `enter` in another thread while this one is in a session that `leave` ends.
  static bool waits(const std::function<void()>& enter, const std::function<void()>& leave) {
    std::atomic<bool> started{false}, entered{false};
    std::thread other([&] {
      started = true;
      enter();
      entered = true;
    });
    while (!started) ::sched_yield();
    // Nobody tells that a thread spins; one without a lock has entered long before this ends.
    for (int i = 0; i < 2000 && !entered; ++i) ::sched_yield();
    const bool waited = !entered;
    leave();
    other.join();
    return waited;
  }
};

TEST_F(Locking, V74_a_queue_of_one_thread_is_polled_without_lock) {
  if (!elides()) return;
  Station flagged = station({.cq_comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS,
                             .cq_flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED});
  Station in_domain = station({.parent_domain = parent});
  for (Station* self : {&flagged, &in_domain}) {
    put_two(*self);
    ASSERT_EQ(ibv_start_poll(self->recv_cq_ex(), &none), 0);
    EXPECT_EQ(self->recv_cq_ex()->wr_id, 1u);
    ASSERT_EQ(ibv_start_poll(self->recv_cq_ex(), &none), 0);  // would not return
    EXPECT_EQ(self->recv_cq_ex()->wr_id, 2u);
    ibv_end_poll(self->recv_cq_ex());
  }
}

TEST_F(Locking, V74_any_other_queue_is_polled_with_lock) {
  Station plain = station();
  std::vector<Station*> stations{&plain};
  std::optional<Station> without_thread;
  if (elides()) {
    without_thread.emplace(context.get(), pd.get(), StationSpec{.parent_domain = plain_parent});
    stations.push_back(&*without_thread);
  }
  for (Station* self : stations) {
    put_two(*self);
    ASSERT_EQ(ibv_start_poll(self->recv_cq_ex(), &none), 0);
    EXPECT_TRUE(waits(
        [&] {
          EXPECT_EQ(ibv_start_poll(self->recv_cq_ex(), &none), 0);
          ibv_end_poll(self->recv_cq_ex());
        },
        [&] { ibv_end_poll(self->recv_cq_ex()); }));
  }
}

TEST_F(Locking, V120_queues_of_one_domain_and_thread_are_built_without_lock) {
  if (!elides()) return;
  Station self = station({.parent_domain = parent});
  ibv_wr_start(self.builder());
  ibv_wr_start(self.builder());  // would not return
  ibv_wr_abort(self.builder());
  const Destination to = self.from(self);
  ASSERT_EQ(self.post_receive(1, 0, 64), 0);
  ASSERT_EQ(self.post_send(2, to, 4096, 64), 0);
  EXPECT_SUCCESS(self.next_sent(), 2u);
}

// Upstream also wants the completion queue in the same domain. Ours does not: posting and
// completing share no lock, so who polls does not matter.
TEST_F(Locking, V120_the_completion_queue_may_be_anywhere) {
  if (!elides()) return;
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  const Qp qp(create_qp(context.get(), parent, cq.get(), cq.get(), {}));
  ASSERT_TRUE(qp);
  ibv_qp_ex* builder = ibv_qp_to_qp_ex(qp.get());
  ibv_wr_start(builder);
  const auto second = [&] {
    ibv_wr_start(builder);
    ibv_wr_abort(builder);
  };
  if (ours())
    second();  // would not return
  else
    EXPECT_TRUE(waits(second, [&] { ibv_wr_abort(builder); }));
}

TEST_F(Locking, V120_queues_without_thread_domain_keep_the_lock) {
  const Cq cq(ibv_create_cq(context.get(), 16, nullptr, nullptr, 0));
  for (ibv_pd* domain : {pd.get(), elides() ? plain_parent : pd.get()}) {
    const Qp qp(create_qp(context.get(), domain, cq.get(), cq.get(), {}));
    ASSERT_TRUE(qp);
    ibv_qp_ex* builder = ibv_qp_to_qp_ex(qp.get());
    ibv_wr_start(builder);
    EXPECT_TRUE(waits(
        [&] {
          ibv_wr_start(builder);
          ibv_wr_abort(builder);
        },
        [&] { ibv_wr_abort(builder); }));
  }
}

}  // namespace
}  // namespace efa::provider_test
