#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: run.sh MODULE PROGRAMS [PROGRAM[=FILTER]...]     as root, in a guest of the lab
#
# Loads MODULE (a file) if no efa module is loaded, runs the test programs of the folder PROGRAMS
# (all, or those named, such as verbs/memory; FILTER is part of a test's sentence), unloads the module and looks for what it left. Prints
# one TAP stream and at last 'N passed, N failed'; the status is 1 if one failed.
#
# Rounds of long loops, each with its own variable (these are for a run in minutes):
#   EFA_TEST_BIND_ROUNDS=10 EFA_TEST_RESCAN_ROUNDS=5 EFA_TEST_RELOAD_ROUNDS=5 EFA_TEST_UNBIND_ROUNDS=3
#   EFA_TEST_RESET_ROUNDS=2 EFA_TEST_ROUNDS=200 (threads), EFA_TEST_ALL_FAULTS (unset)
# EFA_TEST_LIMIT (240) is the time for one program, in seconds.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '4,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
module=$(realpath "$1") programs=$(realpath "$2")
shift 2
# loss comes last: it takes devices away for good.
[ $# -gt 0 ] || set -- verbs/{context,domain,address,memory,completion_queue,queue_pair,transitions} \
	verbs/{traffic,events,threads,processes,limits} device/{mappings,counters,binding,faults,loss}
export EFA_TEST_MODULE=$module
debug=$(dirname "$0")/../../tools/lab/debug-kernel
# These are refused the device on purpose or for a while, which a debug kernel's leak detector sees (leaks.sh).
refused=' verbs/context device/binding device/faults device/loss '
processes=/tmp/kselftest.$$.processes
number=0 passed=0 failed=0

# verdict ok|"not ok" TEXT
verdict() {
	number=$((number + 1))
	if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	echo "$1 $number - $2"
}

# Renumbers one program's TAP and counts it.
run_program() {
	local name=${1%%=*} line planned=0 seen=0 status=0 start=$SECONDS
	local filter=() noted=()
	[[ $refused != *" $name "* ]] || noted=("$debug/noted.sh" "$processes")
	[ "$name" = "$1" ] || filter=("${1#*=}")
	local output=/tmp/kselftest.$$
	echo "# $name"
	timeout --kill-after=10 "${EFA_TEST_LIMIT:-240}" "${noted[@]}" "$programs/$name" "${filter[@]}" >"$output" 2>&1 || status=$?
	while IFS= read -r line; do
		case $line in
		1..*) planned=${line#1..} ;;
		'ok '*) seen=$((seen + 1)) && verdict ok "$name: ${line#* - }" ;;
		'not ok '*) seen=$((seen + 1)) && verdict 'not ok' "$name: ${line#* - }" ;;
		'TAP version'*) ;;
		*) echo "# ${line#\# }" ;;
		esac
	done <"$output"
	rm -f "$output"
	if [ "$seen" -ne "$planned" ] || [ "$planned" -eq 0 ] || [ $status -gt 1 ]; then
		verdict 'not ok' "$name: ended with status $status after $seen of $planned tests"
	fi
	echo "# $name took $((SECONDS - start)) s"
}

load() {
	local needed
	[ -d /sys/module/efa ] && return
	for needed in $(modinfo -F depends "$module" | tr ',' ' '); do modprobe "$needed" || return; done
	modprobe ib_uverbs && insmod "$module"
}

# What the leak detector of a debug kernel finds, if there is one.
look_for_leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return
	local found status=0
	found=$("$debug/leaks.sh" "$processes") || status=$?
	[ -z "$found" ] || printf '%s\n' "$found" | sed 's/^/# /'
	if [ $status -eq 0 ]; then verdict ok "no memory is leaked, $1"; else verdict 'not ok' "no memory is leaked, $1"; fi
}

unload() {
	# While the module is there, its functions have names.
	look_for_leaks 'as long as the module is loaded'
	if [ -d /sys/module/efa ] && ! rmmod efa; then
		verdict 'not ok' 'the module is unloaded at the end'
		return
	fi
	verdict ok 'the module is unloaded at the end'
	look_for_leaks 'after it was unloaded'
}

echo 'TAP version 13'
echo "# kernel $(uname -r), module $module"
if ! load; then
	echo "Bail out! $module does not load"
	exit 1
fi
for program in "$@"; do run_program "$program"; done
unload
rm -f "$processes"
echo "1..$number"
echo "# it took $SECONDS s"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
