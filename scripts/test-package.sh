#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Builds the package efa-dkms and takes it through its life on a machine with kernels 6.1 and 6.12:
# tests/packaging/dkms_life.sh. This machine does not change. The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root" || exit 1

step "Package efa-dkms: kernels, build, lintian"
scripts/install-deps.sh lab package || exit 2
versions=()
for kernel in 6.1 6.12; do
	tools/lab/lab setup --kernel $kernel || exit 2
	folder=$(tools/lab/lab kernel-build-dir $kernel) || exit 2
	versions+=("${folder##*/linux-headers-}")
done
package=$(scripts/dkms-deb.sh | tail -n 1)
[ -f "$package" ] || stop "the package could not be built"

step "Package efa-dkms: install, further kernel, unfit kernel, upgrade, remove, purge"
scripts/machine-root.sh 6.1,6.12 tests/packaging/dkms_life.sh "$package" "${versions[@]}"
