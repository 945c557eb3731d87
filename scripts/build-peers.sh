#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-peers.sh DIRECTORY
#
# Builds peers that are newer than Debian 12's: libibverbs and libefa of rdma-core 56.1 and perftest
# 25.01 on top of them (Debian 12's perftest knows no SRD writes). Nothing is installed: results stay
# below DIRECTORY, where a second call finds them.
#
#   DIRECTORY/rdma-core/build/lib  libibverbs.so.1, libefa.so.1, ... (LD_LIBRARY_PATH)
#   DIRECTORY/perftest/ib_*        linked with a run path to the former
set -euo pipefail

if [ $# -ne 1 ]; then
	echo "usage: build-peers.sh DIRECTORY" >&2
	exit 2
fi
directory=$(mkdir -p "$1" && cd "$1" && pwd)
scripts=$(cd "$(dirname "$0")" && pwd)
log=$directory/build.log

say() { echo "build-peers: $*"; }

# Runs a step with its output in the log; shows the end of the log when it fails.
step() {
	say "$1"
	shift
	if ! "$@" >>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		say "failed; the whole log is $log" >&2
		exit 1
	fi
}

"$scripts/fetch-source.sh" rdma-core trixie "$directory"
core=$directory/rdma-core
libraries=(lib/libibverbs.so lib/libefa.so lib/librdmacm.so lib/libibumad.so)
if [ ! -e "$core/build/.libraries" ]; then
	step "rdma-core: configure" cmake -S "$core" -B "$core/build" -G Ninja -DIN_PLACE=1 \
		-DNO_MAN_PAGES=1 -DNO_PYVERBS=1 -DCMAKE_BUILD_TYPE=Release
	step "rdma-core: libibverbs and libefa (half a minute)" ninja -C "$core/build" "${libraries[@]}"
	touch "$core/build/.libraries"
fi

"$scripts/fetch-source.sh" perftest trixie "$directory"
perftest=$directory/perftest
if [ ! -e "$perftest/ib_write_bw" ]; then
	# Without the headers of other vendors' providers, whose libraries are not built here.
	headers=$directory/include
	rm -rf "$headers"
	mkdir -p "$headers/infiniband"
	for header in "$core"/build/include/infiniband/*.h; do
		case $(basename "$header") in
		mlx* | hns* | mana*) ;;
		*) ln -s "$(readlink -f "$header")" "$headers/infiniband/$(basename "$header")" ;;
		esac
	done
	ln -s "$core/build/include/rdma" "$headers/rdma"
	cd "$perftest"
	chmod +x configure
	step "perftest: configure" ./configure CPPFLAGS="-I$headers" \
		LDFLAGS="-L$core/build/lib -Wl,-rpath,$core/build/lib"
	step "perftest: build (half a minute)" make -j"$(nproc)"
fi
