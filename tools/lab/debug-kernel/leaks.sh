#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest with the debug kernel: leaks.sh [PROCESSES [faults]]
#
# Prints what kmemleak finds; status 1 if that is anything.
#
# Two leaks are the kernel's own (6.1, drivers/infiniband/core). They are forgiven to the processes whose
# pids are in the file PROCESSES (noted.sh), are counted and not shown:
#
# 1. To programs that are refused the device on purpose: their task. ib_alloc_ucontext takes a reference to
#    the task that opens a verbs device, for resource tracking. When ib_init_ucontext then fails, the ioctl's
#    handler (UVERBS_METHOD_GET_CONTEXT in uverbs_std_types_device.c) frees the context without
#    rdma_restrack_put, so the task stays for ever; with any driver, and even if no driver was asked. What
#    was allocated for a process: task_struct and signal_struct by copy_process, cred by prepare_creds.
# 2. With "faults", to programs that have allocations fail: nodes of ib_uverbs' table of methods. When
#    radix_tree_insert gets no memory, it leaves the nodes that it has added so far in the tree, without a
#    leaf; uverbs_destroy_api (uverbs_uapi.c) deletes leaves only.
set -u
kmemleak=/sys/kernel/debug/kmemleak
processes=
[ $# -eq 0 ] || [ ! -e "$1" ] || processes=$(tr '\n' ' ' <"$1")

# A block counts as leaked when it is 5 seconds old and two scans have missed it.
sleep 6
echo scan >$kmemleak && echo scan >$kmemleak || exit 1

# A record starts with "unreferenced object"; after "backtrace:" come the functions, the allocator's first.
awk -v processes="$processes" -v faults="${2:-}" '
	function from(depth, name) { return caller[depth] ~ "^(" name ")[+.]" }
	function judge() {
		if (record == "") return
		if (pid in kept && from(2, "copy_process|prepare_creds")) { tasks++; return }
		if (pid in kept && faults != "" && from(2, "radix_tree_node_alloc") &&
		    from(3, "radix_tree_insert") && from(4, "uapi_add_get_elm|uapi_add_elm")) { nodes++; return }
		printf "%s", record
		found = 1
	}
	BEGIN { count = split(processes, list, " "); for (i = 1; i <= count; i++) kept[list[i]] }
	/^unreferenced object/ { judge(); record = ""; line = 0; pid = ""; split("", caller) }
	{ record = record $0 "\n" }
	line { caller[NR - line] = $2 }
	match($0, /, pid [0-9]+/) { pid = substr($0, RSTART + 6, RLENGTH - 6) }
	/^ +backtrace/ { line = NR }
	END {
		judge()
		if (tasks) print tasks " blocks of processes that were refused the device, kept by ib_core of 6.1"
		if (nodes) print nodes " tree nodes that ib_uverbs of 6.1 loses when it gets no memory"
		exit found
	}' $kmemleak
