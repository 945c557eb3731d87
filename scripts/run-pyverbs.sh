#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: run-pyverbs.sh [EFA_EMU [DIRECTORY [LIBEFA44 LIBEFA56]]]
#        run-pyverbs.sh --collect DIRECTORY     only puts the tests of 44 into DIRECTORY/pyverbs-44
#
# Runs rdma-core's own tests against the emulated device EFA_EMU (default: the one in build/default),
# prints what passed, failed and was skipped and why, and fails if any test failed:
#
#   44    the tests of this Debian's rdma-core, with its python3-pyverbs
#   56.1  those of Debian 13's, which also do RDMA writes. pyverbs 44 cannot run them, so theirs is
#         built in DIRECTORY (default build/peers): needs cython3 and python3-dev, some minutes once.
#
# The second part is left out, with a word, when it cannot be built.
#
# LIBEFA44 and LIBEFA56 are folders with the libefa.so.1 to test, one for each libibverbs; without them
# the distribution's and the one built with pyverbs are. That every process had just this one is checked.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
emulator=${1:-$top/build/default/tools/emulator/efa-emu}
libefa44=${3:-} libefa56=${4:-}
collect_only=
[ "$emulator" != --collect ] || collect_only=yes
directory=$(mkdir -p "${2:-$top/build/peers}" && cd "${2:-$top/build/peers}" && pwd)
runner=$top/tests/native/pyverbs_runner.py
python=/usr/bin/python3 # python3-pyverbs is for the system's interpreter
packaged=/usr/share/doc/rdma-core/tests
modules=(test_efa_srd test_efadv test_device test_pd test_mr test_cq test_cqex test_cq_events
	test_qp test_qpex test_relaxed_ordering test_parent_domain test_fork test_addr)

if [ -z "$collect_only" ] && [ ! -x "$emulator" ]; then
	echo "run-pyverbs: there is no emulator $emulator; build it, or name it" >&2
	exit 2
fi
if [ ! -d "$packaged" ] || ! $python -c 'import pyverbs.device' 2>/dev/null; then
	echo "run-pyverbs: install python3-pyverbs together with its documentation ($packaged)" >&2
	exit 2
fi

# Copies the tests of version $1 from $2 to a directory of their own: tests of other devices would be
# imported along.
collect_tests() {
	local target=$directory/pyverbs-$1 module
	mkdir -p "$target/tests"
	for module in __init__ args_parser base base_rdmacm utils cuda_utils efa_base irdma_base mlx5_base \
		rdmacm_utils "${modules[@]}"; do
		if [ -e "$2/$module.py.gz" ]; then
			gzip -dc "$2/$module.py.gz" >"$target/tests/$module.py"
		elif [ -e "$2/$module.py" ]; then
			cp "$2/$module.py" "$target/tests/$module.py"
		fi
	done
}

# Runs the tests of version $1 over the libefa in folder $2, if one is given.
run_tests() {
	local log=$directory/pyverbs-$1.log status=0
	if [ -n "$2" ]; then
		log=$directory/pyverbs-$1-ours.log
		LD_LIBRARY_PATH=$(readlink -f "$2")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
		export LD_LIBRARY_PATH EFA_LIBEFA_DIRECTORY=${LD_LIBRARY_PATH%%:*}
	fi
	"$emulator" run -- $python -B "$runner" "$directory/pyverbs-$1" "${modules[@]}" >"$log" 2>&1 ||
		status=$?
	if [ $status -ne 0 ]; then
		cat "$log"
	else
		sed -n '/^skipped /p; /^failed: /p; /^passed /p' "$log"
	fi
	echo "rdma-core $1${2:+ over $2}: $(tail -n 1 "$log")"
	return $status
}

# Builds libibverbs, libefa and the pyverbs modules that the tests import. Of mlx5 they use nothing.
build_newer() {
	local core=$directory/rdma-core log=$directory/pyverbs-56.1-build.log
	"$top/scripts/fetch-source.sh" rdma-core trixie "$directory"
	newer=$core/build-pyverbs
	[ -e "$newer/.complete" ] && return
	echo "run-pyverbs: building pyverbs 56.1 (some minutes; log: $log)"
	cmake -S "$core" -B "$newer" -G Ninja -DIN_PLACE=1 -DNO_MAN_PAGES=1 -DCMAKE_BUILD_TYPE=None \
		-DCMAKE_C_FLAGS="-O0 -w" -DPython_EXECUTABLE=$python -DPYTHON_EXECUTABLE=$python >"$log" 2>&1
	ninja -C "$newer" -t targets all |
		sed -n 's/^\(python\/pyverbs\/\([^/]*\|providers\/efa\/[^/]*\)\.so\):.*/\1/p' |
		xargs ninja -C "$newer" lib/libefa.so >>"$log" 2>&1
	touch "$newer/.complete"
}

# The newer tests ask iproute2 which network interface belongs to a port. Netlink knows nothing of the
# emulated device; EFA ports have none.
provide_rdma_tool() {
	mkdir -p "$directory/pyverbs-56.1/bin"
	cat >"$directory/pyverbs-56.1/bin/rdma" <<-'END'
		#!/bin/sh
		echo '[{"ifname":"efa_0","port":1,"state":"ACTIVE","physical_state":"LINK_UP"}]'
	END
	chmod +x "$directory/pyverbs-56.1/bin/rdma"
}

status=0
collect_tests 44 "$packaged"
if [ -n "$collect_only" ]; then
	echo "${modules[@]}" >"$directory/pyverbs-44/modules"
	exit 0
fi
(run_tests 44 "$libefa44") || status=1

if dpkg-query -W cython3 python3-dev libudev-dev libnl-route-3-dev >/dev/null 2>&1; then
	build_newer
	collect_tests 56.1 "$directory/rdma-core/tests"
	provide_rdma_tool
	(
		export PATH=$directory/pyverbs-56.1/bin:$PATH PYTHONPATH=$newer/python LD_LIBRARY_PATH=$newer/lib
		run_tests 56.1 "$libefa56"
	) || status=1
else
	echo "rdma-core 56.1: left out; its pyverbs needs cython3 python3-dev libudev-dev libnl-route-3-dev"
fi
exit $status
