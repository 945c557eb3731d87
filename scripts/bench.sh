#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: bench.sh [--job]            all benchmarks, those of the driver last
#        bench.sh native [--job]     the emulator and native mode (tests/bench/bench.py)
#        bench.sh instructions [OPTION...]  of each verbs operation (tests/bench/instructions/verbs_instructions.py)
#        bench.sh fabric [OPTION...]  of calls of the libfabric provider, 2.1 (tests/bench/fabric/fabric_instructions.py)
#        bench.sh messages [OPTION...]  of messages in libfabric providers, ours and upstream's, 1.17 and 2.1
#                                    (tests/bench/instructions/message_instructions.py)
#        bench.sh fabtests [OPTION...]      over our libfabric provider and upstream's, in turns; memory of endpoints
#                                    (tests/bench/fabtests_bench.py)
#        bench.sh times [OPTION...]  of the same operations, ours and stock in turns (tests/bench/verbs_times.py)
#        bench.sh perftest [OPTION...]      over the stock libefa and ours (tests/bench/perftest_bench.py)
#        bench.sh driver [OPTION...] the kernel driver in virtual machines (tests/bench/driver_bench.py)
#
# Builds in build/bench first; instructions are counted in build/default, as they are built there.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/fabric-peers.sh"
cd "$root"
part=all
case ${1:-} in native | instructions | fabric | messages | fabtests | times | perftest | driver) part=$1 && shift ;; esac
tree() { build_tree bench "$1" -DCMAKE_BUILD_TYPE=Release -DEFA_BENCH=ON -DBUILD_TESTING=OFF; }

native_part() {
	scripts/install-deps.sh build bench
	step "Build in build/bench"
	tree all
	step "Benchmarks of the emulator and of native mode"
	python3 tests/bench/bench.py build/bench "$@"
}

instructions_part() {
	scripts/install-deps.sh build test
	step "Build in build/default"
	build_tree default "efa-emu efa_provider verbs_instructions"
	step "Instructions of the verbs operations"
	python3 tests/bench/instructions/verbs_instructions.py \
		--program "$build/default/tests/bench/instructions/verbs_instructions" \
		--emulator "$build/default/tools/emulator/efa-emu" \
		--library stock --library "ours=$build/default/userspace/lib" "$@"
}

