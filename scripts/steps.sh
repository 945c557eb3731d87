# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Sourced by the scripts here: progress lines with numbers and times, commands shown before they run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # used by those who source this
build=$root/build
# Clones in other folders share what ccache has: paths below the clone count as relative ones.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
step_number=0
step_name=start

# Text in bold on a terminal.
bold() {
	if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi
}

# step TEXT: the next part begins.
step() {
	step_number=$((step_number + 1))
	step_name=$*
	echo
	bold "[$step_number] $(date +%H:%M:%S) +${SECONDS}s  $step_name"
}

# show COMMAND...: prints the command as one could type it, runs it, fails with a clear message.
show() {
	echo "\$ ${*@Q}" | sed "s/'\([A-Za-z0-9_.,:=/%+@-]*\)'/\1/g; s|$root/||g"
	local status=0
	"$@" || status=$?
	[ $status -eq 0 ] || stop "the command above ended with status $status"
}

# stop TEXT: ends the script.
stop() {
	echo >&2
	echo "STOPPED in step $step_number ($step_name): $*" >&2
	exit 1
}

# build_tree NAME TARGET CMAKE_OPTION...: configures build/NAME once and builds TARGET in it; quiet
# unless it fails. TARGET may name several.
build_tree() {
	local tree=$build/$1 targets=$2
	shift 2
	mkdir -p "$tree"
	local options=("$@")
	command -v ccache >/dev/null &&
		options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
	if ! cmake -S "$root" -B "$tree" -G Ninja "${options[@]}" >"$tree/configure.log" 2>&1; then
		cat "$tree/configure.log" >&2
		stop "cmake could not configure ${tree#"$root"/}; if a package is missing: make deps"
	fi
	# shellcheck disable=SC2086  # several targets
	if ! ninja -C "$tree" $targets >"$tree/build.log" 2>&1; then
		grep -A 25 -m 3 -E 'FAILED:|ninja: error' "$tree/build.log" >&2
		stop "the build failed; all of it is in ${tree#"$root"/}/build.log"
	fi
	tail -n 1 "$tree/build.log"
}

# rdma_core_of RELEASE: where the libibverbs of an rdma-core that Debian 12 does not have is built in place
# (build-peers.sh: 56.1; build-libibverbs.sh: 65.0).
rdma_core_of() {
	case $1 in
	56) echo "$build/peers/rdma-core/build" ;;
	65) echo "$build/peers65/rdma-core/build" ;;
	*) stop "release $1 is not one of 56 and 65" ;;
	esac
}

# build_libefa_for RELEASE: our libefa for it, in build/libefaRELEASE.
build_libefa_for() {
	local core
	core=$(rdma_core_of "$1")
	build_tree "libefa$1" efa_provider -DEFA_IBVERBS_RELEASE="$1" -DEFA_IBVERBS_ROOT="$core" -DBUILD_TESTING=OFF
}

# copy_module SOURCE FOLDER: the sources of a kernel module, without what builds left in them. Modules are
# built in copies, so that builds for several kernels do not meet.
copy_module() {
	rm -rf "$2" && mkdir -p "$2" && cp -r "$1/." "$2" &&
		find "$2" \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \) -delete
}

# unit_targets NAME: the unit test programs of the configured tree build/NAME.
unit_targets() {
	ninja -C "$build/$1" -t targets all | sed -nE 's/^(unit_[a-z_]+): phony$/\1/p' | sort -u | tr '\n' ' '
}
