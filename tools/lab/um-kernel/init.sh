#!/usr/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# First process of the user-mode kernel; its root is the host's, read-only. Loads the modules that are
# named in the file EFA_MODULES (kernel command line), looks for leaks, powers off. What the suites have
# to say is in the kernel log, which is the output of the user-mode kernel.
bb=/usr/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t debugfs debugfs /sys/kernel/debug

while read -r module; do
	$bb insmod "$module" || echo "init: could not load $module" >/dev/kmsg
done <"$EFA_MODULES"

# A block counts as leaked from the second scan on, and only when it is 5 seconds old (kmemleak), so
# the age is set back: scanning is what finds it, not waiting.
kmemleak=/sys/kernel/debug/kmemleak
$bb rmmod efa_kunit
echo scan >$kmemleak && echo scan >$kmemleak
$bb cat $kmemleak >/dev/kmsg
$bb poweroff -f
