#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: provider-deb.sh [DIRECTORY]
#
# `make provider-deb`: builds libfabric-efa-open in DIRECTORY (build/packages by default) from the tree as it
# is, for the libfabric of this machine, and checks it with lintian.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/deb-packages.sh"
cd "$root"

target=${1:-$build/packages}
scripts/install-deps.sh package
mkdir -p "$target"
target=$(cd "$target" && pwd)
version=$(package_version)

build_debs "$target" any libfabric-efa-open -- dkms.conf CMakeLists.txt packaging docs kernel userspace provider
echo "${target#"$root"/}/libfabric-efa-open_${version}_$(dpkg --print-architecture).deb"
