// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "device/profile_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <variant>

#include "efa_hw.h"

namespace efa::emu {

namespace {

/// One bit of DEVICE_ATTR.device_caps.
struct Capability {
  std::uint32_t mask;
};
using Word = std::uint32_t Profile::*;
using Half = std::uint16_t Profile::*;

struct Limit {
  std::string_view name;
  std::variant<Word, Half, Capability> where;
  std::uint64_t least, most;
};

// What a device may say: rings are counted in 16 bits (device-io I1), sub-CQs in powers of two.
constexpr Limit kLimits[] = {
    {"max_qp", &Profile::max_qp, 1, 4096},
    {"max_cq", &Profile::max_cq, 1, 8192},
    {"max_cq_depth", &Profile::max_cq_depth, 16, 32768},
    {"max_sq_depth", &Profile::max_sq_depth, 16, 32768},
    {"max_rq_depth", &Profile::max_rq_depth, 16, 32768},
    {"max_llq_size", &Profile::max_llq_size, 4096, 4 << 20},
    {"max_wr_recv_sges", &Profile::max_wr_recv_sges, 1, 16},
    {"inline_buf_size_ex", &Profile::inline_buf_size_ex, EFA_INLINE_64, EFA_INLINE_128},
    {"sub_cqs_per_cq", &Profile::sub_cqs_per_cq, 1, 8},
    {"max_mr", &Profile::max_mr, 1, 1 << 20},
    {"max_ah", &Profile::max_ah, 1, 16384},
    {"max_eq", &Profile::max_eq, 0, 32},
    {"max_rdma_size", &Profile::max_rdma_size, 4096, 1u << 30},
    {"mtu", &Profile::mtu, 4096, 16384},
    {"min_sq_depth", &Profile::min_sq_depth, 0, 256},
    {"max_tx_batch", &Profile::max_tx_batch, 0, 4096},
    {"max_event_counters", &Profile::max_event_counters, 0, 65536},
    {"rdma_read", Capability{EFA_DEVICE_ATTR_RDMA_READ_MASK}, 0, 1},
    {"rnr_retry", Capability{EFA_DEVICE_ATTR_RNR_RETRY_MASK}, 0, 1},
    {"data_polling_128", Capability{EFA_DEVICE_ATTR_DATA_POLLING_128_MASK}, 0, 1},
    {"rdma_write", Capability{EFA_DEVICE_ATTR_RDMA_WRITE_MASK}, 0, 1},
    {"unsolicited_write_recv", Capability{EFA_DEVICE_ATTR_UNSOLICITED_WRITE_RECV_MASK}, 0, 1},
    {"event_counters", Capability{EFA_DEVICE_ATTR_EVENT_COUNTERS_MASK}, 0, 1},
    {"sq_64_bit_req_id", Capability{EFA_DEVICE_ATTR_SQ_64_BIT_REQ_ID_MASK}, 0, 1},
};

struct Setter {
  Profile& profile;
  std::uint64_t value;

  void operator()(Word field) const { profile.*field = static_cast<std::uint32_t>(value); }
  void operator()(Half field) const { profile.*field = static_cast<std::uint16_t>(value); }
  void operator()(Capability cap) const {
    profile.device_caps &= ~cap.mask;
    if (value != 0) profile.device_caps |= cap.mask;
  }
};

}  // namespace

Result<void> set_limit(Profile& profile, std::string_view name, std::uint64_t value) {
  const auto* limit = std::find_if(std::begin(kLimits), std::end(kLimits),
                                   [&](const Limit& known) { return known.name == name; });
  if (limit == std::end(kLimits))
    return fail(EINVAL, fmt::format("a device has no limit '{}'", name),
                "choose one of " + limit_names());
  if (value < limit->least || value > limit->most)
    return fail(EINVAL, fmt::format("the limit {} cannot be {}", name, value),
                fmt::format("give {} to {}", limit->least, limit->most));
  std::visit(Setter{profile, value}, limit->where);
  // Both are told by QUEUE_ATTR_2, which older generations do not have.
  if (profile.inline_buf_size_ex != profile.inline_buf_size || profile.max_event_counters != 0)
    profile.queue_attr_2 = true;
  return {};
}

Result<Profile> adjusted_profile(std::string_view name,
                                 const std::vector<std::pair<std::string, std::uint64_t>>& limits) {
  const Profile* found = find_profile(name);
  if (found == nullptr)
    return fail(EINVAL, fmt::format("unknown generation {}", name),
                "`efa-emu generations` lists them");
  Profile profile = *found;
  for (const auto& [limit, value] : limits)
    if (auto set = set_limit(profile, limit, value); !set) return tl::unexpected(set.error());
  return profile;
}

std::string limit_names() {
  std::string names;
  for (const Limit& limit : kLimits) names += (names.empty() ? "" : ", ") + std::string(limit.name);
  return names;
}

}  // namespace efa::emu
