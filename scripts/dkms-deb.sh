#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: dkms-deb.sh [DIRECTORY]
#
# `make dkms-deb`: builds DIRECTORY/efa-dkms_VERSION_all.deb (build/packages by default) from the tree
# as it is, and checks it with lintian.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"

target=${1:-$build/packages}
scripts/install-deps.sh package
mkdir -p "$target"
target=$(cd "$target" && pwd)

version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
for other in "$(sed -n 's/^project(efa VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)" \
	"$(sed -n 's/^efa (\(.*\)) .*/\1/p;q' packaging/debian/changelog)" \
	"$(awk '/^#define EFA_VERSION_(MAJOR|MINOR|PATCH)/ { printf "%s%s", dot, $3; dot = "." }' kernel/efa_version.h)"; do
	[ "$other" = "$version" ] || stop "dkms.conf says version $version, another place '$other':" \
		"CMakeLists.txt, packaging/debian/changelog and kernel/efa_version.h must agree with it"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/efa-$version
mkdir "$tree"
cp -r dkms.conf packaging docs "$tree"
mv "$tree/packaging/debian" "$tree/debian"
# The driver as it is in the tree, without what builds left in it; its tests stay behind.
tar -C "$root" --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' \
	--exclude='.*.cmd' --exclude=Module.symvers --exclude=modules.order --exclude="efa_config.h*" \
	--exclude=kernel/tests --exclude=.clang-format -cf - kernel | tar -C "$tree" -xf -

log=$target/build.log
if ! (cd "$tree" && dpkg-buildpackage -us -uc -b) >"$log" 2>&1; then
	cat "$log" >&2
	stop "dpkg-buildpackage failed"
fi
lintian --allow-root --fail-on error,warning --tag-display-limit 0 --profile debian "$work"/efa-dkms_*.deb
mv "$work"/efa-dkms_*.deb "$target"
echo "${target#"$root"/}/efa-dkms_${version}_all.deb"
