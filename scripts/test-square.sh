#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-square.sh [--accept] [OPTION...]        options of tests/interop/square.py, such as --only
#
# {our, the distribution's} efa driver in virtual machines, and native mode, each with {our, the
# distribution's} libefa: perftest, the conformance programs, rdma-core's own tests, removal of the device
# under traffic. Prints a table; --accept writes it to docs/interop.md. About half an hour. The last line
# is 'N passed, N failed'.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
cd "$root"
folder=$build/square
page=()
if [ "${1:-}" = --accept ]; then
	page=(--page docs/interop.md)
	shift
fi

step "Packages from Debian"
scripts/install-deps.sh build test kernel lab || exit 2
step "Build in build/default; libefa for rdma-core 56.1 in build/libefa56"
build_tree default "efa-emu efa_provider provider_conformance native_verbs interop_removal"
[ -x build/peers/perftest/ib_write_bw ] || scripts/build-peers.sh build/peers
build_libefa_for 56
scripts/run-pyverbs.sh --collect "$folder"
step "Build the drivers: ours, and that of Debian's linux-source-6.1"
tools/lab/lab setup --kernel 6.1
source=$(scripts/fetch-linux-source.sh) || stop "no linux-source"
copy_module "$source/drivers/infiniband/hw/efa" "$folder/drivers/distribution"
show tools/lab/lab build-module --kernel 6.1 "$folder/drivers/distribution" CONFIG_INFINIBAND_EFA=m \
	>"$folder/drivers/distribution.log" 2>&1
copy_module kernel "$folder/drivers/ours"
show tools/lab/lab build-module --kernel 6.1 "$folder/drivers/ours" >"$folder/drivers/ours.log" 2>&1

step "Each over each"
EFA_EMU=$build/default/tools/emulator/efa-emu python3 -B tests/interop/square.py --folder "$folder" \
	--build "$build/default" --peers "$build/peers" --pyverbs "$folder/pyverbs-44" \
	--driver "ours=$folder/drivers/ours/efa.ko" --driver "distribution=$folder/drivers/distribution/efa.ko" \
	--driver native= \
	--library "ours=$build/default/userspace/lib" --library distribution= \
	--newer-library "ours=$build/libefa56/userspace/lib" --newer-library distribution= \
	"${page[@]}" "$@"
