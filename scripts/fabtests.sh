#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: fabtests.sh [--provider upstream|ours] [OPTION...]       options of tests/fabtests/run_suite.py
#
# fabtests' efa suite, that of libfabric 2.1, on two emulated hosts (docs/fabtests.md). The provider under
# test is the one inside libfabric (upstream) or libefa-fi.so built here (ours, the default); EFA_LIBEFA
# chooses the libefa below it: ours, or distribution, which is that of Debian trixie, rdma-core 56.1.
# EFA_FI_FOLDER names a folder with another libefa-fi.so to test. Results: build/fabtests/PROVIDER/results.txt.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/fabric-peers.sh"
cd "$root"

provider=ours
if [ "${1:-}" = --provider ]; then
	provider=$2
	shift 2
fi

step "Packages from Debian"
scripts/install-deps.sh build test fabtests
step "Build: emulator, rdma-core 56.1, libfabric 2.1, fabtests 2.1 (five minutes the first time)"
build_tree default efa-emu
build_fabric_peers
over_fabric "$provider"

if [ "$provider" = ours ]; then
	LD_DEBUG=libs efa-emu run -- fi_info -p efa 2>&1 | grep -c "calling init: $FI_PROVIDER_PATH/libefa-fi.so" >/dev/null ||
		stop "programs do not take $FI_PROVIDER_PATH/libefa-fi.so"
fi
step "fabtests 2.1 over $provider provider, $libefa_words"
python3 -B tests/fabtests/run_suite.py --fabtests "$fabric_peers/fabtests-2.1" \
	--folder "$build/fabtests/$provider" "$@"
