// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// The process of a program that has this device, without libfabric's loader; and what was logged.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fi/machine.hpp"
#include "objects/process.hpp"

namespace efa::fi::test {

/// As if the provider had started again on a machine with this device; nothing may be open.
void start_process(Rdma rdma = Rdma::unsolicited, const Release& release = kRelease2_1);

/// Lines of the log since the last call.
std::vector<std::string> take_log();

}  // namespace efa::fi::test
