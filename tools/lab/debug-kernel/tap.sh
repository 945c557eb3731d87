#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest: tap.sh PROGRAM...     (programs that have allocations fail)
#
# Runs programs that print TAP, one after the other, then looks for leaks (leaks.sh). A program that ends
# badly, or prints fewer results than it planned, counts as a failure. The last line is 'N passed, N failed'.
set -u
here=$(dirname "$0")
passed=0 failed=0

fail() {
	echo "FAILED: $*"
	failed=$((failed + 1))
}

# tally PROGRAM STATUS OUTPUT: adds up the results of one program.
tally() {
	local good bad planned
	good=$(grep -c '^ok ' "$3")
	bad=$(grep -c '^not ok ' "$3")
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$3")
	passed=$((passed + good)) failed=$((failed + bad))
	[ "$((good + bad))" -eq "${planned:--1}" ] || fail "$1: ${planned:-no} tests planned, $((good + bad)) reported"
	if [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; then fail "$1: status $2"; fi
}

output=$(mktemp) processes=$(mktemp)
for program in "$@"; do
	name=${program##*/}
	echo "== $name"
	timeout --kill-after=5 "${TAP_LIMIT:-600}" "$here/noted.sh" "$processes" "$program" 2>&1 | tee "$output"
	status=${PIPESTATUS[0]}
	tally "$name" "$status" "$output"
done
"$here/leaks.sh" "$processes" faults || fail "kmemleak found unreferenced memory"
rm -f "$output" "$processes"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
