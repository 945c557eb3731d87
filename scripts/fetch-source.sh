#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: fetch-source.sh PACKAGE SUITE DIRECTORY
#
# Brings the upstream tarball of a Debian source package of another suite (trixie, forky) and unpacks
# it into DIRECTORY/PACKAGE. The machine's own apt configuration stays as it is: the source list and
# the package lists live in DIRECTORY. Does nothing when the tree is there already.
set -euo pipefail

if [ $# -ne 3 ]; then
	echo "usage: fetch-source.sh PACKAGE SUITE DIRECTORY" >&2
	exit 2
fi
package=$1 suite=$2 directory=$(mkdir -p "$3" && cd "$3" && pwd)
target=$directory/$package
[ -e "$target/.complete" ] && exit 0

# The mirror that this machine uses for its own release also carries the others.
# shellcheck disable=SC2016  # the dollars are apt's format
mirror=$(apt-get indextargets --format '$(REPO_URI) $(SUITE) $(COMPONENT)' 'Created-By: Packages' |
	awk '$3 == "main" && $1 ~ /\/debian\/?$/ { print $1; exit }')
if [ -z "$mirror" ]; then
	echo "fetch-source: no Debian mirror in the apt sources; add one and run apt-get update" >&2
	exit 2
fi

apt=$directory/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
echo "deb-src $mirror $suite main" >"$apt/$suite.list"
options=(
	-o "Dir::Etc::sourcelist=$apt/$suite.list"
	-o Dir::Etc::sourceparts=/dev/null
	-o "Dir::State::lists=$apt/lists"
	-o "Dir::Cache=$apt/cache"
	-o APT::Get::List-Cleanup=0
	-o APT::Sandbox::User=root
)
echo "fetch-source: $package from $suite"
apt-get "${options[@]}" -qq update
rm -rf "$target"
mkdir -p "$target/download"
(cd "$target/download" && apt-get "${options[@]}" -qq source --tar-only "$package")
tarball=$(find "$target/download" -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
if [ -z "$tarball" ]; then
	echo "fetch-source: $suite has no upstream tarball of $package" >&2
	exit 1
fi
tar -xf "$tarball" -C "$target" --strip-components=1
touch "$target/.complete"
