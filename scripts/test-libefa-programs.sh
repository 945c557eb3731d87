#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-libefa-programs.sh EFA_EMU DIRECTORY perftest|perftest-newer|libfabric|mpi
#
# Debian's programs on emulated devices, over the libefa.so.1 in DIRECTORY. Each process writes down
# which libefa the dynamic linker gave it; one from elsewhere, or none, is a failure.
#
#   perftest        4.5: sends, reads, datagrams, several queue pairs (spec verbs B9: PT1, PT2, PT4, PT5)
#   perftest-newer  25.01 of build/peers, over a libefa for its rdma-core 56: writes, events, unsolicited
#                   writes (PT3, PT6)
#   libfabric       fi_pingpong over the efa provider of libfabric 1.17: rdm and dgram
#   mpi             Open MPI over that: 4 ranks on 4 hosts, data and device counters checked
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
emulator=$(readlink -f "$1") directory=$(readlink -f "$2") part=$3
scripts=$root/scripts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$(dirname "$emulator"):$PATH
export PATH LD_LIBRARY_PATH=$directory
# Ranks and peers of one host must not meet in shared memory.
export FI_EFA_ENABLE_SHM_TRANSFER=0

fail() {
	echo "test-libefa-programs: $*" >&2
	exit 1
}

# Which libefa the processes of the last command had, by what the dynamic linker wrote.
check_loaded() {
	local loaded
	loaded=$(grep -h 'calling init: .*/libefa[.-]' "$work"/linker.* | sed 's/.*calling init: //' |
		xargs -r -n 1 readlink -f | sort | uniq -c)
	[ -n "$loaded" ] || fail "no process of '$*' loaded a libefa"
	if [ "$(wc -l <<<"$loaded")" -ne 1 ] || ! grep -q " $directory/" <<<"$loaded"; then
		fail "'$*' loaded another libefa than that of $directory: $loaded"
	fi
	rm -f "$work"/linker.*
}

# pair GENERATION PORT TOOL ARGUMENTS...: the tool between two hosts.
pair() {
	local generation=$1 port=$2 tool=$3
	shift 3
	echo "== $tool $*"
	LD_DEBUG=libs LD_DEBUG_OUTPUT=$work/linker "$emulator" run --hosts 2 --generation "$generation" -- \
		"$scripts/pair.sh" "$port" "$tool $*" "$tool $* host1" >"$work/output" 2>&1 ||
		{ cat "$work/output" && fail "'$tool $*' failed"; }
	check_loaded "$tool $*"
	count=$((count + 1))
}
count=0

perftest() {
	# 4.5 knows the device ids of the first two generations.
	local size
	for size in 2 4096 8192; do
		pair efa1 18515 ib_send_bw -c SRD -x 0 -s $size -n 1000
		pair efa1 18515 ib_send_lat -c SRD -x 0 -s $size -n 500
	done
	pair efa1 18515 ib_send_lat -c SRD -x 0 -s 32 -I 32 -n 500
	pair efa1 18515 ib_send_bw -c SRD -x 0 -s 4096 -n 1000 -q 8 -b
	pair efa1 18515 ib_send_bw -c SRD -x 0 -s 4096 -n 1000 -r 64 -t 16
	pair efa1 18515 ib_read_bw -c SRD -x 0 -s 1048576 -n 200
	pair efa1 18515 ib_read_lat -c SRD -x 0 -s 1048576 -n 100
	pair efa1 18515 ib_read_bw -c SRD -x 0 -s 4096 -n 1000 -q 4
	for size in 2 4096; do
		pair efa1 18515 ib_send_bw -c UD -x 0 -Q 1 -s $size -n 1000
		pair efa1 18515 ib_send_lat -c UD -x 0 -s $size -n 500
	done
	pair efa1 18515 ib_send_bw -c UD -x 0 -Q 1 -s 1024 -n 1000 -q 4
}

perftest_newer() {
	local tools=$root/build/peers/perftest
	[ -x "$tools/ib_write_bw" ] || fail "there is no perftest 25.01; scripts/build-peers.sh build/peers"
	PATH=$tools:$PATH
	# libibverbs of the same release, which the programs' run path names, would come too late.
	LD_LIBRARY_PATH=$directory:$root/build/peers/rdma-core/build/lib
	pair efa2 18515 ib_write_bw -c SRD -x 0 -s 1048576 -n 200
	pair efa2 18515 ib_write_lat -c SRD -x 0 -s 64 -n 500
	pair efa2 18515 ib_write_bw -c SRD -x 0 -s 4096 -n 1000 -q 4
	# Bandwidth: ib_send_lat -e has room for one send and takes an event too many, which native mode may
	# give, for its completion; over any libefa.
	pair efa2 18515 ib_send_bw -c SRD -x 0 -s 64 -n 500 -e
	pair efa2 18515 ib_write_bw -c SRD -x 0 -s 4096 -n 1000 --write_with_imm
	# Nothing holds back unsolicited writes: more than the completion queue has room for (512) may
	# overrun it (device-io I7).
	pair efa2 18515 ib_write_bw -c SRD -x 0 -s 4096 -n 400 --write_with_imm --unsolicited_write
	pair efa2 18515 ib_send_bw -c SRD -x 0 -s 4096 -n 1000 --no_lock
	pair efa2 18515 ib_send_bw -c UD -x 0 -Q 1 -s 1024 -n 1000
	pair efa2 18515 ib_read_bw -c SRD -x 0 -s 1048576 -n 200
}

libfabric() {
	pair efa2 47592 fi_pingpong -p efa -e rdm -c -I 100
	pair efa2 47592 fi_pingpong -p efa -e rdm -S 1048576 -I 50
	pair efa2 47592 fi_pingpong -p efa -e dgram -I 100
}

mpi() {
	local mca="--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include efa --mca btl self"
	mpicc -std=c11 -O2 "$root/tests/mpi/checked_job.c" -o "$work/checked_job"
	# shellcheck disable=SC2086  # several words
	LD_DEBUG=libs LD_DEBUG_OUTPUT=$work/linker "$emulator" run --hosts 4 --stats=json \
		--stats-file "$work/stats.json" -- sh -c "mpirun --hostfile \$EFA_EMU_HOSTFILE --np 4 \
		--map-by node --allow-run-as-root $mca $work/checked_job $work/expected.json"
	check_loaded mpirun
	python3 "$root/tests/mpi/check_counters.py" "$work/expected.json" "$work/stats.json"
	count=$((count + 1))
}

case $part in
perftest) perftest ;;
perftest-newer) perftest_newer ;;
libfabric) libfabric ;;
mpi) mpi ;;
*) fail "there is no part '$part'; choose perftest, perftest-newer, libfabric or mpi" ;;
esac
echo "$part: $count runs over $directory"
