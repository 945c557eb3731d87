// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <gtest/gtest.h>

#include "delivery_check.hpp"

namespace efa::emu::test {
namespace {

// Sanitizers make it an order of magnitude slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EFA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define EFA_SANITIZED 1
#endif
#endif
#ifdef EFA_SANITIZED
constexpr std::uint32_t kMessages = 50'000;
#else
constexpr std::uint32_t kMessages = 1'000'000;
#endif

TEST(MillionMessages, ArriveExactlyOnceAtFivePercentLossWithReordering) {
  DeliveryCheck check(impaired({.loss = 0.05, .reorder = 0.1, .jitter = 10 * kMicrosecond}, 2024));
  check.run(kMessages);
  EXPECT_GT(check.out_of_order(), kMessages / 50);
  EXPECT_GT(check.pair.left().stats().retrans_pkts, kMessages / 20);
}

}  // namespace
}  // namespace efa::emu::test
