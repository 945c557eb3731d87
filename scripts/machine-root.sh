#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: machine-root.sh KERNEL[,KERNEL...] COMMAND...
#
# Runs COMMAND with MACHINE_ROOT naming a folder that is a whole machine: this one's files, with the
# named Debian kernels (6.1, 6.12; headers and modules, from the lab's cache) installed, and writable.
# What is done to it is done to memory and gone at the end; this machine stays as it is. Only COMMAND
# sees the folder (a mount namespace of its own). COMMAND gets there by chroot or as the root of a VM.
set -euo pipefail
. "$(dirname "$0")/steps.sh"

if [ -z "${MACHINE_ROOT_INSIDE:-}" ]; then
	[ $# -ge 2 ] || { echo "usage: machine-root.sh KERNEL[,KERNEL...] COMMAND..." >&2 && exit 2; }
	[ "$(id -u)" -eq 0 ] || { echo "machine-root: only root can mount; run it as root" >&2 && exit 2; }
	MACHINE_ROOT_INSIDE=yes exec unshare --mount --propagation private "$0" "$@"
fi
unset MACHINE_ROOT_INSIDE

lab=$root/tools/lab/lab
cache=${EFA_CACHE:-$HOME/.cache/efa-stack}
IFS=, read -ra kernels <<<"$1"
shift

place=$(mktemp -d)
trap 'umount -R -l "$place" && rmdir "$place"' EXIT
mount -t tmpfs -o mode=755 machine-root "$place"
mkdir "$place"/{upper,work,root,modules,boot}
export MACHINE_ROOT=$place/root
mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" machine-root "$MACHINE_ROOT" || {
	echo "machine-root: this kernel denies overlay mounts here; run it outside of the container" >&2
	exit 2
}

# bind FOLDER: the same folder at the same place in the machine.
bind() {
	mkdir -p "$MACHINE_ROOT$2"
	mount --rbind "$1" "$MACHINE_ROOT$2"
}
for folder in /proc /sys /dev "$root" "$cache"; do
	bind "$folder" "$folder"
done
mount --bind "$place/boot" "$MACHINE_ROOT/boot"

# install_kernel KERNEL: as its packages would, from what the lab has unpacked in its cache.
install_kernel() {
	local version headers image modules
	headers=$("$lab" kernel-build-dir "$1")
	version=${headers##*/linux-headers-}
	headers=${headers%/usr/src/*}
	image=$cache/kernels/$version
	for folder in "$headers"/usr/src/linux-headers-* "$headers"/usr/lib/linux-kbuild-*; do
		bind "$folder" "${folder#"$headers"}"
	done
	modules=$place/modules/$version
	mkdir -p "$modules"/{upper,work} "$MACHINE_ROOT/usr/lib/modules/$version"
	mount -t overlay -o "lowerdir=$headers/lib/modules/$version:$image/lib/modules/$version,upperdir=$modules/upper,workdir=$modules/work" \
		modules "$MACHINE_ROOT/usr/lib/modules/$version"
	cp "$image/config" "$MACHINE_ROOT/boot/config-$version"
}
for kernel in "${kernels[@]}"; do
	install_kernel "$kernel"
done

"$@"
