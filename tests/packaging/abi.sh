#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: abi.sh OUR_LIBRARY DIRECTORY
#
# OUR_LIBRARY (libefa.so.1) may replace the distribution's: the same SONAME, no symbol missing, nothing but C
# libraries needed. Then types, which the distribution's file says nothing about: libefa of rdma-core 56 and
# 65 is built with debug information below DIRECTORY, ours for the same releases, and abidiff compares them.
set -uo pipefail
library=$1 directory=$(mkdir -p "$2" && cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
failures=0

verdict() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then echo "ok: $2"; else
		failures=$((failures + 1))
		echo "FAILED: $2"
	fi
}
# quietly COMMAND...: shows what it printed only when it fails.
quietly() {
	local output
	output=$("$@" 2>&1) && return
	echo "$output" | tail -n 30 >&2
	exit 1
}
soname() { readelf -d "$1" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }
# Reads all of readelf's output: with pipefail, a grep that stops at the first match fails now and then.
has_types() { readelf -S "$1" | grep debug_info >/dev/null; }
# Functions with their versions, as programs ask for them.
symbols() { nm -D --defined-only --with-symbol-versions "$1" | awk '$2 == "T" { sub("@@", "@", $3); print $3 }' | sort; }

stock=$(ldconfig -p | awk '/libefa.so.1 / && !/efa-open/ { print $NF; exit }')
[ -f "$stock" ] || { echo "abi.sh: the distribution's libefa.so.1 is missing; install ibverbs-providers" >&2 && exit 2; }
echo "$library and the distribution's $stock"
[ -n "$(soname "$stock")" ] && [ "$(soname "$library")" = "$(soname "$stock")" ]
verdict $? "the SONAME is $(soname "$stock")"
count=$(symbols "$stock" | wc -l)
missing=$(comm -23 <(symbols "$stock") <(symbols "$library"))
[ "$count" -ge 6 ] && [ -z "$missing" ]
verdict $? "each of the $count functions of the distribution's is here, with its version${missing:+: $missing}"
abidiff --no-added-syms "$stock" "$library"
verdict $? "abidiff sees no incompatible change"
others=$(ldd "$library" | grep -E 'libstdc\+\+|libgcc_s|libc\+\+|not found')
[ -z "$others" ]
verdict $? "it needs no C++ run time${others:+: $others}"
unknown=$(symbols "$library" | grep -vE '^(efadv_[a-z_]+@EFA_1\.[0-7]|efa_vendor_err_str@EFA_OPEN_1\.0)$')
[ -z "$unknown" ]
verdict $? "it exports nothing else${unknown:+: $unknown}"

# release SUITE NUMBER TREE: the types of rdma-core NUMBER.
release() {
	local peer=$directory/abi/rdma-core-$2 ours=$directory/abi/libefa-$2 options=()
	command -v ccache >/dev/null &&
		options=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
	quietly "$root/scripts/fetch-source.sh" rdma-core "$1" "$3"
	[ -f "$peer/build.ninja" ] || quietly cmake -S "$3/rdma-core" -B "$peer" -G Ninja -DIN_PLACE=1 -DNO_MAN_PAGES=1 \
		-DNO_PYVERBS=1 -DCMAKE_BUILD_TYPE=RelWithDebInfo "${options[@]}"
	quietly ninja -C "$peer" lib/libefa.so
	quietly cmake -S "$root" -B "$ours" -G Ninja -DEFA_EMULATOR=OFF -DBUILD_TESTING=OFF \
		-DCMAKE_BUILD_TYPE=RelWithDebInfo -DEFA_IBVERBS_ROOT="$peer" -DEFA_IBVERBS_RELEASE="$2" "${options[@]}"
	quietly ninja -C "$ours" efa_provider
	has_types "$peer/lib/libefa.so.1" && has_types "$ours/userspace/lib/libefa.so.1"
	verdict $? "both libraries for rdma-core $2 have debug information"
	abidiff --no-added-syms --suppressions "$here/abi-$2.suppr" "$peer/lib/libefa.so.1" "$ours/userspace/lib/libefa.so.1"
	verdict $? "the types of functions and structures are those of rdma-core $2"
}
release trixie 56 "$directory"
release forky 65 "$directory/forky"

echo "$failures differences"
[ $failures -eq 0 ]
