#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: fuzz.sh build                    builds all fuzzers in build/fuzz
#        fuzz.sh tests                    builds the unit tests there, under the same sanitizers
#        fuzz.sh run NAME SECONDS         one of them, from tests/fuzz/corpus/NAME
#        fuzz.sh all SECONDS              builds and runs all, one after the other
#
# New inputs and crashes are kept in build/fuzz/found/NAME. A crash is replayed by
# build/fuzz/tests/fuzz/NAME_fuzz FILE.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"

# build_here TARGETS: clang, ASan and UBSan, coverage for libFuzzer.
build_here() {
	CC=clang CXX=clang++ build_tree fuzz "$1" -DEFA_FUZZ=ON \
		-DEFA_SANITIZE=fuzzer-no-link,address,undefined -DCMAKE_BUILD_TYPE=Debug \
		-DCMAKE_CXX_FLAGS_DEBUG=-O1\ -g -DCMAKE_C_FLAGS_DEBUG=-O1\ -g
}

run_fuzzer() {
	local name=$1 seconds=$2
	local found=build/fuzz/found/$name seeds=tests/fuzz/corpus/$name
	[ -x "build/fuzz/tests/fuzz/${name}_fuzz" ] || stop "there is no fuzzer $name; scripts/fuzz.sh build"
	mkdir -p "$found"
	[ -d "$seeds" ] || seeds=
	local log=$found.log status=0
	# shellcheck disable=SC2086  # no seeds, no word
	"build/fuzz/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$found/" -print_final_stats=1 "$found" $seeds >"$log" 2>&1 </dev/null ||
		status=$?
	if [ $status -ne 0 ]; then
		tail -n 40 "$log"
		stop "fuzzer $name found something; replay it: build/fuzz/tests/fuzz/${name}_fuzz $found/..."
	fi
	echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in ${seconds} s, nothing found"
}

case ${1:-} in
build) build_here fuzzers ;;
tests) build_here efa_emu_base && build_here "$(unit_targets fuzz)" ;;
run) run_fuzzer "$2" "$3" ;;
all)
	scripts/install-deps.sh build test fuzz
	step "Build the fuzzers"
	build_here fuzzers
	for source in tests/fuzz/*_fuzz.cpp; do
		name=$(basename "$source" _fuzz.cpp)
		step "Fuzzer $name, $2 seconds"
		run_fuzzer "$name" "$2"
	done
	;;
*)
	echo "usage: fuzz.sh build | tests | run NAME SECONDS | all SECONDS" >&2
	exit 2
	;;
esac
