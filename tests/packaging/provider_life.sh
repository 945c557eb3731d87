#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: provider_life.sh PACKAGE.deb EFA_EMU      (below scripts/machine-root.sh, as root)
#
# The life of the package libfabric-efa-open on a machine: once installed, libfabric uses this provider with nothing
# set; the one inside libfabric comes back on removal; purge leaves nothing behind. Prints TAP, and
# 'N passed, N failed' at the end.
set -uo pipefail
package=$1 emu=$2
# shellcheck source=tests/packaging/machine.sh
. "$(dirname "$0")/machine.sh"

multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
folder=/usr/lib/$multiarch/libfabric

# The versions of provider $1 that programs on an emulated host see.
versions() {
	inside "$emu" run -- fi_info -p "$1"
	sed -n 's/^ *version: //p' "$log" | sort -u
}
# Everything that the package could leave.
traces() {
	(cd "$MACHINE_ROOT" && find usr/lib usr/share/doc usr/share/man usr/share/lintian \
		\( -path usr/lib/modules -o -path usr/lib/python3 \) -prune -o \( -iname '*efa*' -o -name 'libfabric*' \) -printf '%p %l\n' | sort)
}

echo 1..12
cp "$package" "$MACHINE_ROOT/root/libfabric-efa-open.deb"
before=$(traces)
[ "$(versions efa)" = 117.0 ]
ok $? "before, programs use the provider inside libfabric"

install_package /root/libfabric-efa-open.deb
ok $? "the package installs"
[ "$(versions efa)" = 117.100 ]
ok $? "programs use this provider, with nothing set"
[ "$(versions aws)" = 117.100 ]
ok $? "the name aws of older recipes finds it, too"
inside env FI_EFA_ENABLE_SHM_TRANSFER=0 PATH="$(dirname "$emu"):$PATH" "$emu" run --hosts 2 -- "$root/scripts/pair.sh" 47592 \
	"fi_pingpong -p efa -e rdm -I 3" "fi_pingpong -p efa -e rdm -I 3 host1" &&
	grep -q "provider, by the dynamic linker: $folder/libefa-fi.so" "$log" && grep -q '^1m ' "$log"
ok $? "messages go through it"
inside sh -c "ldd $folder/libefa-fi.so $folder/libaws-fi.so" && ! grep -E 'libstdc\+\+|not found' "$log"
ok $? "it brings no C++ run time along, and misses nothing"
inside dpkg --verify libfabric1 && [ ! -s "$log" ]
ok $? "the distribution's package is whole"
inside man -w 7 fi_efa-open
ok $? "man finds the page"

fake=$(mktemp -d)
mkdir "$fake/DEBIAN"
printf 'Package: libfabric1\nVersion: 2.1.0-1\nArchitecture: %s\nMulti-Arch: same\nMaintainer: nobody <nobody@example.com>\nDescription: another libfabric\n' \
	"$(dpkg --print-architecture)" >"$fake/DEBIAN/control"
dpkg-deb -b "$fake" "$MACHINE_ROOT/root/libfabric1.deb" >/dev/null
inside apt-get --simulate install --yes /root/libfabric1.deb
grep -qE '^Remv libfabric-efa-open|libfabric-efa-open : Depends: libfabric1 \(< ' "$log"
ok $? "apt keeps a libfabric of other structures and the package apart"

version=$(dpkg-deb -f "$package" Version)
next=${version%.*}.$((${version##*.} + 1))
next_version "$package" "$next" "$MACHINE_ROOT/root/libfabric-efa-open_next.deb" >/dev/null
install_package /root/libfabric-efa-open_next.deb && [ "$(versions efa)" = 117.100 ]
ok $? "the package upgrades to $next"

inside apt-get remove --yes libfabric-efa-open && [ "$(versions efa)" = 117.0 ]
ok $? "removal brings the provider inside libfabric back"
inside apt-get purge --yes libfabric-efa-open
after=$(traces)
diff <(echo "$before") <(echo "$after") >"$log"
ok $? "purge leaves nothing behind"

finish
