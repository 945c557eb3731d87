#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: lint.sh          everything is only checked
#        lint.sh format   clang-format changes the files
#
# clang-format, clang-tidy over the emulator and the providers, shellcheck, Python syntax, SPDX lines.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1

# Tracked files, and new ones that nobody ignores.
files() {
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
		[ -f "$file" ] && echo "$file"
	done
}
sources() {
	files '*.c' '*.h' '*.cpp' '*.hpp'
}

if [ "${1:-}" = format ]; then
	scripts/install-deps.sh lint || exit 2
	sources | xargs -r clang-format -i
	exit
fi

failures=0
verdict() {
	if [ "$1" -eq 0 ]; then echo "ok"; else
		failures=$((failures + 1))
		echo "FAILED: $step_name"
	fi
}

scripts/install-deps.sh build test lint || exit 2

step "SPDX line in every file"
without=$(files | grep -vE '^(LICENSES|packaging/debian|tests/fuzz/corpus)/|\.license$' | while read -r file; do
	{ head -n 5 "$file" "$file.license" 2>/dev/null || true; } |
		grep -q 'SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause' || echo "$file"
done)
[ -z "$without" ] || echo "no SPDX line: $without"
verdict "$([ -z "$without" ]; echo $?)"

step "clang-format"
sources | xargs -r clang-format --dry-run -Werror
verdict $?

step "shellcheck"
# shellcheck disable=SC2046  # our names have no spaces
shellcheck -x -P scripts $(files '*.sh' .ci/run tools/lab/guest)
verdict $?

step "Python syntax"
# shellcheck disable=SC2046
PYTHONPYCACHEPREFIX=$build/pycache python3 -m py_compile $(files '*.py')
verdict $?

step "clang-tidy over tools/emulator, userspace and provider"
build_tree default "efa_emu_base efa_provider"
# The provider is compiled with options of gcc for optimisation at link time, which clang passes over.
files 'tools/emulator/*.cpp' 'userspace/*.cpp' 'provider/*.cpp' | xargs -r -n 4 -P "$(nproc)" clang-tidy -p "$build/default" --quiet \
	--extra-arg=-Wno-ignored-optimization-argument --warnings-as-errors='*' 2>/dev/null
verdict $?

echo
[ $failures -eq 0 ] || stop "$failures of $step_number checks failed"
echo "lint: all $step_number checks passed"
