#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-fabtests.sh DIRECTORY 2.1 RDMA_CORE
#        build-fabtests.sh DIRECTORY 1.17
#
# Builds libfabric's own tests, those of 2.1, for a release of libfabric:
#
#   DIRECTORY/fabtests-2.1   for DIRECTORY/libfabric-2.1-newer and the rdma-core 56.1 in the build folder
#                            RDMA_CORE (build-libfabric.sh)
#   DIRECTORY/fabtests-1.17  for the installed libfabric-dev 1.17, by means of tests/fabtests/libfabric-1.17.h,
#                            as Debian's mirrors have the source of 1.17 no more
#
# with bin/ and share/fabtests/pytest/. A second call finds what the first one built.
set -euo pipefail

usage() {
	echo "usage: build-fabtests.sh DIRECTORY 2.1 RDMA_CORE | DIRECTORY 1.17" >&2
	exit 2
}
[ $# -ge 2 ] || usage
directory=$(mkdir -p "$1" && cd "$1" && pwd)
scripts=$(cd "$(dirname "$0")" && pwd)
release=$2
prefix=$directory/fabtests-$release
log=$prefix.log
[ -e "$prefix/.complete" ] && exit 0

step() {
	echo "build-fabtests: $1"
	shift
	if ! "$@" >>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "build-fabtests: failed; the whole log is $log" >&2
		exit 1
	fi
}

case $release in
2.1)
	[ $# -eq 3 ] || usage
	core=$(cd "$3" && pwd)
	"$scripts/build-libfabric.sh" "$directory" "$core"
	definitions=()
	options=(--with-libfabric="$directory/libfabric-2.1-newer" CPPFLAGS="-I$core/include"
		LDFLAGS="-L$core/lib -Wl,-rpath-link,$core/lib")
	;;
1.17)
	"$scripts/fetch-source.sh" libfabric trixie "$directory"
	definitions=(CPPFLAGS="-D_GNU_SOURCE -include $scripts/../tests/fabtests/libfabric-1.17.h")
	options=(CFLAGS="-O2 -w")
	;;
*) usage ;;
esac

exec 9>"$directory/fabtests.lock"
flock 9
[ -e "$prefix/.complete" ] && exit 0
compiler=gcc
command -v ccache >/dev/null && compiler="ccache gcc"
tree=$directory/libfabric/fabtests
cd "$tree"
[ -x configure ] || step "autogen $release" ./autogen.sh
rm -rf "$prefix" "$prefix.build"
mkdir -p "$prefix.build"
cd "$prefix.build"
step "configure $release" "$tree/configure" --prefix="$prefix" CC="$compiler" "${options[@]}"
step "build $release (a minute)" make -j"$(nproc)" "${definitions[@]}" install
rm -rf "$prefix.build"
touch "$prefix/.complete"
