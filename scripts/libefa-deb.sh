#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: libefa-deb.sh [DIRECTORY]
#
# `make libefa-deb`: builds libefa-open1 and libefa-open-dev in DIRECTORY (build/packages by default) from
# the tree as it is, for the libibverbs of this machine, and checks them with lintian.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/deb-packages.sh"
cd "$root"

target=${1:-$build/packages}
scripts/install-deps.sh package
mkdir -p "$target"
target=$(cd "$target" && pwd)
version=$(package_version)

DEB_BUILD_PROFILES=pkg.efa.nofi build_debs "$target" any libefa-open1 libefa-open-dev -- dkms.conf CMakeLists.txt packaging docs kernel userspace
for package in libefa-open1 libefa-open-dev; do
	echo "${target#"$root"/}/${package}_${version}_$(dpkg --print-architecture).deb"
done
