# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Sourced, after steps.sh, by the scripts that build Debian packages from packaging/debian.

# package_version: that of all packages; stops unless all places that name it agree.
package_version() {
	local version other
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
	for other in "$(sed -n 's/^project(efa VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)" \
		"$(sed -n 's/^efa (\(.*\)) .*/\1/p;q' packaging/debian/changelog)" \
		"$(awk '/^#define EFA_VERSION_(MAJOR|MINOR|PATCH)/ { printf "%s%s", dot, $3; dot = "." }' kernel/efa_version.h)"; do
		[ "$other" = "$version" ] || stop "dkms.conf says version $version, another place '$other':" \
			"CMakeLists.txt, packaging/debian/changelog and kernel/efa_version.h must agree with it"
	done
	echo "$version"
}

# build_debs TARGET WHAT PACKAGE... FILE...: builds packages of kind WHAT ("all" or "any") from a copy of the
# named files, checks those named with lintian and moves them to TARGET.
build_debs() {
	local target=$1 kind=$2 work tree packages=()
	shift 2
	while [ "$1" != -- ]; do
		packages+=("$1")
		shift
	done
	shift
	# Always the same folder: its path is in the compilers' options, and ccache goes by those.
	work=$target/build-$kind
	rm -rf "$work"
	mkdir "$work"
	# shellcheck disable=SC2064  # this very folder
	trap "rm -rf '$work'" EXIT
	tree=$work/efa
	mkdir "$tree"
	# The files as they are in the tree, without what builds of the kernel module left in them.
	tar --exclude='*.o' --exclude='*.ko' --exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' \
		--exclude=Module.symvers --exclude=modules.order --exclude="efa_config.h*" \
		--exclude=kernel/tests --exclude=.clang-format -cf - "$@" | tar -C "$tree" -xf -
	mv "$tree/packaging/debian" "$tree/debian"
	# debhelper gives the compilers another home.
	if command -v ccache >/dev/null; then
		export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$tree
		export CCACHE_DIR=${CCACHE_DIR:-$(ccache --get-config cache_dir)}
	fi
	if ! (cd "$tree" && DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" \
		dpkg-buildpackage -us -uc "--build=$kind") >"$target/build-$kind.log" 2>&1; then
		cat "$target/build-$kind.log" >&2
		stop "dpkg-buildpackage failed"
	fi
	for package in "${packages[@]}"; do
		lintian --allow-root --fail-on error,warning --tag-display-limit 0 --profile debian \
			"$work/$package"_*.deb || stop "lintian has complaints about $package"
		mv "$work/$package"_*.deb "$target"
	done
}
