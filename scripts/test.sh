#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test.sh [default] [driver] [package] [sanitizers] [fuzz] [lab]   (none: all but the last, which is
# `make test`)
#
#   default     everything that ctest knows: unit, layout, conformance, native programs
#   sanitizers  the unit tests under ASan+UBSan and under TSan
#   fuzz        every fuzzer for FUZZ_SECONDS (20) seconds, from its corpus
#   driver      efa.ko in guests of the VM lab: kernel 6.1
#   package     the lives of the Debian packages: install, upgrade, remove, purge
#   lab         the VM lab itself: boots guests
#
# Goes on after a failure; the last line is 'N passed, N failed[, N skipped]'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1
[ $# -gt 0 ] || set -- default driver package sanitizers fuzz

passed=0 failed=0 skipped=0 failures=()

# check NAME COMMAND...: counts as one test; false when it fails.
check() {
	local name=$1
	shift
	if (set -e && "$@") </dev/null; then
		passed=$((passed + 1))
		return 0
	fi
	failed=$((failed + 1)) failures+=("$name")
	echo "FAILED: $name"
	return 1
}

# Runs ctest in build/NAME with the further arguments, and adds up its results.
run_ctest() {
	local name=$1 counts
	local junit=$build/$name/junit.xml
	shift
	rm -f "$junit"
	ctest --test-dir "$build/$name" --output-on-failure --timeout 600 --output-junit "$junit" "$@" \
		</dev/null 2>&1 | grep -vE '^ +Start |^ *[0-9]+/[0-9]+ Test .* Passed |^$'
	if ! counts=$(python3 scripts/count-junit.py "$junit" "$name"); then
		failed=$((failed + 1)) failures+=("$name: ctest gave no results")
		return
	fi
	local now_passed now_failed now_skipped names
	read -r now_passed now_failed now_skipped names <<<"$counts"
	passed=$((passed + now_passed)) failed=$((failed + now_failed)) skipped=$((skipped + now_skipped))
	[ "$now_failed" -eq 0 ] || failures+=("$names")
	echo "$name: $now_passed passed, $now_failed failed, $now_skipped skipped  (+${SECONDS}s)"
}

# run_counting SCRIPT ARGUMENT...: a script whose last line is 'N passed, N failed'.
run_counting() {
	local log=$build/${1##*/}.log counts
	"$@" </dev/null 2>&1 | tee "$log"
	counts=$(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log")
	if [ -z "$counts" ]; then
		failed=$((failed + 1)) failures+=("$1: no result")
		return
	fi
	passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
	[ "${counts#* }" -eq 0 ] || failures+=("$1: ${log#"$root"/}")
}

# sanitized SANITIZERS BUILD_COMMAND TREE: builds the unit tests with sanitizers and runs them.
sanitized() {
	local sanitizers=$1 command=$2 tree=$3
	step "Unit tests under $sanitizers: build"
	check "build under $sanitizers" "$command" || return
	step "Unit tests under $sanitizers: run"
	run_ctest "$tree" -R '^unit_' -j "$(nproc)"
}
build_asan() {
	scripts/fuzz.sh tests
}
build_tsan() {
	CC=clang CXX=clang++ build_tree tsan efa_emu_base -DEFA_SANITIZE=thread \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O1\ -g
	build_tree tsan "$(unit_targets tsan)"
}

groups=(build test lab)
for part in "$@"; do
	case $part in
	default) ;;
	sanitizers) groups+=(fuzz) ;;
	fuzz) groups+=(fuzz) ;;
	driver) groups+=(kernel) ;;
	package) groups+=(lab package) ;;
	lab) ;;
	*) echo "test.sh: there is no part '$part'; parts are default driver package sanitizers fuzz lab" >&2 && exit 2 ;;
	esac
done
step "Packages from Debian"
scripts/install-deps.sh "${groups[@]}" || exit 2

for part in "$@"; do
	case $part in
	default)
		step "Build in build/default"
		check "build" build_tree default all || continue
		step "Unit and layout tests"
		run_ctest default -R '^(unit_|layout_)' -j "$(nproc)"
		# One at a time: these start emulators and programs that want the cores for themselves.
		step "Everything else: conformance, native programs"
		run_ctest default -E '^(unit_|layout_)'
		;;
	lab)
		step "Lab: build in build/default"
		check "build" build_tree default all || continue
		step "Lab: guests"
		run_ctest default -C lab -R '^lab_'
		;;
	driver)
		step "Driver: build in build/default"
		check "build" build_tree default "efa-emu kselftest conformance_script efa_provider provider_conformance interop_removal" || continue
		run_counting scripts/test-driver.sh
		;;
	package)
		run_counting scripts/test-package.sh
		;;
	sanitizers)
		export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
		sanitized address,undefined build_asan fuzz
		sanitized thread build_tsan tsan
		;;
	fuzz)
		step "Fuzzers: build"
		check "build of the fuzzers" scripts/fuzz.sh build || continue
		step "Fuzzers: ${FUZZ_SECONDS:-20} seconds each"
		for source in tests/fuzz/*_fuzz.cpp; do
			name=$(basename "$source" _fuzz.cpp)
			check "fuzzer $name" scripts/fuzz.sh run "$name" "${FUZZ_SECONDS:-20}"
		done
		;;
	esac
done

echo
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
echo "all of it took ${SECONDS} seconds"
echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
