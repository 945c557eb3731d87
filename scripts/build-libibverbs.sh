#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-libibverbs.sh SUITE DIRECTORY
#
# Builds the libibverbs and libefa of another Debian suite (forky: rdma-core 65) from its source package,
# so that our libefa can be built for it, tested and compared with its own. Nothing is installed: results stay below DIRECTORY, where
# a second call finds them.
#
#   DIRECTORY/rdma-core/build/include    headers, the private ones among them
#   DIRECTORY/rdma-core/build/lib        libibverbs.so.1 (LD_LIBRARY_PATH)
set -euo pipefail

if [ $# -ne 2 ]; then
	echo "usage: build-libibverbs.sh SUITE DIRECTORY" >&2
	exit 2
fi
directory=$(mkdir -p "$2" && cd "$2" && pwd)
core=$directory/rdma-core
log=$directory/build.log

"$(dirname "$0")/fetch-source.sh" rdma-core "$1" "$directory"
[ ! -e "$core/build/.libraries" ] || [ ! -e "$core/build/lib/libefa.so" ] || exit 0
echo "build-libibverbs: libibverbs of $1 (half a minute; log: $log)"
if ! {
	cmake -S "$core" -B "$core/build" -G Ninja -DIN_PLACE=1 -DNO_MAN_PAGES=1 -DNO_PYVERBS=1 \
		-DCMAKE_BUILD_TYPE=Release && ninja -C "$core/build" lib/libibverbs.so lib/libefa.so
} >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	exit 1
fi
touch "$core/build/.libraries"
