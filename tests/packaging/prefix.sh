#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: prefix.sh BUILD_TREE EFA_EMU
#
# libefa installed below a prefix, beside the distribution's: programs are switched to it by their environment,
# as efa-verbs(7) says, and others are compiled against it.
set -uo pipefail
tree=$1 emu=$2
prefix=$(realpath "$(mktemp -d)")
trap 'rm -rf "$prefix"' EXIT
failures=0

verdict() { # STATUS TEXT
	if [ "$1" -eq 0 ]; then echo "ok: $2"; else
		failures=$((failures + 1))
		echo "FAILED: $2"
	fi
}
# loaded VARIABLE=VALUE...: the libefa that serves the device of a program which is not linked with it.
loaded() {
	local log
	log=$(env "$@" LD_DEBUG=files "$emu" run -- ibv_devices 2>&1)
	grep -q efa_0 <<<"$log" && sed -n 's/.*calling init: \(.*libefa.*\)/\1/p' <<<"$log" | head -n 1 | xargs -r realpath
}

for component in libefa libefa-dev; do
	cmake --install "$tree" --prefix "$prefix" --component $component >/dev/null || exit 2
done
lib=$(dirname "$(find "$prefix" -name libefa.so.1)")
ours=$(realpath "$lib/libefa.so.1")
plugins=("$lib"/libibverbs/libefa-rdmav*.so)
[ "$(realpath "${plugins[0]}")" = "$ours" ]
verdict $? "the plug-in is a link to the library, so that a process has it once"

default=$(loaded A=b)
[ -n "$default" ] && [ "$default" != "$ours" ]
verdict $? "programs use the distribution's ($default) when nobody says otherwise"
[ "$(loaded RDMAV_DRIVERS="$lib/libibverbs/libefa")" = "$ours" ]
verdict $? "RDMAV_DRIVERS switches a program that is not linked with libefa"
# The file that tells a libibverbs of this prefix about it names the same.
[ "$(sed 's/^driver //' "$prefix"/etc/libibverbs.d/efa.driver)" = "$lib/libibverbs/libefa" ]
verdict $? "the driver file names it"
LD_LIBRARY_PATH=$lib ldd "$(command -v ib_send_bw)" | grep "libefa.so.1 => $lib/libefa.so.1" >/dev/null
verdict $? "LD_LIBRARY_PATH switches a program that is linked with libefa"

cat >"$prefix/program.c" <<-'END'
	#include <infiniband/efa_diag.h>
	#include <infiniband/efadv.h>
	#include <stdio.h>
	int main(void)
	{
		struct efadv_device_attr attr = {0};
		int count = 0;
		struct ibv_device **devices = ibv_get_device_list(&count);
		struct ibv_context *context = count ? ibv_open_device(devices[0]) : NULL;
		int error = context ? efadv_query_device(context, &attr, sizeof(attr)) : -1;
		printf("error %d, inline %u, %s\n", error, attr.inline_buf_size, efa_vendor_err_str(15));
		return error;
	}
END
export PKG_CONFIG_PATH=$lib/pkgconfig
# shellcheck disable=SC2046  # several options
cc -Wall -Wextra -Werror -o "$prefix/program" "$prefix/program.c" $(pkg-config --cflags --libs libefa)
verdict $? "a program compiles with the options of pkg-config"
printed=$(LD_LIBRARY_PATH=$lib RDMAV_DRIVERS=$lib/libibverbs/libefa "$emu" run -- "$prefix/program" 2>&1)
grep -q 'error 0, inline 32, peer unreachable' <<<"$printed"
verdict $? "it runs: $printed"
MANPATH=$prefix/share/man man -w efadv_get_max_rq_depth efadv_wc_read_sgid efa-verbs >/dev/null
verdict $? "man finds its pages"

echo "$failures failures"
[ $failures -eq 0 ]
