#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-fabric-mpi.sh [SIDE [quick]]
#
# Debian's Open MPI over a libfabric provider: SIDE is ours-1.17 (the default), upstream-1.17, ours-2.1 or
# upstream-2.1. Two-sided by mtl/ofi and one-sided by btl/ofi, results checked, 2 to 128 ranks, 5 % loss and
# reorder, a rank that dies. quick: at most 4 ranks. The last line is 'N passed, N failed'.
set -uo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/fabric-peers.sh"
cd "$root" || exit 1
side=${1:-ours-1.17} quick=${2:-}
work=$build/mpi
mkdir -p "$work"

step "Packages from Debian"
scripts/install-deps.sh build test || exit 2
step "Build the emulator, the provider and the MPI programs"
build_tree default efa-emu
case $side in
*-2.1) build_fabric_peers && over_fabric "${side%-*}" ;;
*-1.17) over_fabric_1 "${side%-*}" ;;
*) stop "there is no side '$side'; sides are ours-1.17 upstream-1.17 ours-2.1 upstream-2.1" ;;
esac
for program in checked_job collectives one_sided lost_rank; do
	mpicc -std=c11 -O2 -Wall -Wextra "tests/mpi/$program.c" -o "$work/$program" || stop "$program does not compile"
done
[ -z "${FI_PROVIDER_PATH:-}" ] || export EFA_EXPECTED_LIBRARY=$FI_PROVIDER_PATH/libefa-fi.so
# The device and nothing else, or an error; many ranks share few cores.
export FI_PROVIDER=efa OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_rmaps_base_oversubscribe=1
two_sided="--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include efa --mca btl self"
one_sided="--mca pml cm --mca mtl ofi --mca osc rdma --mca btl ofi,self --mca opal_common_ofi_provider_include efa"
passed=0 failed=0

# job HOSTS RANKS EMULATOR_OPTIONS MPI_OPTIONS PROGRAM...: runs it, in at most $limit seconds.
limit=300
job() {
	local hosts=$1 ranks=$2 emulator_options=$3 mpi_options=$4 exported="" name
	shift 4
	for name in $(fabric_environment) FI_PROVIDER EFA_EXPECTED_LIBRARY FI_EFA_RX_SIZE FI_EFA_TX_SIZE; do
		name=${name%%=*}
		[ -z "${!name:-}" ] || exported+=" -x $name"
	done
	# shellcheck disable=SC2086  # several options
	timeout $limit efa-emu run --hosts "$hosts" $emulator_options -- sh -c "mpirun --hostfile \$EFA_EMU_HOSTFILE \
		--np $ranks --map-by node --allow-run-as-root $mpi_options $exported $*"
}

# check NAME COMMAND...: counts as one test.
check() {
	local name=$1 start=$SECONDS
	shift
	if "$@" >"$work/output" 2>&1; then
		passed=$((passed + 1))
		echo "$name: ok, $((SECONDS - start)) s: $(tail -n 1 "$work/output")"
	else
		failed=$((failed + 1))
		echo "$name: FAILED, $((SECONDS - start)) s"
		tail -n 15 "$work/output" | sed 's/^/    /'
	fi
}

# Traffic as the devices counted it, beside what the program has sent.
counted_job() {
	rm -f "$work"/*.json
	job "$1" "$2" "--stats=json --stats-file $work/stats.json" "$two_sided" "$work/checked_job" "$work/expected.json" &&
		python3 tests/mpi/check_counters.py "$work/expected.json" "$work/stats.json"
}
# The job ends by an error within a minute.
lost_rank() {
	local status=0
	limit=60 job 3 3 "" "$two_sided" "$work/lost_rank" || status=$?
	echo "status $status"
	[ $status -ne 0 ] && [ $status -ne 124 ] && grep -q "kills itself" "$work/output"
}

step "Open MPI over $side, $libefa_words"
counts="2 4"
[ "$quick" = quick ] || counts="2 3 8 16"
for ranks in $counts; do
	check "ring, all-to-all, all-reduce, counters: $ranks ranks" counted_job "$ranks" "$ranks"
	check "collectives: $ranks ranks" job "$ranks" "$ranks" "" "$two_sided" "$work/collectives"
	check "one-sided: $ranks ranks" job "$ranks" "$ranks" "" "$one_sided" "$work/one_sided"
done
check "collectives, 2 ranks on each host" job 2 4 "" "$two_sided" "$work/collectives"
check "collectives, 5% loss, 10% reorder" job 3 3 "--loss 5% --reorder 10% --seed 7" "$two_sided" "$work/collectives"
check "one-sided, 5% loss, 10% reorder" job 3 3 "--loss 5% --reorder 10% --seed 7" "$one_sided" "$work/one_sided"
check "a rank that dies ends the job" lost_rank
if [ "$quick" != quick ]; then
	export FI_EFA_RX_SIZE=256 FI_EFA_TX_SIZE=256
	limit=600
	check "ring, all-to-all, all-reduce, counters: 128 ranks on 64 hosts" counted_job 64 128
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
