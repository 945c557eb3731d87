// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Many threads on shared queues (spec verbs B7.10, V117, V120), for ThreadSanitizer above all.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "fake/objects.hpp"

namespace efa::fake {
namespace {

/// The device at work, in a thread of its own.
class RunningDevice {
 public:
  ~RunningDevice() {
    stop_ = true;
    thread_.join();
  }

 private:
  void run() {
    while (!stop_) {
      kernel().for_each_qp([](DeviceQp& qp) { qp.serve(); });
      ::sched_yield();
    }
  }
  std::atomic<bool> stop_{false};
  std::thread thread_{[this] { run(); }};
};

int bring_up(ibv_qp* qp) {
  for (const ibv_qp_state state : {IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS}) {
    if (const int error = move_to(qp, state)) return error;
  }
  return 0;
}

int post_one_send(const Station& station, ibv_qp* qp, std::uint64_t wr_id) {
  ibv_send_wr wr{}, *bad = nullptr;
  wr.wr_id = wr_id;
  wr.send_flags = IBV_SEND_SIGNALED;
  wr.opcode = IBV_WR_SEND;
  wr.wr.ud.ah = station.ah();
  return post_send(qp, &wr, &bad);
}
int build_one_send(const Station& station, ibv_qp* base, std::uint64_t wr_id) {
  ibv_qp_ex* qp = &Qp::of(base).verbs.qp_ex;
  qp->wr_start(qp);
  qp->wr_id = wr_id;
  qp->wr_flags = IBV_SEND_SIGNALED;
  qp->wr_send(qp);
  qp->wr_set_ud_addr(qp, station.ah(), 1, 1);
  qp->wr_set_sge_list(qp, 0, nullptr);
  return qp->wr_complete(qp);
}
int post_one_receive(ibv_qp* qp, std::uint64_t wr_id) {
  ibv_recv_wr wr{}, *bad = nullptr;
  wr.wr_id = wr_id;
  return post_recv(qp, &wr, &bad);
}

/// Repeats `post` while the queue is full.
void insist(const std::function<int()>& post) {
  int error;
  while ((error = post()) == ENOMEM) ::sched_yield();
  EXPECT_EQ(error, 0);
}

class ThreadsTest : public ::testing::TestWithParam<bool> {
 protected:
  ThreadsTest() {
    Kernel& it = restart_kernel();
    efa_uabi_query_device_resp_set_sq_64_bit_req_id(&it.answers.limits, GetParam());
    station = std::make_unique<Station>();
  }
  std::unique_ptr<Station> station;
};

/// Counts what comes out of a completion queue.
class Tally {
 public:
  explicit Tally(std::size_t requests) : seen_(requests) {}

  void poll_classic(ibv_cq* cq) {
    ibv_wc wc[4];
    const int count = poll_cq(cq, 4, wc);
    ASSERT_GE(count, 0);
    for (int i = 0; i < count; ++i) note(wc[i].wr_id);
  }
  void poll_extended(ibv_cq* base) {
    ibv_cq_ex* cq = &Cq::of(base).verbs.cq_ex;
    ibv_poll_cq_attr attr{};
    if (cq->start_poll(cq, &attr) != 0) return;
    do {
      note(cq->wr_id);
    } while (cq->next_poll(cq) == 0);
    cq->end_poll(cq);
  }
  bool complete() const { return total_ >= seen_.size(); }
  void expect_each_once() const {
    for (std::size_t i = 0; i < seen_.size(); ++i) ASSERT_EQ(seen_[i], 1) << "request " << i;
  }

