#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-debug-kernel.sh [kunit] [suite] [fail-nth]     (none: all three)
#
#   kunit     the driver's KUnit suites
#   suite     the kselftest programs against the driver and an emulated device
#   fail-nth  every allocation of probe, of removal and of each verb fails once
#
# All of it in VMs of the lab, on the debug kernel (KASAN, lockdep, kmemleak, UBSAN, DMA checks), which is
# built at the first use. A complaint of that kernel fails a part whatever its tests say; leaks are judged
# in the guests (tools/lab/debug-kernel/leaks.sh), and that this can fail is tried before the suite. The last
# line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1
[ $# -gt 0 ] || set -- kunit suite fail-nth

place=$build/debug-kernel
programs=$build/default/tests/kselftest
passed=0 failed=0

# The counts in the last line of a part's output, and its status.
count() {
	local name=$1 status=$2 output=$3 counts
	counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$output" | tail -n 1)
	local part_passed=${counts% *} part_failed=${counts#* }
	passed=$((passed + ${part_passed:-0})) failed=$((failed + ${part_failed:-0}))
	if [ "$status" -ne 0 ] && [ "${part_failed:-0}" -eq 0 ]; then
		failed=$((failed + 1))
		echo "FAILED: $name ended with status $status (123: the kernel complained)"
	fi
}

# A driver of its own for this kernel, and a module that loses memory; so that builds for others are not disturbed.
build_modules() {
	local module
	cp -a --update kernel tools/lab/debug-kernel/lost "$place/"
	for module in kernel lost; do
		make -C "$(readlink -f "$kernel/kdir")" M="$place/$module" modules >"$place/build-$module.log" 2>&1 </dev/null || {
			grep -m 20 -E 'error|ERROR' "$place/build-$module.log" >&2
			stop "$module does not build; all of it is in ${place#"$root"/}/build-$module.log"
		}
	done
}

# in_guest NAME LIMIT LAB_OPTION... -- COMMAND...: in a VM with emulated devices. What is allowed: memory
# that users register twice is mapped for DMA twice, which add_dma_entry takes for a mistake; and the
# kernel's own clean-up of an interrupt whose files in /proc could not be made (fail-nth) warns of each. What
# the leak detector says on the console is judged by leaks.sh at the end of each command.
in_guest() {
	local name=$1 limit=$2 status=0
	shift 2
	tools/lab/lab run --kernel debug --memory 2048 --timeout "$limit" \
		--allow 'at kernel/dma/debug\.c:[0-9]+ add_dma_entry' \
		--allow 'kmemleak: [0-9]+ new suspected' \
		--allow 'at fs/proc/generic\.c:[0-9]+ remove_proc_entry' "$@" \
		>"$place/$name.log" 2>&1 || status=$?
	grep -vE '^ok |^TAP |^1\.\.' "$place/$name.log"
	count "$name" $status "$place/$name.log"
}

run_kunit() {
	local status=0
	scripts/test-kunit.sh debug >"$place/kunit.log" 2>&1 || status=$?
	tail -n 5 "$place/kunit.log"
	count kunit $status "$place/kunit.log"
}

for part in "$@"; do
	case $part in
	kunit | suite | fail-nth) ;;
	*) echo "test-debug-kernel.sh: there is no part '$part'; parts are kunit suite fail-nth" >&2 && exit 2 ;;
	esac
done

step "Packages from Debian"
scripts/install-deps.sh build test lab kernel || exit 2
step "The debug kernel"
kernel=$(tools/lab/build-kernel.sh debug) || stop "no debug kernel"
echo "$kernel"
mkdir -p "$place"
step "Driver and test programs"
build_modules
build_tree default "efa-emu kselftest fail_nth_verbs fail_nth_probe"

for part in "$@"; do
	case $part in
	kunit)
		step "KUnit suites on the debug kernel"
		run_kunit
		;;
	suite)
		step "The leak check can fail"
		in_guest leaks 900 --module "$place/kernel/efa.ko" -- \
			tools/lab/debug-kernel/test-leaks.sh "$place/lost/lost.ko" "$programs"
		step "Kselftest suite on the debug kernel"
		# Everything is slower there; admin commands get as long as a device can ask for.
		in_guest suite 3600 --smp 2 --devices-per-host 2 --emu-args=--admin-timeout --emu-args=1500ms -- \
			env EFA_TEST_LIMIT=1500 tests/kselftest/run.sh "$place/kernel/efa.ko" "$programs"
		;;
	fail-nth)
		step "Faults in every allocation"
		in_guest fail-nth-verbs 3600 --module "$place/kernel/efa.ko" -- env TAP_LIMIT=3400 tools/lab/debug-kernel/tap.sh "$programs/fail_nth/verbs"
		in_guest fail-nth-probe 7200 --module "$place/kernel/efa.ko" -- env TAP_LIMIT=7000 tools/lab/debug-kernel/tap.sh "$programs/fail_nth/probe"
		;;
	esac
done

echo
echo "all of it took ${SECONDS} seconds; logs are in ${place#"$root"/}"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
