// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The driver comes and goes: unbind, remove and rescan, module reload (verbs A12, D4).
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
using host::PciFunction;
using std::chrono::seconds;

constexpr seconds kSoon{20};

bool usable(const PciFunction& function) {
  try {
    User user(function.uverbs());
    return user.exchange();
  } catch (const std::exception&) {
    return false;
  }
}

void require_usable(const PciFunction& function) {
  require(host::wait_until([&] { return function.uverbs() >= 0; }, kSoon),
          "a verbs device is there");
  require(usable(function), "a message arrives");
}

TAP_TEST("Unbind and bind again and again") {
  const PciFunction function = PciFunction::first();
  const int count = rounds("EFA_TEST_BIND_ROUNDS", 10);
  tap::note(std::to_string(count) + " rounds");
  for (int i = 0; i < count; ++i) {
    require_success(function.unbind(), "unbind");
    require(!function.bound() && function.ibdev().empty(), "nothing is left");
    require_success(function.bind(), "bind");
    require(!function.ibdev().empty(), "the verbs device is there");
  }
  require_usable(function);
}

TAP_TEST("After unbind the device holds no object at all") {
  const PciFunction function = PciFunction::first();
  require_success(function.unbind(), "unbind");
  const std::string stats = host::Control().ask("stats");
  for (const char* name : {"pd", "uar", "eq", "cq", "mr", "qp", "ah", "event_counter"})
    expect_equal(host::json_number(stats, name), 0u, name);
  require_success(function.bind(), "bind");
  require_usable(function);
}

/// What every program sees when its device was taken away, and that it can end in peace.
void expect_taken_away(User& user, const PciFunction&) {
  const auto event = user.events.next(10'000);
  expect(event.has_value() && *event == kDeviceFatal, "DEVICE_FATAL is told");
  Pd pd;
  expect_errno(user.session.alloc_pd(pd), EIO, "ALLOC_PD");
  ib_uverbs_query_qp_resp answer{};
  expect_errno(user.session.query_qp(user.qp->handle(), answer), EIO, "QUERY_QP");
  // A program that does not know yet goes on writing.
  user.post();
  user.cq->poll();
}

TAP_TEST("Unbind does not wait for open contexts, and tells them") {
  const PciFunction function = PciFunction::first();
  auto user = std::make_unique<User>();
  require(user->exchange(), "a message arrives");
  Background unbind([&] { return function.unbind(); });
  const int error = unbind.result(kSoon);
  if (error == -1) {
    tap::note("unbind waits until the last context is closed");
    tap::fail("unbind did not end", std::source_location::current());
    user.reset();
    require_success(unbind.result(kSoon), "unbind after close");
  } else {
    expect_errno(error, 0, "unbind");
    expect_taken_away(*user, function);
    user.reset();
  }
  require_success(function.bind(), "bind");
  require_usable(function);
}

TAP_TEST("Unbind with traffic in several threads") {
  const PciFunction function = PciFunction::first();
  const int count = rounds("EFA_TEST_UNBIND_ROUNDS", 3);
  for (int round = 0; round < count; ++round) {
    std::atomic<bool> stop{false};
    std::atomic<int> started{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&, index = function.uverbs()] {
        try {
          User user(index);
          ++started;
          while (!stop) {
            user.post();
            for (int polls = 0; polls < 50; ++polls) user.cq->poll();
          }
        } catch (const std::exception&) {
          ++started;
        }
      });
    host::wait_until([&] { return started == 3; }, kSoon);
    Background unbind([&] { return function.unbind(); });
    const int error = unbind.result(kSoon);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    expect_errno(error, 0, "unbind");
    if (error == -1) require_success(unbind.result(kSoon), "unbind after close");
    require_success(function.bind(), "bind");
    require_usable(function);
  }
}

TAP_TEST("Remove and rescan the PCI function again and again") {
  const PciFunction function = PciFunction::first();
  const int count = rounds("EFA_TEST_RESCAN_ROUNDS", 5);
  tap::note(std::to_string(count) + " rounds");
  for (int i = 0; i < count; ++i) {
    require_success(function.remove(), "remove");
    require(!function.present(), "the function is gone");
    require_success(PciFunction::rescan(), "rescan");
    require(host::wait_until([&] { return function.uverbs() >= 0; }, kSoon), "it is back");
  }
  require_usable(function);
}

TAP_TEST("Remove with an open context, then rescan") {
  const PciFunction function = PciFunction::first();
  auto user = std::make_unique<User>();
  Background remove([&] { return function.remove(); });
  const int error = remove.result(kSoon);
  expect_errno(error, 0, "remove");
  if (error == 0) expect_taken_away(*user, function);
  user.reset();
  if (error == -1) require_success(remove.result(kSoon), "remove after close");
  require_success(PciFunction::rescan(), "rescan");
  require_usable(function);
}

TAP_TEST("A module in use is not unloaded") {
  const User user;
  // Open files hold the verbs device's module (verbs A12).
  expect_errno(host::unload_module(), {EWOULDBLOCK, EBUSY}, "delete_module");
}

TAP_TEST("Module reload again and again leaves nothing in the device") {
  const char* path = std::getenv("EFA_TEST_MODULE");
  require(path != nullptr, "$EFA_TEST_MODULE names the module");
  const PciFunction function = PciFunction::first();
  const int count = rounds("EFA_TEST_RELOAD_ROUNDS", 5);
  tap::note(std::to_string(count) + " rounds");
  for (int i = 0; i < count; ++i) {
    require(usable(function), "a message arrives");
    require_success(host::unload_module(), "unload");
    require(!host::module_loaded(), "the module is gone");
    const std::string stats = host::Control().ask("stats");
    for (const char* name : {"pd", "uar", "eq", "cq", "mr", "qp", "ah"})
      expect_equal(host::json_number(stats, name), 0u, name);
    require_success(host::load_module(path), "load");
    require(host::wait_until([&] { return function.uverbs() >= 0; }, kSoon), "the device is back");
  }
  require_usable(function);
}

TAP_TEST("The device may be renamed while it is in use") {
  const PciFunction function = PciFunction::first();
  User user;
  const std::string before = function.ibdev();
  const auto rename = [&](const std::string& from, const std::string& to) {
    return std::system(("rdma dev set " + from + " name " + to + " 2>/dev/null").c_str());
  };
  require(rename(before, "efa_renamed") == 0, "rdma dev set");
  expect(function.ibdev() == "efa_renamed", "sysfs has the new name");
  expect(user.exchange(), "a message arrives");
  require(rename("efa_renamed", before) == 0, "rdma dev set back");
}

}  // namespace
}  // namespace efa::test
