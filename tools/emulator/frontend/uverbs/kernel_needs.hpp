// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What native mode needs of the kernel it runs on (native-mode 1), asked before anything starts.
#pragma once

#include "base/result.hpp"

namespace efa::emu {

/// "this kernel (RELEASE) lacks FEATURE", with the cure.
tl::unexpected<Error> kernel_lacks(int error, const char* feature);

/// Tries the system calls that the emulator itself makes; the first that is missing or denied is
/// the error. What concerns the filter, install_filter() finds out.
Result<void> check_kernel();

}  // namespace efa::emu
