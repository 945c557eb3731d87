#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-provider-sanitized.sh EFA_EMU
#
# Our libefa and its conformance tests under AddressSanitizer and UndefinedBehaviorSanitizer (in
# build/libefa-asan), on emulated devices. The emulator itself is the given one. ctest calls it:
# native.provider.sanitized.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"
emulator=$(readlink -f "$1")
tree=libefa-asan
libraries=$build/$tree/userspace/lib
build_tree $tree "efa_provider provider_conformance" -DEFA_SANITIZE=address,undefined

# Stepping over doorbell stores takes over SIGSEGV. Counting the heap is LeakSanitizer's business.
export ASAN_OPTIONS=handle_segv=0:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
export EFA_TEST_GENERATION=efa4 EFA_TEST_LIBRARY=ours EFA_TEST_LIBRARY_DIRECTORY=$libraries
export VERBS_LOG_LEVEL=1 VERBS_LOG_FILE=$build/$tree/verbs.log
"$emulator" run --generation $EFA_TEST_GENERATION --devices-per-host 2 --timeout 300ms -- \
	env LD_LIBRARY_PATH="$libraries" \
	"$build/$tree/tests/provider/provider_conformance" --gtest_brief=1 --gtest_filter='-Device.V3_V5*'
