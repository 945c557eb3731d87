// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "datapath/copy_helper.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <numeric>
#include <vector>

#include "datapath/transfer.hpp"
#include "device/harness.hpp"

namespace efa::emu::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

/// Lets transfers of 1 MiB take these times, by how they are done. Returns how many were shared.
unsigned run_transfers(SharingPolicy& policy, unsigned count, Nanoseconds alone,
                       Nanoseconds shared) {
  unsigned shared_ones = 0;
  for (unsigned i = 0; i < count; ++i) {
    const bool share = policy.share_next();
    policy.took(share, kMiB, share ? shared : alone);
    shared_ones += share;
  }
  return shared_ones;
}

bool free_core() {
  return true;
}

TEST(SharingPolicy, DoesNotTryWithoutAFreeCore) {
  SharingPolicy policy([] { return false; });
  EXPECT_EQ(run_transfers(policy, 100'000, 160'000, 90'000), 0u);
}

TEST(SharingPolicy, TriesAgainOnceACoreIsFree) {
  static bool free_now;
  free_now = false;
  SharingPolicy policy([] { return free_now; });
  run_transfers(policy, 10'000, 160'000, 90'000);
  free_now = true;
  EXPECT_GE(run_transfers(policy, 100, 160'000, 90'000), 80u) << "not after a long pause";
}

TEST(SharingPolicy, TriesBothWaysOnce) {
  SharingPolicy policy(free_core);
  EXPECT_FALSE(policy.share_next());
  policy.took(false, kMiB, 100);
  EXPECT_TRUE(policy.share_next());
}

TEST(SharingPolicy, SharesWhereThatIsFaster) {
  SharingPolicy policy(free_core);
  run_transfers(policy, 100, 160'000, 90'000);
  EXPECT_GE(run_transfers(policy, 1000, 160'000, 90'000), 980u);
}

TEST(SharingPolicy, CopiesAloneWhereThatIsFaster) {
  SharingPolicy policy(free_core);
  run_transfers(policy, 100, 160'000, 161'000);
  EXPECT_LE(run_transfers(policy, 1000, 160'000, 161'000), 20u);
  run_transfers(policy, 10'000, 160'000, 161'000);
  EXPECT_LE(run_transfers(policy, 10'000, 160'000, 161'000), 10u) << "ever more rarely";
}

TEST(SharingPolicy, NoticesThatACoreBecameFree) {
  SharingPolicy policy(free_core);
  run_transfers(policy, 100'000, 160'000, 400'000);
  run_transfers(policy, 5000, 160'000, 90'000);
  EXPECT_GE(run_transfers(policy, 1000, 160'000, 90'000), 900u);
}

TEST(SharingPolicy, NoticesAtOnceThatACoreIsTaken) {
  SharingPolicy policy(free_core);
  run_transfers(policy, 1000, 160'000, 90'000);
  EXPECT_LE(run_transfers(policy, 100, 160'000, 3'000'000), 10u);
}

TEST(SharingPolicy, IsNotMovedByOneInterruptedTransfer) {
  SharingPolicy policy(free_core);
  run_transfers(policy, 100, 160'000, 80'000);
  policy.took(true, kMiB, 100'000'000);
  EXPECT_GE(run_transfers(policy, 100, 160'000, 80'000), 50u);
}

TEST(SharingPolicy, ComparesTransfersOfDifferentLengths) {
  SharingPolicy policy(free_core);
  policy.took(policy.share_next(), 4 * kMiB, 400'000);
  policy.took(policy.share_next(), kMiB, 150'000);
  EXPECT_FALSE(policy.share_next()) << "100 us against 150 us for each MiB";
}

TEST(CopyHelper, DoesEveryPartOfEveryJobOnce) {
  CopyHelper helper;
  for (unsigned parts = 1; parts < 200; ++parts) {
    std::vector<int> times(parts);  // plain memory: whoever writes, run() makes it visible
    helper.run(parts, [&](unsigned part, unsigned) { ++times[part]; });
    ASSERT_EQ(times, std::vector<int>(parts, 1));
  }
}

TEST(CopyHelper, SeesWhatItsCallerWrote) {
  CopyHelper helper;
  std::vector<std::uint64_t> in(64), out(64);
  for (unsigned round = 0; round < 1000; ++round) {
    std::iota(in.begin(), in.end(), std::uint64_t{round});
    helper.run(64, [&](unsigned part, unsigned) { out[part] = in[part]; });
    ASSERT_EQ(in, out);
  }
}

TEST(CopyHelper, TakesPart) {
  CopyHelper helper;
  std::atomic<bool> helped{false};
  // The caller does not get on before the helper has come.
  helper.run(2, [&](unsigned, unsigned worker) {
    if (worker == 0) {
      helped.wait(false);
    } else {
      helped = true;
      helped.notify_one();
    }
  });
  EXPECT_TRUE(helped);
}

TEST(CopyHelper, BeginsInItsOwnThreadWithTheFirstJob) {
  std::thread::id begun;
  {
    CopyHelper helper([&] { begun = std::this_thread::get_id(); });
  }
  EXPECT_EQ(begun, std::thread::id{}) << "no job, no thread";
  {
    CopyHelper helper([&] { begun = std::this_thread::get_id(); });
    helper.run(1, [](unsigned, unsigned) {});
  }
  EXPECT_NE(begun, std::thread::id{});
  EXPECT_NE(begun, std::this_thread::get_id());
}

/// Memory that only copies can reach; notes what was written.
class DistantMemory final : public DmaSpace {
 public:
  std::byte* map(DmaAddr, std::size_t) noexcept override { return nullptr; }
  bool gather(std::span<const DmaSegment> from, std::byte* out) noexcept override {
    return memory.gather(from, out);
  }
  bool scatter(std::span<const DmaSegment> to, const std::byte* in) noexcept override {
    const std::lock_guard lock(mutex);
    written.insert(written.end(), to.begin(), to.end());
    return memory.scatter(to, in);
  }
  ArrayMemory memory{16 << 20};
  std::vector<DmaSegment> written;
  std::mutex mutex;
};

class SharedTransfer : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 3'000'017;
  // One way or the other: the second transfer is the first that is shared.
  static constexpr int kTransfers = 3;

  CopyHelper helper;
  DistantMemory from, to;
  DmaAddr a = from.memory.allocate(kBytes);
  DmaAddr b = to.memory.allocate(kBytes + 4096) + 77;
  Transfer transfer;
  std::vector<DmaSegment> in{{a, 1'000'000}, {a + 1'000'000, kBytes - 1'000'000}};
  std::vector<DmaSegment> out{{b, kBytes}};

  void SetUp() override {
    helper.policy() = SharingPolicy(free_core);
    transfer.share_with(&helper);
    for (std::uint64_t i = 0; i < kBytes; ++i)
      from.memory.at<std::uint8_t>(a + i) = static_cast<std::uint8_t>(i * 31 + (i >> 9));
  }
  CopyResult copy() {
    return transfer.copy({&from, in, nullptr, kBytes}, {&to, out, nullptr, kBytes});
  }
};

TEST_F(SharedTransfer, CopiesEveryByte) {
  for (int i = 0; i < kTransfers; ++i) {
    std::memset(&to.memory.at<std::byte>(b), 0, kBytes);
    ASSERT_EQ(copy(), CopyResult::kDone);
    EXPECT_EQ(std::memcmp(&from.memory.at<std::byte>(a), &to.memory.at<std::byte>(b), kBytes), 0);
    EXPECT_EQ(to.memory.at<std::uint8_t>(b + kBytes), 0);
  }
}

TEST_F(SharedTransfer, SplitsBetweenBlocksOfAscendingOrder) {
  copy();
  to.written.clear();
  copy();
  EXPECT_EQ(to.written.size(), 23u);
  for (const DmaSegment& segment : to.written)
    EXPECT_TRUE(segment.addr == b || segment.addr % 128 == 0) << segment.addr;
}

TEST_F(SharedTransfer, ReportsFaultsOfBothSides) {
  for (const std::uint64_t at : {std::uint64_t{0}, kBytes / 2, kBytes - 1}) {
    from.memory.hide(a + at, 1);
    for (int i = 0; i < kTransfers; ++i) EXPECT_EQ(copy(), CopyResult::kSourceFault);
    from.memory.hide(0, 0);
    to.memory.hide(b + at, 1);
    for (int i = 0; i < kTransfers; ++i) EXPECT_EQ(copy(), CopyResult::kTargetFault);
    to.memory.hide(0, 0);
  }
  EXPECT_EQ(copy(), CopyResult::kDone);
}

TEST_F(SharedTransfer, OfShortLengthsIsNotShared) {
  for (int i = 0; i < 10; ++i) {
    to.written.clear();
    const std::vector<DmaSegment> short_in{{a, 500'000}}, short_out{{b, 500'000}};
    ASSERT_EQ(
        transfer.copy({&from, short_in, nullptr, 500'000}, {&to, short_out, nullptr, 500'000}),
        CopyResult::kDone);
    EXPECT_EQ(to.written.size(), 1u);
  }
}

TEST_F(SharedTransfer, BetweenOverlappingBuffersIsNotShared) {
  std::vector<DmaSegment> source{{a, 600'000}}, target{{a + 1000, 600'000}};
  std::vector<std::byte> before(600'000);
  std::memcpy(before.data(), &from.memory.at<std::byte>(a), before.size());
  for (int i = 0; i < kTransfers; ++i) {
    std::memcpy(&from.memory.at<std::byte>(a), before.data(), before.size());
    ASSERT_EQ(transfer.copy({&from, source, nullptr, 600'000}, {&from, target, nullptr, 600'000}),
              CopyResult::kDone);
    EXPECT_EQ(std::memcmp(&from.memory.at<std::byte>(a + 1000), before.data(), before.size()), 0);
  }
}

}  // namespace
}  // namespace efa::emu::test
