# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154  # variables of those who source this and of steps.sh
#
# Sourced after steps.sh by the demos: which libefa their programs use. EFA_LIBEFA is ours (the default)
# or distribution. Programs that are linked with libefa.so.1 follow LD_LIBRARY_PATH, others RDMAV_DRIVERS
# (efa-verbs(7)).

# over_libefa FOLDER: prints the environment, one VARIABLE=VALUE a line, by which programs use that libefa.
over_libefa() {
	echo "LD_LIBRARY_PATH=$1${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
	echo "RDMAV_DRIVERS=$1/libefa"
}

# build_libefa: ours for Debian 12's libibverbs 44. build_newer_libefa: for that of rdma-core 56.1 in
# build/peers, as one binary serves one release. Each sets the environment that goes with it.
libefa=() newer_libefa=()
build_libefa() {
	[ "$libefa_choice" = ours ] || return 0
	build_tree default efa_provider
	mapfile -t libefa < <(over_libefa "$build/default/userspace/lib")
}
build_newer_libefa() {
	[ "$libefa_choice" = ours ] || return 0
	build_libefa_for 56
	mapfile -t newer_libefa < <(over_libefa "$build/libefa56/userspace/lib")
}

libefa_choice=${EFA_LIBEFA:-ours}
case $libefa_choice in
ours) libefa_words="our libefa (EFA_LIBEFA=distribution takes Debian's)" ;;
distribution) libefa_words="Debian's libefa" ;;
*) stop "EFA_LIBEFA is '$libefa_choice'; set it to ours or distribution" ;;
esac
