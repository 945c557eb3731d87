#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: release_2.sh COMPILER PEERS_DIRECTORY EFA_EMU FOLDER_OF_OUR_LIBEFA
#
# The provider for libfabric 2.1: compiles, wins over the one inside, gives the same answers, but for those in
# differences-2.1.txt, and opens its objects. Builds libfabric 2.1 from trixie's sources first, once.
set -euo pipefail
compiler=$1 peers=$2 emu=$3 own_libefa=$4
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
"$root/scripts/build-libfabric.sh" "$peers"
libfabric=$peers/libfabric-2.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Kept, so that a second run compiles what has changed.
command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache
cmake -S "$root" -B "$peers/provider-2.1" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DEFA_LIBFABRIC_ROOT="$libfabric" \
	-DEFA_EMULATOR=OFF -DBUILD_TESTING=OFF >"$work/log"
cmake --build "$peers/provider-2.1" --target efa_fi -j "$(nproc)" >>"$work/log" || { cat "$work/log" && exit 1; }
provider=$peers/provider-2.1/provider/lib
# The hints use names that libfabric 2 calls deprecated.
"$compiler" -std=c++20 -w -I "$libfabric/include" "$here/print_info.cpp" "$here/hint_sets.cpp" \
	-L "$libfabric/lib" -lfabric -o "$work/print_info"
"$compiler" -std=c++20 -w -I "$libfabric/include" "$here/objects_test.cpp" "$here/hint_sets.cpp" \
	-L "$libfabric/lib" -lfabric -lgtest -lgtest_main -o "$work/objects"

# answers VARIABLE=VALUE...
answers() {
	env LD_LIBRARY_PATH="$libfabric/lib" FI_PROVIDER=efa "$@" "$emu" run -- "$work/print_info"
}
unset FI_PROVIDER_PATH
answers >"$work/theirs"
answers FI_PROVIDER_PATH="$provider" >"$work/ours"
PYTHONPATH=$here python3 - "$work/theirs" "$work/ours" "$here/differences-2.1.txt" <<-'END'
	import sys
	import answers
	theirs, ours = (answers.parse(open(path).read()) for path in sys.argv[1:3])
	found = answers.differences(theirs, ours)
	wanted = answers.expected(sys.argv[3])
	for text, where in found.items():
	    print('differs' if text in wanted else 'FAILED: differs', text, where[:3])
	for text in sorted(wanted - set(found)):
	    print('FAILED: does not differ', text)
	print(len(theirs), 'answers compared')
	sys.exit(set(found) != wanted or len(theirs) < 400)
END

# objects FOLDER_OF_LIBEFA VARIABLE=VALUE...
objects() {
	env LD_LIBRARY_PATH="$libfabric/lib:$1" FI_PROVIDER=efa FI_PROVIDER_PATH="$provider" EFA_MAX_MR=20 EFA_MAX_AH=12 \
		"${@:2}" "$emu" run --limit max_mr=20 --limit max_ah=12 -- "$work/objects" --gtest_brief=1
}
objects ''
objects "$own_libefa" EFA_NEW_LIBEFA=1
