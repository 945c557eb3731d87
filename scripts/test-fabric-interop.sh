#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-fabric-interop.sh [--pairs PAIR...] [OPTION...]     options of tests/interop_fabric/run_pairs.py
#
# libfabric providers with each other on the wire: programs of fabtests between two emulated hosts, for each
# protocol and size border. A PAIR is SERVER,CLIENT; each is one of
#
#   ours-2.1 upstream-2.1     libefa-fi.so built here, the provider inside libfabric; libfabric 2.1
#   ours-1.17 upstream-1.17   the same for Debian 12's libfabric 1.17
#
# Without --pairs: each of ours with each of upstream's, both ways. EFA_LIBEFA as elsewhere.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/fabric-peers.sh"
cd "$root"

pairs=()
if [ "${1:-}" = --pairs ]; then
	shift
	while [[ ${1:-} == *,* ]]; do
		pairs+=("$1")
		shift
	done
else
	for server in ours-2.1 ours-1.17; do
		for client in upstream-2.1 upstream-1.17; do pairs+=("$server,$client" "$client,$server"); done
	done
fi

step "Packages from Debian"
scripts/install-deps.sh build test fabtests
step "Build: emulator, libefa, libfabric and fabtests (five minutes the first time)"
build_tree default efa-emu
build_fabric_peers
scripts/build-fabtests.sh "$fabric_peers" 1.17

options=()
for name in $(printf '%s\n' "${pairs[@]//,/ }" | tr ' ' '\n' | sort -u); do
	options+=(--side "$(fabric_side "$name")")
done
for pair in "${pairs[@]}"; do options+=(--pair "$pair"); done

step "Each with each, $libefa_words"
PATH=$build/default/tools/emulator:$PATH efa-emu run --hosts 2 -- python3 -B tests/interop_fabric/run_pairs.py \
	"${options[@]}" --folder "$build/interop-fabric" "$@"
