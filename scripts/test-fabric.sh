#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-fabric.sh
#
# The libfabric provider in programs that nobody here wrote, on two emulated hosts: a quick selection of
# fabtests 2.1, the same programs between our provider and upstream's, and what a message costs beside what
# it costs upstream. The last line is 'N passed, N failed'. docs/fabtests.md has the longer runs.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/fabric-peers.sh"
cd "$root" || exit 1
passed=0 failed=0

# counted COMMAND...: adds up its last line; a command without such a line is a failure.
counted() {
	local log=$build/test-fabric.log counts
	"$@" </dev/null 2>&1 | tee "$log"
	counts=$(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed.*$/\1 \2/p' "$log")
	[ -n "$counts" ] || counts="0 1"
	passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}

counted scripts/fabtests.sh --provider ours --once --cases tests/fabtests/quick.txt
counted scripts/test-fabric-interop.sh --pairs ours-2.1,upstream-2.1 upstream-2.1,ours-2.1 --quick
step "Work requests and bytes of a message, beside upstream's"
side=$(fabric_side ours-2.1)
PATH=$build/default/tools/emulator:$PATH counted python3 -B tests/interop_fabric/packets.py --side "$side" \
	--reference tests/interop_fabric/packets-upstream-2.1.json

echo "all of it took ${SECONDS} seconds"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
