// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Allocations and mappings of the program, counted, and made to fail at will. The linker leads
/// calloc, aligned_alloc, free, mmap and munmap here (--wrap).
#pragma once

#include <cstddef>

namespace efa::fake {

/// Fails the step with this number, from 0, of those that can fail: allocations, mappings, commands
/// of the kernel. Once.
void fail_step(int number);
void fail_nothing();
/// Whether the step that was to fail has been reached since.
bool has_failed();

/// For the fakes: whether the current step is the one that fails.
bool step_fails();

/// Blocks of memory and mappings of command files that are not given back.
std::size_t blocks_in_use();
std::size_t mappings_in_use();

}  // namespace efa::fake
