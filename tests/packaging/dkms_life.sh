#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: dkms_life.sh PACKAGE.deb KERNEL OTHER_KERNEL      (below scripts/machine-root.sh, as root)
#
# The life of the package efa-dkms on a machine: installation builds the module, a further kernel gets
# one, an unfit kernel is passed over with one clear line, an upgrade replaces it, removal and purge
# leave nothing behind. Prints TAP, and 'N passed, N failed' at the end.
set -uo pipefail
package=$1 first=$2 second=$3
# shellcheck source=tests/packaging/machine.sh
. "$(dirname "$0")/machine.sh"

# Newer kernels have compressed modules (efa.ko.xz).
has_module() { compgen -G "$MACHINE_ROOT/usr/lib/modules/$1/updates/dkms/efa.ko*" >/dev/null; }
built_from() { [ "$(chroot "$MACHINE_ROOT" modinfo -k "$1" -F version efa 2>>"$log")" = "$2" ]; }
# Everything that the package could leave, DKMS's own signing key aside: that is for all modules.
traces() {
	(cd "$MACHINE_ROOT" && find usr/src usr/lib/modprobe.d etc var/lib/dkms usr/lib/modules/*/updates \
		usr/share/doc/efa-dkms -path 'usr/src/linux-*' -prune -o -iname '*efa*' -print) 2>/dev/null
}
# next_version PACKAGE VERSION: the same package with another version number.
next_version() {
	local tree old
	tree=$(mktemp -d)
	dpkg-deb -R "$1" "$tree"
	old=$(dpkg-deb -f "$1" Version)
	mv "$tree/usr/src/efa-$old" "$tree/usr/src/efa-$2"
	sed -i "s/$old/$2/" "$tree/DEBIAN/control" "$tree"/DEBIAN/p* "$tree/usr/src/efa-$2/dkms.conf"
	sed -i "s/\(EFA_VERSION_PATCH\) .*/\1 ${2##*.}/" "$tree/usr/src/efa-$2/kernel/efa_version.h"
	rm -f "$tree/DEBIAN/md5sums"
	dpkg-deb --root-owner-group -b "$tree" "$MACHINE_ROOT/root/efa-dkms_next.deb"
}

echo 1..9
cp "$package" "$MACHINE_ROOT/root/efa-dkms.deb"
version=$(dpkg-deb -f "$package" Version)
before=$(traces)

# The machine has the first kernel only; the second arrives later.
mv "$MACHINE_ROOT/boot/config-$second" "$MACHINE_ROOT/root/"
install_package /root/efa-dkms.deb
ok $? "the package installs"
built_from "$first" "$version"
ok $? "the module is built for kernel $first"
inside modprobe -S "$first" --show-depends efa && grep -q /ib_uverbs.ko "$log" && grep -q /efa.ko "$log"
ok $? "modprobe efa brings ib_uverbs along"

mv "$MACHINE_ROOT/root/config-$second" "$MACHINE_ROOT/boot/"
inside /etc/kernel/postinst.d/dkms "$second" && built_from "$second" "$version"
ok $? "kernel $second gets its module when it is installed"

unfit=9.9.9-without-rdma
mkdir -p "$MACHINE_ROOT/usr/lib/modules/$unfit/build/include"
sed 's/^CONFIG_INFINIBAND=.*//' "$MACHINE_ROOT/boot/config-$first" >"$MACHINE_ROOT/usr/lib/modules/$unfit/build/.config"
inside dkms autoinstall -k "$unfit"
! has_module $unfit && [ "$(grep -c 'should not be built' "$log")" -eq 1 ]
ok $? "a kernel without RDMA core is passed over with one line"
rm -r "$MACHINE_ROOT/usr/lib/modules/$unfit"

next=${version%.*}.$((${version##*.} + 1))
next_version "$package" "$next" >"$log" 2>&1 && install_package /root/efa-dkms_next.deb
ok $? "the package upgrades to $next"
built_from "$second" "$next" && [ ! -e "$MACHINE_ROOT/usr/src/efa-$version" ]
ok $? "the upgrade replaces the module and its sources"

inside apt-get remove --yes efa-dkms && ! has_module "$first" && ! has_module "$second"
ok $? "removal removes the modules"
inside apt-get purge --yes efa-dkms
after=$(traces)
diff <(echo "$before") <(echo "$after") >"$log"
ok $? "purge leaves nothing behind"

finish
