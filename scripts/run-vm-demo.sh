#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Second part of `make run`: the kernel driver in two virtual machines with emulated PCI devices,
# installed the way a user does it; programs over our libefa or, with EFA_LIBEFA=distribution, over
# Debian's, and over our libfabric provider or, with EFA_PROVIDER=upstream, the one inside libfabric. Each
# command is shown before it runs; the first that fails ends the show. The machines' files are this
# machine's, so what is built here is there as well; nothing is changed on it.
set -euo pipefail
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/choose-libefa.sh"
. "$(dirname "$0")/choose-provider.sh"
cd "$root"
lab=tools/lab/lab
kernel=6.1

step "Packages from Debian, for the virtual machines"
scripts/install-deps.sh build run lab package
step "QEMU and Debian's kernel $kernel, into the cache (110 MB the first time)"
"$lab" setup --kernel $kernel
step "Build the emulator, libefa and the provider in build/default"
build_tree default efa-emu
build_libefa
build_provider
stack=("${libefa[@]}" "${provider[@]}")
step "The driver as a Debian package"
made=$(scripts/dkms-deb.sh | tail -n 1)
echo "$made"

layer=$(mktemp -d)
name=demo-$$
trap '"$lab" down --name $name >/dev/null 2>&1 || true; rm -rf "$layer"' EXIT

step "apt install ./efa-dkms.deb on a machine with kernel $kernel: DKMS builds the module"
# A copy-on-write view of this machine; DKMS finds the kernel in /boot.
# shellcheck disable=SC2016  # for the shell over there
"$lab" install --kernel $kernel --into "$layer" -- sh -ec '
	touch "/boot/config-$KVERSION"
	cp "$0" /root/efa-dkms.deb
	cd /root
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --yes ./efa-dkms.deb
	dkms status efa' "$made" || stop "the package does not install"

# on HOST COMMAND...
on() {
	local host=$1
	shift
	echo "$host\$ $*" | sed "s|$root/||g"
	"$lab" exec --name $name --timeout 300 "$host" -- "$@" || stop "that failed on $host"
}
# boot GENERATION: two machines with a device each, and the driver loaded.
boot() {
	"$lab" up --name $name --hosts 2 --layer "$layer" --kernel $kernel --generation "$1" --doorbells mapped
	for host in host1 host2; do
		on $host modprobe efa
	done
}
# pair PORT COMMAND...: the command as server on host1, and with its name as argument on host2, over
# the chosen libefa and provider.
pair() {
	local port=$1
	shift
	on host1 env "${stack[@]}" scripts/pair.sh "$port" "$*" "$* host1"
}

step "Two machines boot; modprobe efa"
boot efa1
on host1 sh -c 'dmesg | grep " efa[: ]"'
step "The device"
on host1 env "${libefa[@]}" ibv_devinfo -v
on host1 rdma link
step "perftest over $libefa_words: latency and bandwidth between the machines"
pair 18515 ib_send_lat -c SRD -x 0 -n 500
pair 18515 ib_send_bw -c SRD -x 0 -n 1000
pair 18515 ib_read_bw -c SRD -x 0 -n 500
pair 18515 ib_send_lat -c UD -x 0 -n 500
step "What the kernel knows"
on host1 rdma resource
on host1 rdma statistic
show "$lab" down --name $name

step "The same with devices that can RDMA write"
boot efa2
if [ -x build/peers/perftest/ib_write_bw ] || scripts/build-peers.sh build/peers </dev/null; then
	echo "(perftest 25.01 over rdma-core 56 of Debian 13: those of Debian 12 know no SRD write)"
	build_newer_libefa
	on host1 env "${newer_libefa[@]}" scripts/pair.sh 18515 "build/peers/perftest/ib_write_bw -c SRD -x 0 -n 500" \
		"build/peers/perftest/ib_write_bw -c SRD -x 0 -n 500 host1"
else
	stop "ib_write_bw -c SRD needs perftest 25.01 and rdma-core 56, which could not be built (see above)"
fi
step "libfabric over $provider_words"
check_provider on host1 env "${stack[@]}" fi_info -p efa
pair 47592 fi_pingpong -p efa -e rdm -I 50
pair 47592 fi_pingpong -p efa -e dgram -I 50
step "An Open MPI job over both machines, data checked: device, driver, libefa and provider are those above"
mkdir -p "$build/run"
show mpicc -std=c11 -O2 -Wall -Wextra tests/mpi/checked_job.c -o build/run/checked_job
mca="--mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include efa --mca btl self"
for variable in "${stack[@]}"; do mca+=" -x ${variable%%=*}"; done
# shellcheck disable=SC2016  # for the shell over there
on host1 env "${stack[@]}" sh -c 'FI_PROVIDER=efa mpirun --hostfile $LAB_HOSTFILE --np 2 --map-by node '"$mca"' build/run/checked_job /tmp/expected.json'
on host1 rdma statistic
show "$lab" down --name $name

echo
bold "Device, driver, libefa, provider and MPI work together, in ${SECONDS} seconds."
