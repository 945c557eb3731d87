#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-libfabric.sh DIRECTORY [RDMA_CORE]
#
# Builds libfabric 2.1, the one of Debian trixie, with its providers efa, tcp and shm, as a peer: nothing is
# installed in the system, and a second call finds what the first one built.
#
#   DIRECTORY/libfabric           the source tree, with fabtests
#   DIRECTORY/libfabric-2.1       include/ lib/ bin/, over the installed libibverbs and libefa
#   DIRECTORY/libfabric-2.1-newer the same over those of RDMA_CORE, a build folder of rdma-core 56.1
#                                 (build-peers.sh): its efa provider knows RDMA writes, but no older libefa
#                                 can serve it, as symbols would be missing
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: build-libfabric.sh DIRECTORY [RDMA_CORE]" >&2
	exit 2
fi
directory=$(mkdir -p "$1" && cd "$1" && pwd)
scripts=$(cd "$(dirname "$0")" && pwd)
prefix=$directory/libfabric-2.1
efa=(--enable-efa)
if [ $# -eq 2 ]; then
	prefix+=-newer
	core=$(cd "$2" && pwd)
	efa=("--enable-efa=$core" "LDFLAGS=-Wl,-rpath-link,$core/lib")
fi
log=$prefix.log
[ -e "$prefix/.complete" ] && exit 0

# One build at a time: tests of several clones may share the folder.
exec 9>"$directory/libfabric.lock"
flock 9
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
[ -x configure ] || step "autogen" ./autogen.sh
rm -rf "$prefix" "$prefix.build"
mkdir -p "$prefix.build"
cd "$prefix.build"
step "configure for efa, tcp, shm: ${prefix##*/}" "$directory/libfabric/configure" --enable-only "${efa[@]}" \
	--enable-tcp --enable-shm --disable-static --prefix="$prefix" CC="$compiler" CFLAGS="-O2 -DNDEBUG"
step "build (a minute)" make -j"$(nproc)" install
rm -rf "$prefix.build"
touch "$prefix/.complete"
