#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=dash
#
# First process of the user-mode kernel; its root is the host's, read-only. Loads the modules named in
# the file EFA_MODULES (kernel command line), the suites last; unloads these, looks for leaks, powers off.
# What the suites have to say is in the kernel's log, which is the output of the user-mode kernel.
bb=/usr/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t debugfs debugfs /sys/kernel/debug

while read -r module; do
	$bb insmod "$module" || echo "init: could not load $module" >/dev/kmsg
done <"$EFA_MODULES"
$bb rmmod efa_kunit

# A block counts as leaked when it is 5 seconds old and two scans have missed it; time costs nothing here.
$bb sleep 6
echo scan >/sys/kernel/debug/kmemleak
echo scan >/sys/kernel/debug/kmemleak
$bb cat /sys/kernel/debug/kmemleak >/dev/kmsg
$bb poweroff -f
