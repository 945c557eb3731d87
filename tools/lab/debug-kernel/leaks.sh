#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Usage, in a guest with the debug kernel: leaks.sh
#
# Prints what kmemleak finds; status 1 if that is anything.
set -u
kmemleak=/sys/kernel/debug/kmemleak
# A block counts as leaked when it is 5 seconds old and two scans have missed it.
sleep 6
echo scan >$kmemleak && echo scan >$kmemleak || exit 1
found=$(<$kmemleak)
[ -z "$found" ] && exit
printf '%s\n' "$found"
exit 1
