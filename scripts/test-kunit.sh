#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: test-kunit.sh um       the driver's KUnit suites on a user-mode kernel with KASAN
#        test-kunit.sh debug    the same in a VM of the lab, on the debug kernel
#
# Builds the kernel that it needs, once (tools/lab/build-kernel.sh). The last line is
# 'N passed, N failed'; the kernel's log stays in build/kunit-KIND/log.
set -euo pipefail
. "$(dirname "$0")/steps.sh"

kind=${1:-}
case $kind in
um) arch=um ;;
debug) arch=x86_64 ;;
*)
	echo "usage: test-kunit.sh um|debug" >&2
	exit 2
	;;
esac
place=$build/kunit-$kind
log=$place/log

# info NAME: an entry of the kernel's info.json.
info() {
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$kernel/info.json" "$1"
}

build_suites() {
	mkdir -p "$place"
	# A copy, so that kernels do not share objects. Times are kept: what is up to date stays so.
	cp -a --update "$root/kernel" "$place/"
	if ! make -C "$(info kdir)" ARCH=$arch M="$place/kernel" EFA_KUNIT=1 modules >"$place/build.log" 2>&1 </dev/null; then
		grep -m 20 -E 'error|ERROR|warning' "$place/build.log" >&2
		stop "the suites do not build; all of it is in ${place#"$root"/}/build.log"
	fi
	if grep -n 'warning:' "$place/build.log"; then stop "the suites build with warnings"; fi
}

# The modules that the suites need, in loading order, by path.
list_modules() {
	local needed
	needed=$(modinfo -F depends "$place/kernel/tests/efa_kunit.ko" | tr , ' ')
	for module in $needed; do
		modprobe --dirname "$kernel" --set-version "$(info release)" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
	echo "$place/kernel/tests/efa_kunit.ko"
}

# Time in it advances only when everybody sleeps (time-travel), so time limits take none.
run_um() {
	timeout --kill-after=5 300 "$kernel/vmlinux" mem=512M time-travel=inf-cpu root=none rootfstype=hostfs \
		rootflags=/ ro init="$root/tools/lab/um-kernel/init.sh" EFA_MODULES="$place/modules" \
		printk.time=0 con=null con0=null,fd:1 </dev/null 2>&1 | cat >"$log"
}

run_debug() {
	"$root/tools/lab/lab" run --kernel debug --no-device --memory 2048 --timeout 900 -- "$root/tools/lab/debug-kernel/kunit.sh" "$place/modules" >"$log" 2>&1
}

step "The $kind kernel"
kernel=$("$root/tools/lab/build-kernel.sh" "$kind")
echo "$kernel"
step "KUnit suites: build against $(info release)"
build_suites
list_modules >"$place/modules"
step "KUnit suites: run"
status=0
"run_$kind" || status=$?
[ $status -eq 0 ] || echo "the kernel ended with status $status"
python3 "$root/scripts/kunit-results.py" "$log" "$place/kernel/tests" || status=1
[ $status -eq 0 ]
