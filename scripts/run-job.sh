#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# `make run-job`: 128 MPI ranks on 64 emulated hosts, by the command line of a real cluster, over our libefa
# and our libfabric provider (EFA_LIBEFA and EFA_PROVIDER as for `make run`). What is particular to a machine
# with few cores is said in the environment. EFA_EMU names another emulator than the one built here.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/choose-provider.sh"
cd "$root"

step "Packages from Debian"
scripts/install-deps.sh build run
if [ -z "${EFA_EMU:-}" ]; then
	step "Build the emulator in build/default"
	build_tree default efa-emu
	EFA_EMU=$root/build/default/tools/emulator/efa-emu
fi
step "Build libefa and the provider in build/default"
build_libefa
build_provider
echo "The job runs over $libefa_words"
echo "and $provider_words."
run=build/run
mkdir -p $run
step "Build the MPI program"
show mpicc -std=c11 -O2 -Wall -Wextra tests/mpi/checked_job.c -o $run/checked_job

# The device and nothing else, or an error.
export FI_PROVIDER=efa
export FI_EFA_ENABLE_SHM_TRANSFER=0
export OMPI_MCA_pml=cm OMPI_MCA_mtl=ofi OMPI_MCA_mtl_ofi_provider_include=efa OMPI_MCA_btl=self
# 64 hosts share this machine: small queues (over upstream's provider 74 MB for each rank instead of 200), polite waiting.
export FI_EFA_RX_SIZE=256 FI_EFA_TX_SIZE=256
export OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_rmaps_base_oversubscribe=1
# Ranks get these from mpirun.
export "${libefa[@]}" "${provider[@]}"
forward=
for variable in "${libefa[@]}" "${provider[@]}"; do forward+=" -x ${variable%%=*}"; done

step "The provider (version 117.100 is ours, 117.0 the one inside libfabric 1.17)"
check_provider show "$EFA_EMU" run -- fi_info -p efa

step "mpirun: 128 ranks on 64 hosts, 2 on each (two minutes on 2 cores)"
rm -f $run/job-expected.json $run/job-stats.json
start=$SECONDS
show "$EFA_EMU" run --hosts 64 --stats=json --stats-file $run/job-stats.json -- \
	sh -c "mpirun --hostfile \$EFA_EMU_HOSTFILE --np 128 --bind-to core --map-by ppr:2:node --allow-run-as-root$forward $run/checked_job $run/job-expected.json"
echo "the job took $((SECONDS - start)) seconds"
step "Counters"
show python3 tests/mpi/check_counters.py $run/job-expected.json $run/job-stats.json
