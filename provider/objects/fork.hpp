// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Processes that fork while memory is registered (spec libfabric-api 4.3, 7.3): kernels before
/// 5.12 need help of libibverbs.
#pragma once

namespace efa::fi {

/// Before the first registration. @returns 0 or a negative error. Thread-safe; the first call
/// decides for the process.
int prepare_fork();

}  // namespace efa::fi
