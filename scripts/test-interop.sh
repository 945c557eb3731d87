#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-interop.sh [--accept]
#
# The distribution's own efa driver, built from Debian's linux-source-6.1 in build/interop, goes
# through the kselftests and the conformance script on the emulated device. Where it answers otherwise
# than our driver, tests/interop/ must have the reason. The result is docs/driver-differences.md;
# --accept writes it, otherwise it must be what it is. The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1
lab=tools/lab/lab
folder=$build/interop
export EFA_EMU=$build/default/tools/emulator/efa-emu
programs=$build/default/tests/kselftest script=$build/default/tests/conformance/conformance_script
accept=${1:-}
passed=0 failed=0
count() {
	if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED: $1"; fi
}

# What it would hang in, as upstream's does, is left out: it waits for users, and nothing restarts it.
suite=(verbs/{context,domain,address,memory,completion_queue,queue_pair,transitions}
	verbs/{traffic,events,threads,processes,limits} device/{mappings,counters,binding}
	"device/faults=refuses with every status")

step "Build"
scripts/install-deps.sh build kernel lab || exit 2
build_tree default "efa-emu kselftest conformance_script"
mkdir -p "$folder"
source=$(scripts/fetch-linux-source.sh) || stop "no linux-source"
rm -rf "$folder/stock" "$folder/own"
cp -r "$source/drivers/infiniband/hw/efa" "$folder/stock"
show $lab build-module --kernel 6.1 "$folder/stock" CONFIG_INFINIBAND_EFA=m >"$folder/stock.log" 2>&1
copy_module kernel "$folder/own"
show $lab build-module --kernel 6.1 "$folder/own" >"$folder/own.log" 2>&1

step "The distribution's driver runs the suite"
$lab run --kernel 6.1 --smp 2 --emu-args=--admin-timeout --emu-args=500ms --timeout 1200 --allow 'mm/page_alloc|hung|blocked' -- \
	tests/kselftest/run.sh "$folder/stock/efa.ko" "$programs" "${suite[@]}" >"$folder/stock.tap" 2>&1
tail -n 3 "$folder/stock.tap"
grep -q '^1\.\.' "$folder/stock.tap"
count "the suite came to its end" $?

step "Both drivers answer the conformance script"
for driver in stock own; do
	# The kernel's driver makes 6.1 warn when a ring is too large.
	$lab run --kernel 6.1 --smp 2 --module "$folder/$driver/efa.ko" --timeout 120 --allow mm/page_alloc -- "$script" \
		>"$folder/$driver.json" 2>"$folder/$driver.err"
	count "the conformance script on the driver '$driver'" $?
done

step "Differences"
tests/interop/report.py --tap "$folder/stock.tap" --tap-reasons tests/interop/tests.txt \
	--answers "$folder/stock.json" "$folder/own.json" --answer-reasons tests/interop/answers.txt \
	>"$folder/driver-differences.md"
count "every difference has its reason" $?
[ "$accept" = --accept ] && cp "$folder/driver-differences.md" docs/driver-differences.md
diff -u docs/driver-differences.md "$folder/driver-differences.md"
count "docs/driver-differences.md says what was found (else: scripts/test-interop.sh --accept)" $?

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
