#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-kernels.sh [KERNEL]...      (none: 6.1 6.12 newest)
#
# efa.ko for each kernel and its cloud flavour: built with W=1 and sparse, without a warning; booted and
# tested on the kernel itself (the cloud flavours cannot boot in the lab, which needs 9p). Writes the
# table docs/kernels.md. DRIVER_TESTS=long for long loops. The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1
[ $# -gt 0 ] || set -- 6.1 6.12 newest
lab=tools/lab/lab
passed=0 failed=0
table=$build/kernels.md

scripts/install-deps.sh build kernel lab || exit 2
build_tree default "efa-emu kselftest conformance_script efa_provider provider_conformance interop_removal"
mkdir -p "$build/kernels"

# strict_build KERNEL: prints '0 warnings', 'N warnings' or 'fails'; the log is in build/kernels.
strict_build() {
	local folder=$build/kernels/$1 log=$build/kernels/$1.log warnings
	copy_module kernel "$folder"
	if ! $lab build-module --kernel "$1" "$folder" W=1 C=1 >"$log" 2>&1; then
		echo fails
		return
	fi
	# What the kernel's own headers or tools complain about is not ours.
	warnings=$(grep -cE "^[^ ]*${folder##*/}/[^ ]*: (warning|error)" "$log")
	echo "$warnings warnings"
}

version_of() {
	$lab list-kernels | awk -v name="$1" '$1 == name { print $2 }'
}

count_build() {
	if [ "$1" = "0 warnings" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

rows=()
for kernel in "$@"; do
	for flavour in "$kernel" "$kernel-cloud"; do
		step "Build for $flavour, W=1 and sparse"
		verdict=$(strict_build "$flavour")
		count_build "$verdict"
		echo "$flavour: $verdict"
		tests="not booted"
		if [ "$flavour" = "$kernel" ]; then
			scripts/test-driver.sh "$kernel" 2>&1 | tee "$build/kernels/$kernel.tests"
			counts=$(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$build/kernels/$kernel.tests")
			if [ -n "$counts" ]; then
				passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
				tests="${counts% *} passed, ${counts#* } failed"
			else
				failed=$((failed + 1)) tests="no result"
			fi
		fi
		rows+=("| $flavour | $(version_of "$flavour") | $verdict | $tests |")
	done
done

{
	echo '<!-- SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause -->'
	echo '# Kernels'
	echo
	echo "Written by \`make test-kernels\`. Tests are the kselftests with devices of two generations and the"
	echo 'comparison of the answers with native mode, in guests of the VM lab.'
	echo
	echo '| Kernel | Version | Build with W=1 and sparse | Tests |'
	echo '|---|---|---|---|'
	printf '%s\n' "${rows[@]}"
	echo
	echo "sparse does not read the headers of the newest kernel (see docs/lab.md); there W=1 counts alone."
} >"$table"
echo
cat "$table"
[ $# -lt 3 ] || cp "$table" docs/kernels.md
echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
