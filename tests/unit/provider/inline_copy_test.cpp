// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "inline_copy.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace efa {
namespace {

/// Copies every size up to kMost.
template <std::size_t kMost>
void check_sizes() {
  for (std::size_t bytes = 0; bytes <= kMost; ++bytes) {
    // Of exactly this size: sanitizers see a read beyond it.
    const auto source = std::make_unique<std::byte[]>(bytes);
    for (std::size_t i = 0; i < bytes; ++i) source[i] = static_cast<std::byte>(i + 1);
    std::byte to[kMost + 2];
    std::memset(to, 0xee, sizeof(to));
    copy_inline<kMost>(to + 1, source.get(), bytes);
    EXPECT_EQ(to[0], std::byte{0xee});
    EXPECT_EQ(std::memcmp(to + 1, source.get(), bytes), 0) << bytes;
    for (std::size_t i = bytes + 1; i < sizeof(to); ++i) ASSERT_EQ(to[i], std::byte{0xee}) << bytes;
  }
}

TEST(InlineCopy, MovesEverySizeAndNothingElse) {
  check_sizes<32>();
  check_sizes<80>();
  check_sizes<128>();
}

}  // namespace
}  // namespace efa
