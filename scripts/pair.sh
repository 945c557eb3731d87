#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: pair.sh PORT SERVER_COMMAND CLIENT_COMMAND
#
# Below `efa-emu run --hosts 2 --`: runs the server on host1 and, once it listens on TCP port PORT, the
# client on host0. In host1 of a lab of VMs (LAB_HOST is set): the server there, the client on host2.
# Each command is one word for the shell and is shown first. Fails when one of them does; shows the
# server's output then. Says which libefa, libfabric and provider the server has loaded.
# $PAIR_LIMIT: seconds for each (120).
set -euo pipefail
port=$1 server=$2 client=$3 limit=${PAIR_LIMIT:-120}
if [ -n "${LAB_HOST:-}" ]; then
	client_host=host2
	on_server() { exec sh -c "$1"; }
	libraries=
	for name in LD_LIBRARY_PATH RDMAV_DRIVERS FI_PROVIDER_PATH FI_EFA_ENABLE_SHM_TRANSFER; do
		[ -z "${!name:-}" ] || libraries+="export $name='${!name}' && "
	done
	# shellcheck disable=SC2029  # this folder is meant
	on_client() { ssh host2 "cd $PWD && $libraries$1"; }
else
	client_host=host0
	on_server() { exec efa-emu on host1 sh -c "$1"; }
	on_client() { sh -c "$1"; }
fi
log=$(mktemp)
trap 'rm -f "$log" "$log".linker.*' EXIT
# Who has set LD_DEBUG reads the linker's words by itself.
linker=()
[ -n "${LD_DEBUG:-}" ] || linker=(LD_DEBUG=files LD_DEBUG_OUTPUT="$log.linker")

listening() {
	grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$port") [0-9A-F:]+ 0A" /proc/net/tcp /proc/net/tcp6
}

# say_libraries: which of the libraries of this stack, and libfabric, the dynamic linker gave the server. Providers
# come late and go with the program, so /proc/PID/maps shows them at no certain time.
say_libraries() {
	local file what
	[ ${#linker[@]} -ne 0 ] || return 0
	sed -nE 's/.*calling init: (.*\/lib(efa[-.]|aws-fi|fabric\.so).*)/\1/p' "$log".linker.* 2>/dev/null | sort -u |
		while read -r file; do
			case $file in
			*/libaws-fi.so) what="alias of the provider" ;;
			*-fi.so*) what=provider ;;
			*/libefa*) what=libefa ;;
			*) what=libfabric ;;
			esac
			echo "(the server's $what, by the dynamic linker: ${file#"$PWD"/})"
		done
}

if listening; then
	echo "pair: TCP port $port, which '$server' needs, is in use on this machine" >&2
	exit 1
fi
echo "host1\$ $server &"
on_server "exec env ${linker[*]} timeout $limit $server" >"$log" 2>&1 &
server_pid=$!
for ((tries = 0; tries < 600; tries++)); do
	listening && break
	kill -0 $server_pid 2>/dev/null || break
	sleep 0.05
done
if ! listening; then
	kill $server_pid 2>/dev/null || true
	echo "pair: the server does not listen on TCP port $port; it said:" >&2
	cat "$log" >&2
	exit 1
fi
# Where mounts are denied, programs see the machine's own /etc/hosts: then by address.
if ! getent hosts host1 >/dev/null; then
	address=$(awk '$2 == "host1" { print $1 }' "$EFA_EMU_DIR/etc-hosts")
	client=${client//host1/$address}
fi
echo "$client_host\$ $client"
status=0
on_client "exec timeout $limit $client" || status=$?
[ $status -eq 0 ] || kill $server_pid 2>/dev/null || true
server_status=0
wait $server_pid || server_status=$?
if [ $status -ne 0 ] || [ $server_status -ne 0 ]; then
	echo "pair: client ended with status $status, server with $server_status; the server said:" >&2
	cat "$log" >&2
	exit 1
fi
say_libraries
