// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "mr_mode.hpp"

#include "caps.hpp"
#include "release.hpp"

namespace efa::fi {
namespace {

constexpr uint32_t kModesAreBits = FI_VERSION(1, 5);

int hinted(const fi_info& hints) {
  return hints.domain_attr ? hints.domain_attr->mr_mode : 0;
}

/// Modes of an entry that the application has to support for what it asks.
int needed(int offered, uint64_t caps) {
  return wants_target(caps) ? offered : offered & ~kTargetMr;
}

std::string mr_text(int mode) {
  return text_of(static_cast<unsigned>(mode), FI_TYPE_MR_MODE);
}

void check_old(Check& check, int asked) {
  check.require(asked == 0 || asked == kMrBasic,
                {"domain_attr->mr_mode", mr_text(asked), "FI_MR_BASIC with API versions before 1.5",
                 "ask for FI_MR_BASIC, or pass fi_getinfo() version 1.5 or later"});
}

void check_bits(Check& check, int offered, int asked, uint64_t caps) {
  if (asked == 0 || asked == kMrBasic) return;
  check.require(asked != kMrScalable, {"domain_attr->mr_mode", "FI_MR_SCALABLE", mr_text(offered),
                                       "ask for these bits: keys and addresses are the device's"});
  const int missing = needed(offered, caps) & ~asked;
  check.require(!missing, {"domain_attr->mr_mode", mr_text(asked), mr_text(offered),
                           "add " + mr_text(missing) + " to the hints and do what they stand for"});
}

}  // namespace

void check_mr_mode(Check& check, uint32_t version, const fi_info& have, const fi_info& hints) {
  const int offered = have.domain_attr->mr_mode;
  const int asked = hinted(hints);
  const bool registers = (asked & FI_MR_LOCAL) || (hints.mode & kLocalMr);
  check.require(!(offered & FI_MR_LOCAL) || registers,
                {"domain_attr->mr_mode", mr_text(asked), mr_text(offered),
                 "add FI_MR_LOCAL: the device reads and writes only registered buffers"});
  if (version < kModesAreBits)
    check_old(check, asked);
  else
    check_bits(check, offered, asked, hints.caps);
}

bool can_be_target(uint32_t version, const fi_info* hints) {
  if (!hints) return true;
  if (!hints->domain_attr) return false;
  if (version < kModesAreBits || hinted(*hints) == kMrBasic) return true;
  return (hinted(*hints) & kTargetMr) == kTargetMr;
}

int answered_mr_mode(uint32_t version, int entry, const fi_info* hints) {
  if (version < kModesAreBits) return kMrBasic;
  if (!hints || !hints->domain_attr) return entry;
  const int asked = hinted(*hints);
  if (asked == kMrBasic || asked == kMrScalable) return asked;
  return entry & ~asked ? needed(entry & asked, hints->caps) : entry;
}

}  // namespace efa::fi
