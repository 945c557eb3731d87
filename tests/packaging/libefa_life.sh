#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: libefa_life.sh LIBRARY.deb DEV.deb EFA_EMU      (below scripts/machine-root.sh, as root)
#
# The life of the packages libefa-open1 and libefa-open-dev on a machine: once installed, every program uses
# this libefa, whether it is linked with it or not; the distribution's stays whole and comes back on removal;
# purge leaves nothing behind. Prints TAP, and 'N passed, N failed' at the end.
set -uo pipefail
library=$1 dev=$2 emu=$3
# shellcheck source=tests/packaging/machine.sh
. "$(dirname "$0")/machine.sh"

multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
ours=/usr/lib/$multiarch/efa-open/

# Where PROGRAM's libefa.so.1 is found.
linked() { inside ldd "$1" && sed -n 's/.*libefa.so.1 => \([^ ]*\) .*/\1/p' "$log" | xargs -r -n 1 chroot "$MACHINE_ROOT" realpath; }
# The libefa files that a program loads which finds its provider by itself, with an emulated device.
loaded() {
	inside env LD_DEBUG=files "$emu" run -- ibv_devices && grep -q 'efa_0' "$log" &&
		sed -n 's/.*calling init: \(.*libefa.*\)/\1/p' "$log" | sort -u | xargs -r -n 1 chroot "$MACHINE_ROOT" realpath
}
# all_ours LIST, all_stock LIST: at least one file, and every one from here, or from the distribution.
all_ours() { [ -n "$1" ] && ! grep -qv "^$ours" <<<"$1"; }
all_stock() { [ -n "$1" ] && ! grep -q "^$ours" <<<"$1"; }
# Everything that the packages could leave.
traces() {
	(cd "$MACHINE_ROOT" && find etc/ld.so.conf.d etc/libibverbs.d usr/lib usr/share/doc usr/share/man usr/include usr/share/lintian \
		\( -path usr/lib/modules -o -path usr/lib/python3 \) -prune -o -iname '*efa*' -printf '%p %l\n' | sort)
	chroot "$MACHINE_ROOT" dpkg-divert --list 'libefa*'
	chroot "$MACHINE_ROOT" dpkg-divert --list '*efa-rdmav*'
	chroot "$MACHINE_ROOT" ldconfig -p | grep libefa
}

echo 1..17
cp "$library" "$MACHINE_ROOT/root/libefa-open1.deb"
cp "$dev" "$MACHINE_ROOT/root/libefa-open-dev.deb"
before=$(traces)
loads=$(loaded)
all_stock "$loads" && all_stock "$(linked /usr/bin/ib_send_bw)"
ok $? "before, programs use the distribution's libefa"

install_package /root/libefa-open1.deb
ok $? "the package installs"
all_ours "$(linked /usr/bin/ib_send_bw)"
ok $? "a program that is linked with libefa.so.1 uses this one"
loads=$(loaded)
all_ours "$loads"
ok $? "a program that is not linked with it finds the device through this one, and loads no other"
inside sh -c 'ldd /usr/bin/ib_send_bw; ldd '"$ours"'libefa.so.1' && ! grep -E 'libstdc\+\+|not found' "$log"
ok $? "it brings no C++ run time along"
inside dpkg --verify ibverbs-providers && [ ! -s "$log" ]
ok $? "the distribution's package is whole"
inside ldconfig && all_ours "$(linked /usr/bin/ib_send_bw)"
ok $? "ldconfig does not switch back"
install_package --reinstall ibverbs-providers && loads=$(loaded) && all_ours "$loads"
ok $? "installing ibverbs-providers anew does not switch back"

fake=$(mktemp -d)
mkdir "$fake/DEBIAN"
printf 'Package: libibverbs1\nVersion: 56.1-1\nArchitecture: %s\nMulti-Arch: same\nMaintainer: nobody <nobody@example.com>\nDescription: another libibverbs\n' \
	"$(dpkg --print-architecture)" >"$fake/DEBIAN/control"
dpkg-deb -b "$fake" "$MACHINE_ROOT/root/libibverbs1.deb" >/dev/null
inside apt-get --simulate install --yes /root/libibverbs1.deb
grep -qE '^Remv libefa-open1|libefa-open1 : Depends: libibverbs1 \(< ' "$log"
ok $? "apt keeps another release of libibverbs and the package apart"

install_package /root/libefa-open-dev.deb
ok $? "the package for development installs beside libibverbs-dev"
cat >"$MACHINE_ROOT/root/program.c" <<-'END'
	#include <infiniband/efa_diag.h>
	#include <infiniband/efadv.h>
	#include <stdio.h>
	int main(void)
	{
		puts(efa_vendor_err_str(10));
		printf("newer than the distribution's: %p\n", (void *)efadv_query_qp_wqs);
		return 0;
	}
END
# shellcheck disable=SC2016  # expanded inside
inside sh -c 'cc -Wall -Werror -o /root/program /root/program.c $(pkg-config --cflags --libs libefa-open) && /root/program' &&
	grep -q 'receiver not ready' "$log" && all_ours "$(linked /root/program)"
ok $? "a program compiles with pkg-config libefa-open, and runs"
inside sh -c 'man -w efadv_get_max_rq_depth && man -w 3efa efadv_create_qp_ex && man -w 7efa efadv && man -w efa_vendor_err_str && man -w efa-verbs'
ok $? "man finds the pages"
mkdir -p "$MACHINE_ROOT/root/shlibs/debian"
printf 'Source: program\n\nPackage: program\nArchitecture: any\n' >"$MACHINE_ROOT/root/shlibs/debian/control"
inside sh -c 'cd /root/shlibs && dpkg-shlibdeps -O /root/program' && grep -q 'libefa-open1 (>= [0-9]' "$log"
ok $? "dpkg-shlibdeps makes a program depend on the package when only this libefa has what it needs"

version=$(dpkg-deb -f "$library" Version)
next=${version%.*}.$((${version##*.} + 1))
next_version "$library" "$next" "$MACHINE_ROOT/root/libefa-open1_next.deb" >/dev/null
inside dpkg --purge libefa-open-dev && install_package /root/libefa-open1_next.deb &&
	loads=$(loaded) && all_ours "$loads" && all_ours "$(linked /usr/bin/ib_send_bw)"
ok $? "the package upgrades to $next"

inside apt-get remove --yes libefa-open1 && loads=$(loaded) && all_stock "$loads" && all_stock "$(linked /usr/bin/ib_send_bw)"
ok $? "removal brings the distribution's libefa back"
inside dpkg --verify ibverbs-providers && [ ! -s "$log" ]
ok $? "the distribution's package is whole"
inside apt-get purge --yes libefa-open1
after=$(traces)
diff <(echo "$before") <(echo "$after") >"$log"
ok $? "purge leaves nothing behind"

finish
