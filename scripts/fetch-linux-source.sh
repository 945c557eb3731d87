#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: fetch-linux-source.sh [SERIES]          SERIES: 6.1 (the default), 6.12
#
# Brings Debian's linux-source-SERIES into the cache without installing it, unpacked, and prints the
# folder: ${EFA_CACHE:-$HOME/.cache/efa-stack}/linux-source/VERSION, VERSION being the package's. The
# tree is shared: build outside of it (make O=...), copy what you change.
set -euo pipefail

series=${1:-6.1}
package=linux-source-$series
cache=${EFA_CACHE:-$HOME/.cache/efa-stack}

fail() {
	echo "fetch-linux-source: $*" >&2
	exit 1
}

# The version that apt would install; a machine whose lists are empty gets them once.
candidate() {
	apt-cache policy "$package" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

version=$(candidate)
if [ -z "$version" ]; then
	[ "$(id -u)" -eq 0 ] && apt-get -qq update >&2
	version=$(candidate)
fi
[ -n "$version" ] || fail "apt knows no $package; the sources need a Debian 12 mirror (then: apt-get update)"

tree=$cache/linux-source/$version
mkdir -p "$cache/linux-source" "$cache/apt"
exec 9>"$cache/linux-source/.lock"
flock 9
if [ ! -e "$tree/.complete" ]; then
	echo "fetch-linux-source: $package $version (140 MB, 1.4 GB unpacked)" >&2
	deb=$cache/apt/${package}_${version/:/%3a}_all.deb
	[ -e "$deb" ] || (cd "$cache/apt" && apt-get -qq -o APT::Sandbox::User=root download "$package=$version" >&2) ||
		fail "could not download $package; is the mirror reachable?"
	rm -rf "$tree" "$tree.part"
	mkdir -p "$tree.part"
	# Out of the package comes one tarball; it is unpacked as it streams by.
	dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards "./usr/src/$package.tar.*" |
		xz -dcT2 | tar -x -C "$tree.part" --strip-components=1 || fail "could not unpack $deb; remove it and try again"
	touch "$tree.part/.complete"
	mv "$tree.part" "$tree"
fi
echo "$tree"
