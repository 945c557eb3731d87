// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The device goes while verbs programs use it (spec verbs D4): they are told, calls give errors,
/// what they have mapped stays harmless, and everything can be destroyed. In a guest, over any
/// libefa.
#include <fcntl.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "background.hpp"
#include "control.hpp"
#include "pci_function.hpp"
#include "rig.hpp"
#include "wait.hpp"

namespace efa::verbs_test {
namespace {

using host::Background;
using host::Control;
using host::PciFunction;
using std::chrono::seconds;

constexpr seconds kSoon{60};
constexpr int kThreads = 3;
constexpr std::uint32_t kBytes = 64;
/// The depth of a queue is 64: the ring has gone round often, its phase is either.
constexpr std::uint64_t kEnough = 500;
constexpr int kPostsAfterwards = 1000;

Context open_by_name(const std::string& name) {
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  Context context;
  for (int i = 0; i < count; ++i)
    if (ibv_get_device_name(list[i]) == name) context.reset(ibv_open_device(list[i]));
  ibv_free_device_list(list);
  if (!context) throw std::runtime_error("cannot open the device '" + name + "'");
  return context;
}

/// A queue pair that sends to itself as long as the device is there, and goes on a while
/// afterwards.
class Loop {
 public:
  Loop(ibv_context* context, ibv_pd* pd) : endpoint_(context, pd), to_(endpoint_.from(endpoint_)) {
    endpoint_.fill({0, kBytes}, 1);
  }
  void run() {
    while (!lost) exchange();
    for (int i = 0; i < kPostsAfterwards; ++i) {
      endpoint_.post_receive(kAfter, {{4096, kBytes}});
      endpoint_.post_send(kAfter, to_, {{0, kBytes}});
      poll(endpoint_.send_cq());
      poll(endpoint_.recv_cq());
    }
  }

  std::atomic<bool> lost{false};
  std::atomic<std::uint64_t> exchanged{0};
  /// Completions of successful requests that cannot have succeeded.
  std::atomic<int> invented{0};

 private:
  static constexpr std::uint64_t kAfter = ~std::uint64_t{0};

  void exchange() {
    const std::uint64_t id = exchanged;
    if (endpoint_.post_receive(id, {{4096, kBytes}}) != 0) return;
    if (endpoint_.post_send(id, to_, {{0, kBytes}}) != 0) return;
    if (await(endpoint_.send_cq(), id) && await(endpoint_.recv_cq(), id)) ++exchanged;
  }
  bool await(ibv_cq* cq, std::uint64_t id) {
    while (!lost) {
      const ibv_wc wc = poll(cq);
      if (wc.wr_id == id && wc.status == IBV_WC_SUCCESS) return true;
    }
    return false;
  }
  ibv_wc poll(ibv_cq* cq) {
    ibv_wc wc{};
    wc.status = IBV_WC_GENERAL_ERR;
    if (ibv_poll_cq(cq, 1, &wc) <= 0) return wc;
    const bool received = cq == endpoint_.recv_cq();
    const bool whole = !received || (wc.byte_len == kBytes && endpoint_.holds({4096, kBytes}, 1));
    if (wc.status == IBV_WC_SUCCESS && (wc.wr_id == kAfter || !whole)) ++invented;
    return wc;
  }

  Endpoint endpoint_;
  Destination to_;
};

/// A program with one context and a thread for each of its loops.
class Program {
 public:
  explicit Program(const std::string& device)
      : context_(open_by_name(device)), pd_(ibv_alloc_pd(context_.get())) {
    for (int i = 0; i < kThreads; ++i)
      loops_.push_back(std::make_unique<Loop>(context_.get(), pd_.get()));
    for (auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
  }
  ~Program() { finish(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool exchanged_enough() const {
    for (const auto& loop : loops_)
      if (loop->exchanged < kEnough) return false;
    return true;
  }
  /// errno of a call that the device must answer.
  int call() {
    ibv_pd* pd = ibv_alloc_pd(context_.get());
    if (pd == nullptr) return errno;
    ibv_dealloc_pd(pd);
    return 0;
  }
  bool told() {
    pollfd waiting{context_->async_fd, POLLIN, 0};
    ibv_async_event event{};
    if (::poll(&waiting, 1, 60'000) != 1 || ibv_get_async_event(context_.get(), &event) != 0)
      return false;
    ibv_ack_async_event(&event);
    return event.event_type == IBV_EVENT_DEVICE_FATAL;
  }
  /// Lets the threads know that the device is lost, and waits for them; completions that were
  /// invented.
  int finish() {
    int invented = 0;
    for (auto& loop : loops_) loop->lost = true;
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
    for (auto& loop : loops_) invented += loop->invented;
    return invented;
  }

 private:
  Context context_;
  Pd pd_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
};

void expect_lost(Program& program) {
  int error = 0;
  EXPECT_TRUE(host::wait_until([&] { return (error = program.call()) != 0; }, kSoon));
  EXPECT_TRUE(error == EIO || error == ENODEV || error == ETIME) << std::strerror(error);
  EXPECT_TRUE(program.told()) << "no DEVICE_FATAL";
  EXPECT_EQ(program.call(), EIO);
}

void bring_back(const PciFunction& function) {
  ASSERT_EQ(PciFunction::rescan(), 0);
  ASSERT_TRUE(host::wait_until([&] { return function.uverbs() >= 0; }, kSoon));
  Program program(function.ibdev());
  EXPECT_TRUE(wait_until([&] { return program.exchanged_enough(); })) << "the device is back";
}

TEST(Removal, By_the_administrator_under_traffic) {
  const PciFunction function = PciFunction::first();
  {
    Program program(function.ibdev());
    ASSERT_TRUE(wait_until([&] { return program.exchanged_enough(); }));
    Background remove([&] { return function.remove(); });
    EXPECT_EQ(remove.result(kSoon), 0);
    expect_lost(program);
    EXPECT_EQ(program.finish(), 0) << "completions of nothing";
  }
  bring_back(function);
}

TEST(Removal, By_surprise_under_traffic) {
  const PciFunction function = PciFunction::first();
  const Control control;
  {
    Program program(function.ibdev());
    ASSERT_TRUE(wait_until([&] { return program.exchanged_enough(); }));
    control.ask("unplug");
    expect_lost(program);
    // What the hot-plug controller would do.
    Background remove([&] { return function.remove(); });
    EXPECT_EQ(remove.result(kSoon), 0);
    EXPECT_EQ(program.finish(), 0) << "completions of nothing";
  }
  EXPECT_FALSE(function.present());
  control.ask("plug");
  bring_back(function);
}

}  // namespace
}  // namespace efa::verbs_test

int main(int argc, char** argv) {
  // Destroying what the kernel has destroyed already is no error then.
  ::setenv("RDMAV_ALLOW_DISASSOC_DESTROY", "1", 1);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
