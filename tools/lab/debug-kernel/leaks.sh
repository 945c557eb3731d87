#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest with the debug kernel: leaks.sh [PROCESSES]
#
# Prints what kmemleak finds; status 1 if that is anything.
#
# One leak is the kernel's own (6.1). ib_alloc_ucontext takes a reference to the task that opens a verbs
# device, for resource tracking. When ib_init_ucontext then fails, the ioctl's handler
# (UVERBS_METHOD_GET_CONTEXT in drivers/infiniband/core/uverbs_std_types_device.c) frees the context without
# rdma_restrack_put, so the task stays for ever; with any driver, and even if no driver was asked. Hence the
# file PROCESSES: pids of programs that are refused the device on purpose, and of what started them
# (noted.sh). What the kernel allocated to make these processes is counted and not shown.
set -u
kmemleak=/sys/kernel/debug/kmemleak
processes=
[ $# -eq 0 ] || [ ! -e "$1" ] || processes=$(tr '\n' ' ' <"$1")

# A block counts as leaked when it is 5 seconds old and two scans have missed it.
sleep 6
echo scan >$kmemleak && echo scan >$kmemleak || exit 1

# A record starts with "unreferenced object"; the second line of its backtrace is who asked the allocator.
# task_struct and signal_struct come from copy_process; cred from prepare_creds, for it or for exec.
awk -v processes="$processes" '
	function judge() {
		if (record == "") return
		if (pid in kept && birth) { tasks++; return }
		printf "%s", record
		found = 1
	}
	BEGIN { count = split(processes, list, " "); for (i = 1; i <= count; i++) kept[list[i]] }
	/^unreferenced object/ { judge(); record = ""; birth = 0; line = 0; pid = "" }
	{ record = record $0 "\n" }
	match($0, /, pid [0-9]+/) { pid = substr($0, RSTART + 6, RLENGTH - 6) }
	/^ +backtrace/ { line = NR }
	line && NR == line + 2 { birth = / (copy_process|prepare_creds)\+/ }
	END {
		judge()
		if (tasks) print tasks " blocks of processes that were refused the device, kept by ib_core of 6.1"
		exit found
	}' $kmemleak