fabric_part() {
	scripts/install-deps.sh build test fabtests
	step "Build: emulator, libfabric 2.1, our provider and libefa for it"
	build_tree default efa-emu
	build_fabric_peers
	over_fabric upstream
	build_provider_2 efa_fi
	local program=$build/fabric2/fabric_instructions libfabric=$fabric_peers/libfabric-2.1-newer
	show g++ -std=c++20 -O2 -g -I "$libfabric/include" tests/bench/fabric/*.cpp -L "$libfabric/lib" -lfabric \
		-Wl,--allow-shlib-undefined -o "$program"
	for kind in direct datagram; do
		step "Instructions of calls of the provider, ours and the one inside libfabric: $kind"
		python3 tests/bench/fabric/fabric_instructions.py --emulator "$build/default/tools/emulator/efa-emu" \
			--program "$program" \
			--ours "$build/fabric2/provider/lib" --generation efa4 --kind "$kind" "$@"
	done
}

# message_counter_2: message_instructions for libfabric 2.1 and rdma-core 56.1; prints its path.
message_counter_2() {
	local program=$build/fabric2/message_instructions sources=tests/bench/instructions core
	core=$(rdma_core_of 56)
	c++ -std=c++20 -O2 -Wall -Wextra -isystem "$fabric_peers/libfabric-2.1-newer/include" -isystem "$core/include" \
		-o "$program" $sources/message_instructions.cpp $sources/fabric_pair.cpp $sources/loopback.cpp $sources/step_counter.cpp \
		-L"$fabric_peers/libfabric-2.1-newer/lib" -L"$core/lib" -lfabric -lefa -libverbs ||
		stop "the counter for libfabric 2.1 does not build"
	echo "$program"
}

# counter_side NAME PROGRAM: a side of message_instructions.py.
counter_side() {
	local side
	side=$(fabric_side "$1") || exit 1
	echo "$1|$2|$(cut -d'|' -f3- <<<"$side")"
}

messages_part() {
	scripts/install-deps.sh build test
	step "Build in build/default and build/fabric2; libfabric 2.1"
	build_tree default "efa-emu efa_provider efa_fi message_instructions"
	build_fabric_peers
	build_provider_2 efa_fi
	local older=$build/default/tests/bench/instructions/message_instructions newer name sides=()
	newer=$(message_counter_2)
	for name in ours-1.17 upstream-1.17; do sides+=(--side "$(counter_side $name "$older")"); done
	for name in ours-2.1 upstream-2.1; do sides+=(--side "$(counter_side $name "$newer")"); done
	step "Instructions of messages in libfabric providers"
	python3 tests/bench/instructions/message_instructions.py \
		--emulator "$build/default/tools/emulator/efa-emu" "${sides[@]}" "$@"
}

# memory_of_endpoints SIDE PROGRAM: what idle ones cost over it.
memory_of_endpoints() {
	local variables
	mapfile -d'|' -t variables < <(counter_side "$1" - | cut -d'|' -f3- | tr -d '\n')
	echo "$1:"
	env "${variables[@]}" "$build/default/tools/emulator/efa-emu" run -- "$2" 8
}

fabtests_part() {
	scripts/install-deps.sh build test fabtests
	step "Build in build/default and build/fabric2; libfabric 2.1 and its fabtests"
	build_tree default "efa-emu efa_provider efa_fi fabric_memory"
	build_fabric_peers
	build_provider_2 efa_fi
	local name
	step "Memory of endpoints that do nothing"
	for name in ours-1.17 upstream-1.17; do
		memory_of_endpoints $name "$build/default/tests/bench/instructions/fabric_memory"
	done
	step "fabtests over our provider and upstream's, in turns"
	python3 tests/bench/fabtests_bench.py --emulator "$build/default/tools/emulator/efa-emu" \
		--side "$(fabric_side ours-2.1)" --side "$(fabric_side upstream-2.1)" "$@"
}

times_part() {
	scripts/install-deps.sh build test
	step "Build in build/default"
	build_tree default "efa-emu efa_provider verbs_instructions"
	step "Times of the verbs operations, over the stock libefa and ours in turns"
	python3 tests/bench/verbs_times.py --emulator "$build/default/tools/emulator/efa-emu" \
		--program "$build/default/tests/bench/instructions/verbs_instructions" \
		--ours "$build/default/userspace/lib" "$@"
}

perftest_part() {
	scripts/install-deps.sh build run
	local peers=$build/peers
	step "Build libefa in build/default, and for rdma-core 56.1 in build/libefa56"
	build_tree default "efa-emu efa_provider"
	[ -x build/peers/perftest/ib_write_bw ] || scripts/build-peers.sh build/peers
	build_libefa_for 56
	step "perftest over the stock libefa and ours, in turns"
	python3 tests/bench/perftest_bench.py --emulator "$build/default/tools/emulator/efa-emu" \
		--ours "$build/default/userspace/lib" --newer-ours "$build/libefa56/userspace/lib" --peers "$peers" "$@"
}

# stripped NAME SOURCE: driver SOURCE built in build/bench/driver/NAME, without debug information, as
# DKMS and Debian install it. Its size counts in the time to load.
stripped() {
	local folder=$build/bench/driver/$1
	copy_module "$2" "$folder"
	show tools/lab/lab build-module --kernel 6.1 "$folder" CONFIG_INFINIBAND_EFA=m >"$folder.log" 2>&1 ||
		stop "driver '$1' does not build; see ${folder#"$root"/}.log"
	strip -g "$folder/efa.ko"
}

driver_part() {
	scripts/install-deps.sh build bench kernel lab
	step "Build in build/bench; our driver and the distribution's"
	tree "efa-emu driver_bench instruction_counter"
	local source
	source=$(scripts/fetch-linux-source.sh) || stop "no linux-source"
	tools/lab/lab setup --kernel 6.1
	stripped own kernel
	stripped stock "$source/drivers/infiniband/hw/efa"
	[ -x build/peers/perftest/ib_write_bw ] || scripts/build-peers.sh build/peers
	step "Benchmarks of the driver in virtual machines"
	EFA_EMU=$build/bench/tools/emulator/efa-emu python3 tests/bench/driver_bench.py \
		build/bench/tests/bench/driver_bench build/bench/driver/{own,stock}/efa.ko build/peers/perftest "$@"
}

case $part in
native) native_part "$@" ;;
instructions) instructions_part "$@" ;;
fabric) fabric_part "$@" ;;
messages) messages_part "$@" ;;
fabtests) fabtests_part "$@" ;;
times) times_part "$@" ;;
perftest) perftest_part "$@" ;;
driver) driver_part "$@" ;;
all) native_part "$@" && instructions_part && fabric_part && messages_part && fabtests_part && times_part && perftest_part && driver_part ;;
esac
