// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// libibverbs and libefa without a device: what the objects call of them, in this program. Handles
/// are counted, so that tests see what is left; the next call of one kind can be made to fail.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <map>
#include <string>

namespace efa::fi::test {

struct FakeVerbs {
  int open_devices = 0;
  int pds = 0;
  int ahs = 0;
  int mrs = 0;
  int last_access = -1;  ///< of the last registration
  /// errno of the next call of that name; gone after it.
  std::map<std::string, int> fail_next;

  int take_failure(const std::string& function);
  bool nothing_left() const { return !open_devices && !pds && !ahs && !mrs; }
};

FakeVerbs& fake_verbs();

}  // namespace efa::fi::test
