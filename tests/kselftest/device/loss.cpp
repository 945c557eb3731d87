// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The device is lost to its users: reset under their feet, surprise unplug, the end of its
/// emulator. The last takes a device away for good (QEMU does not connect again, and ends when the
/// driver of such a device is unbound), hence it comes last and spares the first device.
#include <atomic>
#include <thread>

#include "background.hpp"
#include "control.hpp"
#include "pci_function.hpp"
#include "user.hpp"
#include "wait.hpp"

namespace efa::test {
namespace {

using host::Background;
using host::Control;
using host::PciFunction;
using std::chrono::seconds;

constexpr seconds kSoon{30};

/// Threads that use a device as hard as they can until they are told to stop.
class Traffic {
 public:
  Traffic(int uverbs, int threads) {
    for (int i = 0; i < threads; ++i)
      threads_.emplace_back([this, uverbs, verbs = i % 2 == 1] { run(uverbs, verbs); });
    host::wait_until([&, threads] { return started_ == threads; }, kSoon);
  }
  ~Traffic() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

 private:
  void run(int uverbs, bool verbs) {
    try {
      User user(uverbs);
      ++started_;
      while (!stop_) {
        user.post();
        for (int polls = 0; polls < 50; ++polls) user.cq->poll();
        Pd pd;
        if (verbs && user.session.alloc_pd(pd) == 0)
          user.session.destroy(UVERBS_OBJECT_PD, pd.handle);
      }
    } catch (const std::exception&) {
      ++started_;
    }
  }
  std::atomic<bool> stop_{false};
  std::atomic<int> started_{0};
  std::vector<std::thread> threads_;
};

bool usable(const PciFunction& function) {
  try {
    User user(function.uverbs());
    return user.exchange();
  } catch (const std::exception&) {
    return false;
  }
}

/// The errors of a device that is not there (any more).
void expect_lost(User& user) {
  Pd pd;
  int error = 0;
  host::wait_until([&] { return (error = user.session.alloc_pd(pd)) != 0; }, kSoon);
  expect_errno(error, {EIO, ENODEV, ETIME}, "ALLOC_PD on the lost device");
  const auto event = user.events.next(60'000);
  expect(event.has_value() && *event == kDeviceFatal, "DEVICE_FATAL is told");
  expect_errno(user.session.alloc_pd(pd), EIO, "ALLOC_PD afterwards");
}

TAP_TEST("A reset of the PCI function under traffic: users are told, the device comes back") {
  const PciFunction function = PciFunction::first();
  const int count = rounds("EFA_TEST_RESET_ROUNDS", 2);
  tap::note(std::to_string(count) + " rounds");
  for (int round = 0; round < count; ++round) {
    auto user = std::make_unique<User>(function.uverbs());
    {
      const Traffic traffic(function.uverbs(), 3);
      Background reset([&] { return function.reset(); });
      expect_errno(reset.result(kSoon), 0, "reset by sysfs");
      expect_lost(*user);
    }
    user.reset();
    const bool back = host::wait_until([&] { return usable(function); }, kSoon);
    expect(back, "the device comes back by itself");
    if (back) continue;
    Background rebind([&] {
      function.unbind();
      return function.bind();
    });
    require_success(rebind.result(kSoon), "unbind and bind");
  }
}

TAP_TEST("Surprise unplug under traffic: programs get errors, removal does not hang") {
  const PciFunction function = PciFunction::first();
  const Control control;
  const int count = rounds("EFA_TEST_UNPLUG_ROUNDS", 5);
  tap::note(std::to_string(count) + " rounds");
  for (int round = 0; round < count; ++round) {
    auto user = std::make_unique<User>(function.uverbs());
    require(user->exchange(), "a message arrives");
    {
      const Traffic traffic(function.uverbs(), 3);
      control.ask("unplug");
      expect_lost(*user);
      // What the hot-plug controller would do.
      Background remove([&] { return function.remove(); });
      expect_errno(remove.result(seconds(60)), 0, "removal under traffic");
    }
    // What was mapped stays harmless.
    user->post();
    user->cq->poll();
    user.reset();
    expect(!function.present(), "the function is gone");
    control.ask("plug");
    require_success(PciFunction::rescan(), "rescan");
    require(host::wait_until([&] { return usable(function); }, kSoon), "the device is back");
  }
}

TAP_TEST("Removal right after the unplug, before anybody noticed") {
  const PciFunction function = PciFunction::first();
  const Control control;
  auto user = std::make_unique<User>(function.uverbs());
  control.ask("unplug");
  Background remove([&] { return function.remove(); });
  expect_errno(remove.result(seconds(60)), 0, "removal");
  expect_lost(*user);
  user.reset();
  control.ask("plug");
  require_success(PciFunction::rescan(), "rescan");
  require(host::wait_until([&] { return usable(function); }, kSoon), "the device is back");
}

TAP_TEST("The emulator ends under a device: its programs get errors, the others go on") {
  const auto functions = PciFunction::all();
  if (functions.size() < 2) return tap::note("there is only one device, which is spared");
  const auto last = static_cast<unsigned>(functions.size() - 1);
  User user(functions[last].uverbs());
  Control(last).ask("vanish");
  expect_lost(user);
  expect(usable(PciFunction::first()), "the other device goes on");
}

}  // namespace
}  // namespace efa::test