 private:
  void note(std::uint64_t wr_id) {
    ASSERT_LT(wr_id, seen_.size());
    ++seen_[wr_id];
    ++total_;
  }
  std::vector<std::atomic<int>> seen_;
  std::atomic<std::size_t> total_{0};
};

TEST_P(ThreadsTest, ShareAQueuePairAndItsCompletionQueue) {
  constexpr std::size_t kEach = 2000, kPosters = 3;
  const Owner<ibv_cq> cq = station->extended_cq(8);
  const Owner<ibv_qp> qp = station->qp(cq.get(), cq.get());
  ASSERT_EQ(bring_up(qp.get()), 0);
  Tally tally(kEach * kPosters);
  {
    const RunningDevice device;
    std::vector<std::thread> threads;
    for (std::size_t poster = 0; poster < kPosters; ++poster) {
      threads.emplace_back([&, poster] {
        for (std::size_t i = 0; i < kEach; ++i) {
          const std::uint64_t wr_id = poster * kEach + i;
          insist([&] {
            return poster == 0   ? post_one_send(*station, qp.get(), wr_id)
                   : poster == 1 ? build_one_send(*station, qp.get(), wr_id)
                                 : post_one_receive(qp.get(), wr_id);
          });
        }
      });
    }
    threads.emplace_back([&] {
      for (; !tally.complete(); ::sched_yield()) tally.poll_classic(cq.get());
    });
    threads.emplace_back([&] {
      for (; !tally.complete(); ::sched_yield()) tally.poll_extended(cq.get());
    });
    for (std::thread& thread : threads) thread.join();
  }
  tally.expect_each_once();
}

TEST_P(ThreadsTest, PollWhileQueuePairsComeAndGo) {  // V117
  const Owner<ibv_cq> first = station->extended_cq(64), second = station->extended_cq(64);
  std::atomic<bool> stop{false};
  {
    const RunningDevice device;
    std::vector<std::thread> pollers, owners;
    for (ibv_cq* cq : {first.get(), second.get()}) {
      pollers.emplace_back([&stop, cq] {
        ibv_wc wc[8];
        // Completions of queue pairs that are gone are errors, which is no concern here.
        for (; !stop; ::sched_yield()) poll_cq(cq, 8, wc);
      });
    }
    // One's receive queue is the other's send queue: whoever locks both must not wait for ever.
    for (const bool swapped : {false, true}) {
      owners.emplace_back([&, swapped] {
        ibv_cq* const send_cq = swapped ? second.get() : first.get();
        ibv_cq* const recv_cq = swapped ? first.get() : second.get();
        for (int round = 0; round < 300; ++round) {
          const Owner<ibv_qp> qp = station->qp(send_cq, recv_cq);
          ASSERT_NE(qp, nullptr);
          ASSERT_EQ(bring_up(qp.get()), 0);
          for (std::uint64_t i = 0; i < 4; ++i) {
            EXPECT_EQ(post_one_send(*station, qp.get(), i), 0);
            EXPECT_EQ(post_one_receive(qp.get(), i), 0);
          }
          if (round % 3 == 0) {
            EXPECT_EQ(move_to(qp.get(), IBV_QPS_RESET), 0);
          }
        }
      });
    }
    for (std::thread& thread : owners) thread.join();
    stop = true;
    for (std::thread& thread : pollers) thread.join();
  }
}

TEST_P(ThreadsTest, HaveQueuesOfTheirOwnWithoutLocks) {  // V24, V74, V120
  constexpr std::size_t kEach = 3000;
  const RunningDevice device;
  const auto work = [&] {
    ibv_td_init_attr attr{};
    const Owner<ibv_td> td(alloc_td(station->base(), &attr));
    ibv_parent_domain_init_attr parent{};
    parent.pd = station->pd();
    parent.td = td.get();
    const Owner<ibv_pd> domain(alloc_parent_domain(station->base(), &parent));
    const Owner<ibv_cq> cq = station->extended_cq(8, domain.get());
    const Owner<ibv_qp> qp = station->qp(cq.get(), cq.get(), {}, domain.get());
    ASSERT_EQ(bring_up(qp.get()), 0);
    Tally tally(kEach);
    for (std::size_t next = 0; !tally.complete();) {
      while (next < kEach &&
             (next % 2 ? build_one_send : post_one_send)(*station, qp.get(), next) == 0)
        ++next;
      next % 3 ? tally.poll_classic(cq.get()) : tally.poll_extended(cq.get());
      ::sched_yield();
    }
    tally.expect_each_once();
  };
  std::thread other(work), third(work);
  work();
  other.join();
  third.join();
}

INSTANTIATE_TEST_SUITE_P(RequestIds, ThreadsTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "of64Bits" : "of16Bits"; });

}  // namespace
}  // namespace efa::fake
