// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Random interleavings of posts, polls, completions out of order and RESETs do what the model
/// says. A failure names its seed, which replays it.
#include <gtest/gtest.h>

#include <ostream>

#include "queue_machine.hpp"

namespace efa::fake {

void PrintTo(const Flavour& flavour, std::ostream* out) {
  *out << flavour.name;
}

namespace {

constexpr Flavour kFlavours[] = {
    {.name = "plain"},
    {.name = "wide_wqes", .inline_write = true, .inline_bytes = 80},
    {.name = "two_sub_cqs", .sub_cqs = 2},
    {.name = "small_batch", .max_tx_batch = 2},
    {.name = "min_sq_depth", .min_sq_wr = 16},
    {.name = "wide_ids", .wide_ids = true},
    {.name = "one_thread", .single_thread = true},
    {.name = "one_thread_wide_everything",
     .wide_ids = true,
     .single_thread = true,
     .sub_cqs = 3,
     .inline_bytes = 48,
     .recv_sges = 3},
};

class QueuesProperty : public ::testing::TestWithParam<Flavour> {};

TEST_P(QueuesProperty, DoWhatTheirModelDoes) {
  const Flavour& flavour = GetParam();
  std::uint64_t delivered = 0, full = 0, dropped = 0, resets = 0;
  for (std::uint32_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Answers& answers = restart_kernel().answers;
    answers.open.sub_cqs_per_cq = flavour.sub_cqs;
    answers.open.max_tx_batch = flavour.max_tx_batch;
    answers.open.min_sq_wr = flavour.min_sq_wr;
    efa_uabi_query_device_resp_set_sq_64_bit_req_id(&answers.limits, flavour.wide_ids);
    Machine machine(flavour, seed);
    machine.run(4000);
    delivered += machine.delivered;
    full += machine.full;
    dropped += machine.dropped;
    resets += machine.resets;
  }
  // The walk went where it should.
  EXPECT_GT(delivered, 10000u);
  EXPECT_GT(full, 1000u);
  EXPECT_GT(resets, 100u);
  EXPECT_EQ(dropped > 0, !flavour.wide_ids);
}

INSTANTIATE_TEST_SUITE_P(Flavours, QueuesProperty, ::testing::ValuesIn(kFlavours),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace efa::fake
