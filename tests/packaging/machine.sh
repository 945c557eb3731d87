# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034  # used by those who source this
#
# Sourced by the tests here, which run below scripts/machine-root.sh: results as TAP, commands inside of the
# machine $MACHINE_ROOT.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tests=0 failures=0
log=$(mktemp)

ok() { # STATUS TEXT
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $2"
		sed 's/^/# /' "$log"
	fi
}
# The last line, and the verdict.
finish() {
	rm -f "$log"
	echo "$((tests - failures)) passed, $failures failed"
	[ $failures -eq 0 ]
}
# What the command prints goes to $log.
inside() { chroot "$MACHINE_ROOT" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@" >"$log" 2>&1 </dev/null; }
install_package() { inside apt-get install --yes --no-install-recommends "$@"; }
# next_version PACKAGE VERSION FILE: the same package with another version number.
next_version() {
	local tree
	tree=$(mktemp -d)
	dpkg-deb -R "$1" "$tree"
	sed -i "s/^Version: .*/Version: $2/" "$tree/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$tree" "$3"
}
