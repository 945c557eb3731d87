#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# `make run`: builds the emulator, libefa and the libfabric provider, and shows what runs on them. Every program
# but our own MPI check is Debian's, unmodified, over our libefa or, with EFA_LIBEFA=distribution, over
# Debian's, and over our provider or, with EFA_PROVIDER=upstream, the one inside libfabric. Each command is
# shown before it runs; the first that fails ends the show.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/choose-provider.sh"
cd "$root"

step "Packages from Debian"
scripts/install-deps.sh build run
step "Build the emulator, libefa and the provider in build/default (three or four minutes the first time)"
build_tree default efa-emu
build_libefa
build_provider
step "Build newer peers in build/peers (a minute or two the first time)"
peers=
if [ -x build/peers/perftest/ib_write_bw ] || scripts/build-peers.sh build/peers </dev/null; then
	peers=build/peers/perftest
	build_newer_libefa
fi
run=build/run
mkdir -p $run
export PATH="$root/build/default/tools/emulator:$PATH"
# Ranks of one host must not meet in shared memory: the device is what is shown.
export FI_EFA_ENABLE_SHM_TRANSFER=0

# pair GENERATION PORT TOOL ARGUMENTS...: the tool between two hosts.
pair() {
	local generation=$1 port=$2 tool=$3
	shift 3
	efa-emu run --hosts 2 --generation "$generation" -- \
		scripts/pair.sh "$port" "$tool $*" "$tool $* host1" ||
		stop "'$tool $*' between two emulated hosts failed"
}
# perftest 4.5 of Debian 12 knows the device ids of the first two generations only.
perftest() { pair efa1 18515 "$@"; }

export "${libefa[@]}" "${provider[@]}"
echo
echo "Programs run over $libefa_words"
echo "and $provider_words:"
printf '%s\n' "${libefa[@]}" "${provider[@]}" | sed "s|$root/||g"

step "The devices that a program sees"
show efa-emu run -- ibv_devices
# The first one that is loaded serves the devices.
show efa-emu run -- sh -c "LD_DEBUG=files ibv_devices 2>&1 | grep -o -m 1 'calling init: .*libefa.*'"
show efa-emu run -- ibv_devinfo -v
step "Latency, SRD"
perftest ib_send_lat -c SRD -x 0
step "Bandwidth, SRD send"
perftest ib_send_bw -c SRD -x 0
step "Bandwidth, SRD RDMA read"
perftest ib_read_bw -c SRD -x 0
step "Bandwidth, SRD RDMA write"
if [ -n "$peers" ]; then
	echo "(perftest 25.01 over rdma-core 56 of Debian 13: those of Debian 12 know no SRD write)"
	(
		[ ${#newer_libefa[@]} -eq 0 ] || export "${newer_libefa[@]}"
		PATH=$root/$peers:$PATH
		pair efa2 18515 ib_write_bw -c SRD -x 0
	)
else
	stop "ib_write_bw -c SRD needs perftest 25.01 and rdma-core 56, whose Debian sources could not" \
		"be had or built (see above)"
fi
step "Latency, UD"
perftest ib_send_lat -c UD -x 0
step "libfabric: the efa provider finds the device (version 117.100 is ours, 117.0 the one inside libfabric 1.17)"
check_provider show efa-emu run -- fi_info -p efa
step "libfabric: ping-pong between two hosts, reliable"
pair efa2 47592 fi_pingpong -p efa -e rdm
step "libfabric: ping-pong between two hosts, datagrams"
pair efa2 47592 fi_pingpong -p efa -e dgram

step "MPI: 4 ranks on 4 hosts, data checked, traffic compared with the device counters"
show mpicc -std=c11 -O2 -Wall -Wextra tests/mpi/checked_job.c -o $run/checked_job
rm -f $run/expected.json $run/stats.json
mca="--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include efa --mca btl self"
for variable in "${libefa[@]}" "${provider[@]}"; do mca+=" -x ${variable%%=*}"; done
show efa-emu run --hosts 4 --stats=json --stats-file $run/stats.json -- \
	sh -c "mpirun --hostfile \$EFA_EMU_HOSTFILE --np 4 --map-by node --allow-run-as-root $mca $run/checked_job $run/expected.json"
show python3 tests/mpi/check_counters.py $run/expected.json $run/stats.json

echo
bold "All of it worked, in ${SECONDS} seconds. Next: 128 ranks on 64 hosts (make run-job), two VMs (make run-vm), make test"
