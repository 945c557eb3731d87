#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: install-deps.sh [GROUP...]     the groups are in all_groups below (none given: all of them)
#
# Installs the Debian packages of these groups that are missing, and says which and what for.
set -euo pipefail

all_groups="build test run bench fuzz lint package kernel lab fabtests"

packages_of() {
	case $1 in
	build) echo build-essential cmake ninja-build pkg-config ccache python3 \
		libfmt-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libexpected-dev \
		libgtest-dev libgmock-dev libibverbs-dev libfabric-dev systemtap-sdt-dev ;;
	# The programs that the emulator is tried with, and what perftest of a newer Debian needs to build.
	run) echo libibverbs-dev ibverbs-providers ibverbs-utils rdma-core perftest \
		librdmacm-dev libibumad-dev libpci-dev libnl-3-dev libnl-route-3-dev libudev-dev \
		libfabric-bin libfabric-dev openmpi-bin libopenmpi-dev python3 ;;
	# rdma-core's own tests: the packaged bindings, and what those of a newer Debian need to build. valgrind
	# counts instructions. autoconf and what belongs to it: libfabric of a newer Debian.
	test) packages_of run && echo valgrind abigail-tools man-db autoconf automake libtool python3-pyverbs cython3 python3-dev libudev-dev libnl-route-3-dev ;;
	# libfabric's own tests.
	fabtests) echo python3-pytest python3-pytest-xdist python3-yaml python3-retrying python3-junitparser ;;
	bench) packages_of run && echo libbenchmark-dev valgrind ;;
	fuzz) echo clang libclang-rt-14-dev ;;
	package) echo build-essential cmake pkg-config libibverbs-dev libfabric-dev systemtap-sdt-dev debhelper dh-dkms \
		dkms lintian ;;
	# QEMU and the kernels of the VM lab come into a cache, these are what it runs on the host and in guests.
	lab) echo busybox-static kmod xz-utils zstd pciutils iproute2 iputils-ping openssh-server python3 \
		util-linux ;;
	lint) echo clang-format clang-tidy shellcheck python3 ;;
	# Kernels that Debian does not ship (tools/lab/build-kernel.sh).
	kernel) echo build-essential flex bison bc libelf-dev libssl-dev cpio kmod xz-utils ccache busybox-static ;;
	*)
		echo "install-deps: there is no group '$1'; groups are $all_groups" >&2
		exit 2
		;;
	esac
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null; then
	echo "install-deps: this is no Debian; install the counterparts of the packages in $0 by hand" >&2
	exit 2
fi
# shellcheck disable=SC2086  # one word a group
[ $# -gt 0 ] || set -- $all_groups

missing=()
for group in "$@"; do
	list=$(packages_of "$group")
	new=()
	for package in $list; do
		case " ${missing[*]} " in *" $package "*) continue ;; esac
		installed "$package" || { new+=("$package") && missing+=("$package"); }
	done
	[ ${#new[@]} -eq 0 ] || echo "install-deps: for '$group', Debian packages: ${new[*]}"
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	cat >&2 <<-END
		install-deps: ${#missing[@]} packages are missing and only root can install them. Run this, then try again:
		    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}
	END
	exit 2
fi
export DEBIAN_FRONTEND=noninteractive
echo "install-deps: apt-get update"
apt-get -qq update </dev/null
echo "install-deps: apt-get install (${#missing[@]} packages and what they need)"
apt-get -qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends "${missing[@]}" </dev/null
