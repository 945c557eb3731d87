#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest with the debug kernel and an efa device: test-leaks.sh LOST PROGRAMS
#
# What leaks.sh forgives, it forgives to named processes only: tried with ib_core's own leak and with the
# module LOST (lost/), which loses memory. PROGRAMS is the folder of the kselftests. The last line is
# 'N passed, N failed'.
set -u
here=$(dirname "$0") lost=$1 programs=$2
processes=$(mktemp)
passed=0 failed=0

# expect STATUS PATTERN SENTENCE [PROCESSES]: what leaks.sh must say; PATTERN must be in it.
expect() {
	local status=0 output
	output=$("$here/leaks.sh" "${@:4}") || status=$?
	if [ $status -eq "$1" ] && grep -q "$2" <<<"$output"; then
		passed=$((passed + 1))
		echo "ok - $3"
	else
		failed=$((failed + 1))
		printf 'not ok - %s: status %s and\n%s\n' "$3" $status "$output"
	fi
}

expect 0 '^$' 'nothing leaks at the start'
"$here/noted.sh" "$processes" "$programs/verbs/context" 'opened once' >/dev/null
# Other processes take the places where its task's address was.
for _ in {1..30}; do timeout 9 true; done
expect 1 'copy_process' 'a task that ib_core keeps is found'
expect 0 'kept by ib_core' 'a task that ib_core keeps is forgiven to the process that is named' "$processes"
"$here/noted.sh" "$processes" insmod "$lost"
expect 1 'comm "insmod"' 'other memory is not forgiven, not even to such a process' "$processes" faults
rm -f "$processes"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
