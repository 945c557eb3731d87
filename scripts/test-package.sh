#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-package.sh [dkms] [libefa] [provider]      (none: all)
#
# Builds packages and takes them through their lives: efa-dkms on a machine with kernels 6.1 and 6.12
# (tests/packaging/dkms_life.sh), libefa-open1 and -dev (tests/packaging/libefa_life.sh), libfabric-efa-open
# (tests/packaging/provider_life.sh). This machine does not change. The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1

[ $# -gt 0 ] || set -- dkms libefa provider

passed=0 failed=0
# life COMMAND...: adds up what its last line counts.
life() {
	local counts log
	log=$(mktemp)
	"$@" | tee "$log"
	counts=$(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log")
	rm "$log"
	[ -n "$counts" ] || stop "the test ended without a result"
	passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}

efa_dkms() {
	step "Package efa-dkms: kernels, build, lintian"
	scripts/install-deps.sh lab package || exit 2
	local kernel folder package versions=()
	for kernel in 6.1 6.12; do
		tools/lab/lab setup --kernel $kernel || exit 2
		folder=$(tools/lab/lab kernel-build-dir $kernel) || exit 2
		versions+=("${folder##*/linux-headers-}")
	done
	package=$(scripts/dkms-deb.sh | tail -n 1)
	[ -f "$package" ] || stop "the package could not be built"

	step "Package efa-dkms: install, further kernel, unfit kernel, upgrade, remove, purge"
	life scripts/machine-root.sh 6.1,6.12 tests/packaging/dkms_life.sh "$package" "${versions[@]}"
}

libefa() {
	step "Packages libefa-open1 and libefa-open-dev: build, lintian"
	scripts/install-deps.sh build run package || exit 2
	local packages
	build_tree default efa-emu || exit 2
	mapfile -t packages < <(scripts/libefa-deb.sh | tail -n 2)
	[ -f "${packages[1]:-}" ] || stop "the packages could not be built"

	step "Packages libefa-open1 and libefa-open-dev: install, use, upgrade, remove, purge"
	life scripts/machine-root.sh "" tests/packaging/libefa_life.sh "${packages[@]}" \
		"$build/default/tools/emulator/efa-emu"
}

provider() {
	step "Package libfabric-efa-open: build, lintian"
	scripts/install-deps.sh build run package || exit 2
	local package
	build_tree default efa-emu || exit 2
	package=$(scripts/provider-deb.sh | tail -n 1)
	[ -f "$package" ] || stop "the package could not be built"

	step "Package libfabric-efa-open: install, use, upgrade, remove, purge"
	life scripts/machine-root.sh "" tests/packaging/provider_life.sh "$package" "$build/default/tools/emulator/efa-emu"
}

for package in "$@"; do
	case $package in
	dkms) efa_dkms ;;
	libefa) libefa ;;
	provider) provider ;;
	*) echo "test-package.sh: there is no package '$package'; packages are dkms libefa provider" >&2 && exit 2 ;;
	esac
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
