#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Our libefa for the rdma-core releases that Debian 12 does not have: 56.1 of trixie, 65.0 of forky.
#
# Usage: test-provider-releases.sh build             libibverbs in build/peers and build/peers65, libefa
#                                                    in build/libefa56 and build/libefa65, and programs
#        test-provider-releases.sh run RELEASE EFA_EMU OPTION... -- COMMAND...
#                                                    COMMAND on emulated devices, over that libefa;
#                                                    stock65: over the one that rdma-core 65 has
#
# ctest calls both (label native, native.releases.*).
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"

# What needs the headers of 65 to compile.
build_release65() {
	local core tree=$build/libefa65
	core=$(rdma_core_of 65)
	c++ -std=c++20 -O1 -Wall -Wextra -Werror -isystem "$core/include" -Iuserspace/include -Ikernel/hw \
		tests/provider/releases/release65.cpp tests/native/verbs/rig.cpp \
		-L"$tree/userspace/lib" -L"$core/lib" -Wl,-rpath-link,"$core/lib" -lefa -libverbs \
		-lgtest_main -lgtest -o "$tree/release65"
}

case ${1:-} in
build)
	scripts/build-peers.sh "$build/peers"
	scripts/build-libibverbs.sh forky "$build/peers65"
	build_libefa_for 56
	build_libefa_for 65
	build_tree libefa65 provider_conformance -DBUILD_TESTING=ON
	build_release65
	cc -Wall -Wextra -Werror tests/provider/releases/device_list.c -libverbs -o "$build/libefa56/device_list"
	;;
run)
	release=${2#stock} emulator=$3
	core=$(rdma_core_of "$release")
	if [ "$release" = "$2" ]; then
		libraries=$build/libefa$release/userspace/lib
		export EFA_TEST_LIBRARY=ours EFA_TEST_LIBRARY_DIRECTORY=$libraries
	else
		libraries=$core/lib
		export EFA_TEST_LIBRARY=$2 EFA_TEST_LIBRARY_DIRECTORY=$libraries
	fi
	shift 3
	options=()
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	shift
	exec "$emulator" run "${options[@]}" -- env LD_LIBRARY_PATH="$libraries:$core/lib" "$@"
	;;
*)
	echo "usage: test-provider-releases.sh build | run RELEASE EFA_EMU OPTION... -- COMMAND..." >&2
	exit 2
	;;
esac
