# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2154  # variables of steps.sh and choose-libefa.sh
#
# Sourced after steps.sh and choose-libefa.sh by those who run libfabric 2.1: builds it once for all clones
# in the cache, and says by which environment programs use it or Debian 12's libfabric 1.17.

fabric_peers=${EFA_CACHE:-$HOME/.cache/efa-stack}/fabric

# build_fabric_peers: libfabric 2.1 and its fabtests over rdma-core 56.1.
build_fabric_peers() {
	local core
	core=$(rdma_core_of 56)
	[ -e "$core/.libraries" ] || scripts/build-peers.sh "$build/peers"
	scripts/build-fabtests.sh "$fabric_peers" 2.1 "$core"
}

# build_provider_2 TARGET: of libefa-fi.so for libfabric 2.1 and libefa for rdma-core 56.1, in build/fabric2.
build_provider_2() {
	build_tree fabric2 "$1" -DEFA_LIBFABRIC_ROOT="$fabric_peers/libfabric-2.1-newer" \
		-DEFA_IBVERBS_RELEASE=56 -DEFA_IBVERBS_ROOT="$(rdma_core_of 56)" -DBUILD_TESTING=OFF
}

# choose_provider upstream|ours BUILD FOLDER: which one libfabric takes; BUILD COMMAND makes FOLDER.
choose_provider() {
	unset FI_PROVIDER_PATH
	case $1 in
	upstream) ;;
	ours) build_"$2" efa_fi && export FI_PROVIDER_PATH=$3 ;;
	*) stop "the provider is '$1'; choose upstream or ours" ;;
	esac
}
build_provider_1() { build_tree default "$1"; }

# over_fabric upstream|ours: the environment of programs over libfabric 2.1 and that provider. The libefa of
# "the distribution" is that of Debian trixie, rdma-core 56.1. EFA_FI_FOLDER: another libefa-fi.so of ours.
over_fabric() {
	local core libefa_folder
	core=$(rdma_core_of 56)/lib
	libefa_folder=$core
	if [ "$libefa_choice" = ours ]; then
		build_provider_2 efa_provider
		libefa_folder=$build/fabric2/userspace/lib
	fi
	export LD_LIBRARY_PATH=$libefa_folder:$core:$fabric_peers/libfabric-2.1-newer/lib
	export RDMAV_DRIVERS=$libefa_folder/libefa
	export PATH=$build/default/tools/emulator:$fabric_peers/libfabric-2.1-newer/bin:$PATH
	# Programs of one emulated host must not meet in shared memory: the device is what is tested.
	export FI_EFA_ENABLE_SHM_TRANSFER=0
	choose_provider "$1" provider_2 "${EFA_FI_FOLDER:-$build/fabric2/provider/lib}"
}

# over_fabric_1 upstream|ours: the same for Debian 12's libfabric and libibverbs.
over_fabric_1() {
	unset LD_LIBRARY_PATH RDMAV_DRIVERS
	if [ "$libefa_choice" = ours ]; then
		build_provider_1 efa_provider
		export LD_LIBRARY_PATH=$build/default/userspace/lib RDMAV_DRIVERS=$build/default/userspace/lib/libefa
	fi
	export PATH=$build/default/tools/emulator:$PATH FI_EFA_ENABLE_SHM_TRANSFER=0
	choose_provider "$1" provider_1 "${EFA_FI_FOLDER_1:-$build/default/provider/lib}"
}

# fabric_environment: prints what the former set, one VARIABLE=VALUE a line.
fabric_environment() {
	local name
	for name in LD_LIBRARY_PATH RDMAV_DRIVERS FI_PROVIDER_PATH FI_EFA_ENABLE_SHM_TRANSFER; do
		[ -z "${!name:-}" ] || echo "$name=${!name}"
	done
}

# fabric_side NAME: one of ours-2.1 upstream-2.1 ours-1.17 upstream-1.17 as tests/interop_fabric/sides.py wants it.
fabric_side() {
	local folder variables=() choice=${1%-*}
	case $1 in
	*-2.1)
		folder=$fabric_peers/fabtests-2.1/bin
		mapfile -t variables < <(over_fabric "$choice" >&2 && fabric_environment)
		;;
	*-1.17)
		folder=$fabric_peers/fabtests-1.17/bin
		mapfile -t variables < <(over_fabric_1 "$choice" >&2 && fabric_environment)
		;;
	*) stop "there is no side '$1'; sides are ours-2.1 upstream-2.1 ours-1.17 upstream-1.17" ;;
	esac
	[ ${#variables[@]} -gt 0 ] || stop "the side $1 could not be set up"
	printf '%s' "$1|$folder"
	printf '|%s' "${variables[@]}"
}
