#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage: pair.sh PORT SERVER_COMMAND CLIENT_COMMAND
#
# Below `efa-emu run --hosts 2 --`: runs the server on host1 and, once it listens on TCP port PORT, the
# client on host0. In host1 of a lab of VMs (LAB_HOST is set): the server there, the client on host2.
# Each command is one word for the shell and is shown first. Fails when one of them does; shows the
# server's output then. Says which libefa the server has mapped. $PAIR_LIMIT: seconds for each (120).
set -euo pipefail
port=$1 server=$2 client=$3 limit=${PAIR_LIMIT:-120}
if [ -n "${LAB_HOST:-}" ]; then
	client_host=host2
	on_server() { exec sh -c "$1"; }
	libraries=
	for name in LD_LIBRARY_PATH RDMAV_DRIVERS; do
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
trap 'rm -f "$log"' EXIT

listening() {
	grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$port") [0-9A-F:]+ 0A" /proc/net/tcp /proc/net/tcp6
}

# mapped_libefa PID: the files called libefa that the process or one below it has mapped.
mapped_libefa() {
	local child children
	grep -oE '/[^ ]*/libefa(\.so|-rdmav)[^ ]*' "/proc/$1/maps" || true
	read -ra children <"/proc/$1/task/$1/children" || true
	for child in "${children[@]}"; do mapped_libefa "$child"; done
} 2>/dev/null

if listening; then
	echo "pair: TCP port $port, which '$server' needs, is in use on this machine" >&2
	exit 1
fi
echo "host1\$ $server &"
on_server "exec timeout $limit $server" >"$log" 2>&1 &
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
for file in $(mapped_libefa $server_pid | sort -u); do echo "(its libefa, from /proc/PID/maps: ${file#"$PWD"/})"; done
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
