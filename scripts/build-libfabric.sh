#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-libfabric.sh DIRECTORY
#
# Builds libfabric 2.1, the one of Debian trixie, with its providers efa, tcp and shm, as a peer: nothing is
# installed in the system, and a second call finds what the first one built.
#
#   DIRECTORY/libfabric        the source tree, with fabtests
#   DIRECTORY/libfabric-2.1    include/ lib/ bin/
set -euo pipefail

if [ $# -ne 1 ]; then
	echo "usage: build-libfabric.sh DIRECTORY" >&2
	exit 2
fi
directory=$(mkdir -p "$1" && cd "$1" && pwd)
scripts=$(cd "$(dirname "$0")" && pwd)
prefix=$directory/libfabric-2.1
log=$directory/libfabric.log
[ -e "$prefix/.complete" ] && exit 0

step() {
	echo "build-libfabric: $1"
	shift
	if ! "$@" >>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "build-libfabric: failed; the whole log is $log" >&2
		exit 1
	fi
}

"$scripts/fetch-source.sh" libfabric trixie "$directory"
compiler=gcc
command -v ccache >/dev/null && compiler="ccache gcc"
cd "$directory/libfabric"
step "configure" ./autogen.sh
step "configure for efa, tcp, shm" ./configure --enable-only --enable-efa --enable-tcp --enable-shm \
	--disable-static --prefix="$prefix" CC="$compiler"
step "build" make -j"$(nproc)" install
touch "$prefix/.complete"
