#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: dkms-deb.sh [DIRECTORY]
#
# `make dkms-deb`: builds DIRECTORY/efa-dkms_VERSION_all.deb (build/packages by default) from the tree
# as it is, and checks it with lintian.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/deb-packages.sh"
cd "$root"

target=${1:-$build/packages}
scripts/install-deps.sh package
mkdir -p "$target"
target=$(cd "$target" && pwd)
version=$(package_version)

build_debs "$target" all efa-dkms -- dkms.conf packaging docs kernel
echo "${target#"$root"/}/efa-dkms_${version}_all.deb"
