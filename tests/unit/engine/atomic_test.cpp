// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Atomic operations in all forms (spec efa-rdm-protocol 11.10).
#include <algorithm>
#include <array>

#include "sim/world.hpp"

namespace efa::rdm::sim {
namespace {

class Atomics : public InEveryWeather {
 protected:
  Atomics() : nodes_(world.pair(GetParam().of({}))), a(*nodes_.first), b(*nodes_.second) {}

  // A request on COUNT elements of u64 at CELLS.
  template <std::size_t kCount>
  AtomicRequest request_on(std::array<std::uint64_t, kCount>& cells, std::size_t count) {
    if (region_ == nullptr)
      region_ = b.register_region(cells.data(), sizeof cells, FI_REMOTE_READ | FI_REMOTE_WRITE);
    AtomicRequest request;
    request.datatype = FI_UINT64;
    request.op = FI_SUM;
    request.remote.count = 1;
    request.remote.iov[0] = {reinterpret_cast<std::uintptr_t>(cells.data()), 8 * count,
                             region_->rkey};
    request.context = this;
    return request;
  }

  void post(const AtomicRequest& request) {
    ASSERT_EQ(world.post([&] { return a.engine().atomic(request); }), 0);
  }

  std::pair<Node*, Node*> nodes_;
  Node& a;
  Node& b;
  Region* region_ = nullptr;
};

TEST_P(Atomics, AddExactlyOnceInEachForm) {
  constexpr std::size_t kCells = 100;
  std::array<std::uint64_t, kCells> cells{};
  std::array<std::uint64_t, kCells> operand{};
  std::array<std::uint64_t, kCells> result{};
  operand.fill(3);
  std::uint64_t expected = 0;
  for (const std::size_t count : {std::size_t{1}, std::size_t{20}, kCells})
    for (const bool delivery_complete : {false, true})
      for (const AtomicForm form : {AtomicForm::kWrite, AtomicForm::kFetch}) {
        AtomicRequest request = request_on(cells, count);
        request.form = form;
        request.delivery_complete = delivery_complete;
        request.operand.assign(operand.data(), 8 * count, nullptr);
        if (form == AtomicForm::kFetch) request.result.assign(result.data(), 8 * count, nullptr);
        post(request);
        ASSERT_TRUE(world.run());
        if (form == AtomicForm::kFetch) {
          EXPECT_EQ(result[0], expected);
          EXPECT_EQ(result[count - 1], cells[count - 1] - 3);
        }
        expected += 3;
        EXPECT_EQ(cells[0], expected);
        const std::vector<Event> events = read_all(a.tx);
        ASSERT_EQ(events.size(), 1U);
        EXPECT_EQ(events[0].error, 0);
        EXPECT_EQ(events[0].flags, FI_ATOMIC | (form == AtomicForm::kFetch ? FI_READ : FI_WRITE));
      }
  EXPECT_TRUE(b.reports.empty());
  world.expect_clean();
}

TEST_P(Atomics, CompareAndSwapElementByElement) {
  std::array<std::uint64_t, 4> cells{10, 20, 30, 40};
  std::array<std::uint64_t, 4> swap{1, 2, 3, 4};
  std::array<std::uint64_t, 4> compare{10, 0, 30, 0};
  std::array<std::uint64_t, 4> result{};
  AtomicRequest request = request_on(cells, 4);
  request.form = AtomicForm::kCompare;
  request.op = FI_CSWAP;
  request.operand.assign(swap.data(), 32, nullptr);
  // In pieces with odd borders.
  request.compare.add(compare.data(), 12, nullptr);
  request.compare.add(reinterpret_cast<std::byte*>(compare.data()) + 12, 20, nullptr);
  request.result.add(result.data(), 5, nullptr);
  request.result.add(reinterpret_cast<std::byte*>(result.data()) + 5, 27, nullptr);
  post(request);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(cells, (std::array<std::uint64_t, 4>{1, 20, 3, 40}));
  EXPECT_EQ(result, (std::array<std::uint64_t, 4>{10, 20, 30, 40}));
  world.expect_clean();
}

TEST_P(Atomics, OfTwoRemotePiecesGoOnInTheOperands) {
  std::array<std::uint64_t, 4> cells{10, 20, 30, 40};
  std::array<std::uint64_t, 2> swap{1, 2};
  std::array<std::uint64_t, 2> compare{10, 40};
  std::array<std::uint64_t, 2> result{};
  AtomicRequest request = request_on(cells, 1);
  request.form = AtomicForm::kCompare;
  request.op = FI_CSWAP;
  request.remote.count = 2;
  request.remote.iov[1] = {reinterpret_cast<std::uintptr_t>(&cells[3]), 8, region_->rkey};
  request.operand.assign(swap.data(), 16, nullptr);
  request.compare.assign(compare.data(), 16, nullptr);
  request.result.assign(result.data(), 16, nullptr);
  post(request);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(cells, (std::array<std::uint64_t, 4>{1, 20, 30, 2}));
  EXPECT_EQ(result, (std::array<std::uint64_t, 2>{10, 40}));
}

TEST_P(Atomics, ReadWithoutAnOperand) {
  std::array<std::uint64_t, 3> cells{10, 20, 30};
  std::array<std::uint64_t, 3> result{};
  AtomicRequest request = request_on(cells, 3);
  request.form = AtomicForm::kFetch;
  request.op = FI_ATOMIC_READ;
  request.result.assign(result.data(), 24, nullptr);
  post(request);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(result, cells);
  world.expect_clean();
}

TEST_P(Atomics, InjectedAreCopied) {
  std::array<std::uint64_t, 1> cells{};
  std::uint64_t operand = 7;
  AtomicRequest request = request_on(cells, 1);
  request.operand.assign(&operand, 8, nullptr);
  request.inject = true;
  request.reports = false;
  post(request);
  operand = 1000;
  ASSERT_TRUE(world.run());
  EXPECT_EQ(cells[0], 7U);
  EXPECT_TRUE(a.tx.empty());
  world.expect_clean();
}

// One counter of ids for messages and atomics (section 9): each sees what was before it.
TEST_P(Atomics, KeepTheOrderOfCalls) {
  std::array<std::uint64_t, 1> cells{};
  constexpr std::uint64_t kTimes = 40;
  std::vector<std::uint64_t> results(kTimes, ~0ULL);
  std::vector<std::uint64_t> operands(kTimes);
  for (std::uint64_t i = 0; i < kTimes; ++i) {
    operands[i] = i + 1;
    AtomicRequest request = request_on(cells, 1);
    request.form = AtomicForm::kFetch;
    request.op = FI_ATOMIC_WRITE;
    request.operand.assign(&operands[i], 8, nullptr);
    request.result.assign(&results[i], 8, nullptr);
    post(request);
  }
  ASSERT_TRUE(world.run());
  for (std::uint64_t i = 0; i < kTimes; ++i) EXPECT_EQ(results[i], i);
  EXPECT_EQ(cells[0], kTimes);
  EXPECT_EQ(a.reads.value, kTimes);
  world.expect_clean();
}

EFA_IN_EVERY_WEATHER(Atomics);

TEST(AtomicLimits, AreThoseOfOnePacket) {
  World world;
  const auto [a, b] = world.pair();
  std::vector<std::uint64_t> cells(2000);
  std::vector<std::uint64_t> operand(2000);
  Region* region = b->register_region(cells.data(), 16000, FI_REMOTE_READ | FI_REMOTE_WRITE);
  AtomicRequest request;
  request.datatype = FI_UINT64;
  request.op = FI_SUM;
  request.remote.count = 1;
  request.remote.iov[0] = {reinterpret_cast<std::uintptr_t>(cells.data()), 1024, region->rkey};
  request.operand.assign(operand.data(), 1024, nullptr);
  EXPECT_EQ(a->engine().atomic(request), -FI_EMSGSIZE);
  request.form = AtomicForm::kFetch;
  request.result.assign(operand.data(), 1024, nullptr);
  EXPECT_EQ(a->engine().atomic(request), -FI_EMSGSIZE);
  // Four remote pieces make the header longer.
  const Iov all = request.remote.iov[0];
  request.remote.count = 4;
  for (std::size_t i = 0; i < 4; ++i) request.remote.iov[i] = {all.addr + 216 * i, 216, all.key};
  request.remote.iov[3].len = 224;
  request.operand.assign(operand.data(), 872, nullptr);
  request.result.assign(operand.data(), 872, nullptr);
  for (const AtomicForm form : {AtomicForm::kWrite, AtomicForm::kFetch}) {
    request.form = form;
    EXPECT_EQ(a->engine().atomic(request), -FI_EMSGSIZE);
  }
  request.remote.count = 1;
  // The id that these did not use is that of the next one.
  request.remote.iov[0].len = 8;
  request.operand.assign(operand.data(), 8, nullptr);
  request.result.assign(operand.data(), 8, nullptr);
  EXPECT_EQ(a->engine().atomic(request), 0);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(read_all(a->tx).size(), 1U);
  world.expect_clean();
}

}  // namespace
}  // namespace efa::rdm::sim
