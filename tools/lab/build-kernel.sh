#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: build-kernel.sh debug|um        builds that kernel unless it is there, prints its folder
#
# Builds a kernel that Debian does not ship, from Debian's linux-source package, with the smallest
# configuration that has debug-kernel/config or um-kernel/config (lab 5). The result is in
# ${EFA_CACHE:-$HOME/.cache/efa-stack}/{debug,um}-kernel/VERSION-CONFIGHASH,
# to which the link 'current' beside it points:
#
#   info.json   kind, release, vmlinux, modules_dir, kdir, cpu_seconds; written last: there means usable
#   vmlinux     to boot: without symbols; for um the program itself
#   lib/modules/RELEASE
#   kdir/       KDIR of module builds (make -C kdir M=...; for um with ARCH=um); refers to linux-source
#
# KERNEL_JOBS: jobs of make (the number of processors). KERNEL_NICE: their niceness (15).
# KERNEL_SERIES: the linux-source package (6.1).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${EFA_CACHE:-$HOME/.cache/efa-stack}
jobs=${KERNEL_JOBS:-$(nproc)}
kind=${1:-}

say() { echo "build-kernel: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

case $kind in
debug)
	arch=x86_64
	# The PVH entry (arch/x86/platform/pvh/enlighten.c, and memcmp) runs before KASAN has memory; 6.1 has
	# these files instrumented, and resets at once.
	flags=(KASAN_SANITIZE_enlighten.o=n UBSAN_SANITIZE_enlighten.o=n KASAN_SANITIZE_string.o=n)
	;;
um) arch=um flags=() ;;
*)
	echo "usage: build-kernel.sh debug|um" >&2
	exit 2
	;;
esac
config=$here/$kind-kernel/config

kmake() {
	nice -n "${KERNEL_NICE:-15}" make -C "$build" ARCH="$arch" CC="$cc" KBUILD_BUILD_TIMESTAMP="@0" \
		KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab "${flags[@]}" "$@" >>"$log" 2>&1 ||
		{ grep -m 5 -B 2 -A 12 -E 'error:|Error [0-9]|undefined reference' "$log" >&2 ||
			tail -n 20 "$log" >&2; fail "make $* failed; all of it is in $log"; }
}

# Every line of the fragment must be in .config: symbols vanish silently when a dependency is unmet.
check_config() {
	local line lost=()
	while read -r line; do
		grep -qxF -- "$line" "$build/.config" && continue
		# "is not set" is also true of a symbol that does not show up at all.
		[[ $line == \#* ]] && ! grep -q "^${line:2:-11}=" "$build/.config" && continue
		lost+=("$line")
	done < <(grep -E '^(CONFIG_|# CONFIG_.* is not set$)' "$config")
	[ ${#lost[@]} -eq 0 ] || fail "these lines of $config did not survive (unmet dependency?): ${lost[*]}"
}

# What module builds need stays; objects of the kernel itself go.
trim_build() {
	find "$build" \( -path "$build/scripts" -o -path "$build/tools" \) -prune -o \
		-type f \( -name '*.o' -o -name '*.a' -o -name '*.cmd' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name 'vmlinux*' -o -name linux -o -name '.tmp_*' -o -name System.map \) \
		-print0 | xargs -0 rm -f
}

# user + system seconds of this script's children so far.
cpu_seconds() {
	awk '{ printf "%d\n", ($16 + $17) / 100 }' "/proc/$$/stat"
}

write_info() {
	cat >"$target/info.json.part" <<-END
		{
		  "kind": "$kind",
		  "release": "$release",
		  "vmlinux": "$target/vmlinux",
		  "modules_dir": "$target/lib/modules/$release",
		  "kdir": "$target/kdir",
		  "arch": "$arch",
		  "cpu_seconds": $(cpu_seconds)
		}
	END
	mv "$target/info.json.part" "$target/info.json"
}

"$root/scripts/install-deps.sh" kernel >&2
source_tree=$("$root/scripts/fetch-linux-source.sh" "${KERNEL_SERIES:-6.1}")
cc=gcc
command -v ccache >/dev/null && cc="ccache gcc"
hash=$({ gcc --version | head -n 1 && printf '%s' "${flags[@]+${flags[*]}$'\n'}" && grep -E '^(CONFIG_|# CONFIG_)' "$config"; } | sha256sum | cut -c1-12)
target=$cache/$kind-kernel/$(basename "$source_tree")-$hash
mkdir -p "$target"
exec 8>"$cache/$kind-kernel/.lock"
flock -n 8 || { say "somebody else builds a $kind kernel; waiting" && flock 8; }
# Prints the folder, which is the current one from now on.
finish() {
	ln -sfnT "$(basename "$target")" "$cache/$kind-kernel/current"
	echo "$target"
	exit 0
}
[ -e "$target/info.json" ] && finish

say "the $kind kernel from $(basename "$source_tree"): 10 to 20 minutes of CPU, once; log: $target/build.log"
build=$target/kdir log=$target/build.log
# What an interrupted build left is good: the folder's name stands for the configuration.
mkdir -p "$build"
make -s -C "$source_tree" O="$build" ARCH="$arch" CC="$cc" KCONFIG_ALLCONFIG="$config" allnoconfig >>"$log" 2>&1 ||
	fail "the configuration failed; see $log"
check_config
kmake -j"$jobs" vmlinux modules
release=$(make -s -C "$build" ARCH="$arch" kernelrelease)
kmake INSTALL_MOD_PATH="$target" INSTALL_MOD_STRIP=1 modules_install
rm -f "$target/lib/modules/$release/"{build,source}
if [ "$kind" = um ]; then cp "$build/vmlinux" "$target/vmlinux"; else strip -s -o "$target/vmlinux" "$build/vmlinux"; fi
cp "$build/System.map" "$target/System.map"
trim_build
write_info
say "done: $(du -sh "$target" | cut -f1), $(cpu_seconds) seconds of CPU"
finish
