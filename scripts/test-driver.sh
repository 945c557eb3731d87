#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-driver.sh [KERNEL]...      (none: 6.1)
#
# For each kernel: builds the module, runs the kselftests in a guest with devices of generation efa2
# and again of efa4, and compares the answers of the driver with those of native mode. Needs a build
# in build/default. Environment: DRIVER_TESTS=long multiplies the rounds of the loops (hours).
# The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1
[ $# -gt 0 ] || set -- 6.1
lab=tools/lab/lab
programs=$build/default/tests/kselftest
script=$build/default/tests/conformance/conformance_script
emulator=$build/default/tools/emulator/efa-emu
export EFA_EMU=$emulator
passed=0 failed=0 failures=()

loops=()
if [ "${DRIVER_TESTS:-}" = long ]; then
	loops=(EFA_TEST_BIND_ROUNDS=100 EFA_TEST_RESCAN_ROUNDS=100 EFA_TEST_RELOAD_ROUNDS=100
		EFA_TEST_UNBIND_ROUNDS=30 EFA_TEST_RESET_ROUNDS=20 EFA_TEST_UNPLUG_ROUNDS=100 EFA_TEST_ROUNDS=2000
		EFA_TEST_ALL_FAULTS=1 EFA_TEST_LIMIT=3000)
fi

# count NAME STATUS: one more test.
count() {
	if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) failures+=("$1"); fi
}

build_module() {
	local kernel=$1 folder=$build/driver/$1
	copy_module kernel "$folder" &&
		$lab build-module --kernel "$kernel" "$folder" >"$folder/build.log" 2>&1 && return
	grep -A 10 -m 3 -E 'error|warning|\*\*\*' "$folder/build.log"
	return 1
}

# kselftest KERNEL GENERATION [PROGRAM...]: in a guest; adds up its counts.
kselftest() {
	local kernel=$1 generation=$2 log=$build/driver/$1-$2.log status=0 counts
	shift 2
	$lab run --kernel "$kernel" --smp 2 --devices-per-host 2 --generation "$generation" \
		--emu-args=--admin-timeout --emu-args=500ms --timeout "${LAB_LIMIT:-1200}" -- \
		env "${loops[@]}" tests/kselftest/run.sh "$build/driver/$kernel/efa.ko" "$programs" "$@" \
		>"$log" 2>&1 || status=$?
	grep -E '^not ok|^Bail|^lab:' "$log"
	counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1)
	passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
	# The guest may die, and the kernel may complain although every test passed.
	if [ -z "$counts" ] || { [ $status -ne 0 ] && [ "${counts#* }" -eq 0 ]; }; then
		count "$kernel, $generation: the guest (status $status, ${log#"$root"/})" 1
	elif [ "${counts#* }" -ne 0 ]; then
		failures+=("$kernel, $generation: ${log#"$root"/}")
	fi
	echo "$kernel, $generation: ${counts:-nothing} (passed failed)  (+${SECONDS}s)"
}

# conformance KERNEL GENERATION: the driver and native mode answer the same.
conformance() {
	local kernel=$1 generation=$2 folder=$build/driver status=0
	"$emulator" run --generation "$generation" -- "$script" >"$folder/native-$generation.json" &&
		$lab run --kernel "$kernel" --smp 2 --module "$folder/$kernel/efa.ko" --generation "$generation" --timeout 120 \
			-- bash -c "modprobe ib_uverbs && '$script'" >"$folder/$kernel-$generation.json" 2>"$folder/$kernel-$generation.err" &&
		tests/conformance/compare.py "native=$folder/native-$generation.json" \
			"efa.ko=$folder/$kernel-$generation.json" --expected "tests/conformance/native-$kernel.txt" || status=1
	count "$kernel, $generation: conformance with native mode" $status
}

# libefa KERNEL: our libefa on it, in two guests.
libefa() {
	local kernel=$1 log=$build/driver/$1-libefa.log counts
	python3 -B tests/interop/square.py --short --kernel "$kernel" --folder "$build/driver/$kernel-libefa" \
		--build "$build/default" --driver "ours=$build/driver/$kernel/efa.ko" \
		--library "ours=$build/default/userspace/lib" | tee "$log"
	counts=$(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log")
	if [ -z "$counts" ]; then
		count "$kernel: our libefa gave no results" 1
		return
	fi
	passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
	[ "${counts#* }" -eq 0 ] || failures+=("$kernel, our libefa: ${log#"$root"/}")
}

for kernel in "$@"; do
	step "Kernel $kernel: efa.ko"
	if ! build_module "$kernel"; then
		count "$kernel: build" 1
		continue
	fi
	count "$kernel: build" 0
	step "Kernel $kernel: kselftests"
	kselftest "$kernel" efa2
	kselftest "$kernel" efa4 verbs/{context,memory,completion_queue,queue_pair,traffic,events,limits} \
		device/{binding,faults,loss}
	step "Kernel $kernel: the same answers as native mode"
	for generation in efa2 efa4; do conformance "$kernel" "$generation"; done
	step "Kernel $kernel: verbs programs over our libefa"
	libefa "$kernel"
done

echo
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
